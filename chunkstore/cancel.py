"""The wish to stop, made once from any thread and honoured wherever a loop can leave nothing half done.

Loops that may run longer than a quarter of a second call `check` between two steps, and wait with `pause` instead of
sleeping. Nothing is ever torn down from outside.
"""

from __future__ import annotations

import threading

from chunkstore.errors import LadingError


class Cancel:
    """Starts unset; once requested it stays so."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether somebody wants the work to stop."""
        return self._event.is_set()

    def request(self) -> None:
        """Ask the work to stop at its next safe point."""
        self._event.set()

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self._event.is_set():
            raise Interrupted("stopped before the end")

    def pause(self, seconds: float) -> None:
        """Wait that long; a request ends the wait with `Interrupted`."""
        self._event.wait(seconds)
        self.check()


class Interrupted(LadingError):
    """The user, or the system that is shutting down, asked the command to stop."""

    code = "interrupted"
    default_cause = "The command was asked to stop (Ctrl-C, or a signal from the system)."
    default_next = "Run the same command again; it goes on where it stopped."
