"""The person at the terminal: a question that takes a yes, and a secret that is typed unseen.

Nobody is asked where standard input or standard error leads elsewhere, or where a program reads the answer (`--json`,
`--events`). While somebody thinks, no bar moves; Ctrl-C ends the waiting.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TextIO

from chunkstore.cancel import Cancel
from cli.output import deliver, printable
from cli.signals import stopping_at_once

_POLL = 0.1
_LONGEST_ANSWER = 1024


@dataclass(frozen=True, slots=True)
class Person:
    """Who sits at this terminal. `quiet` keeps the screen still while they are asked."""

    stdin: TextIO
    stderr: TextIO
    quiet: Callable[[], AbstractContextManager[None]]
    cancel: Cancel

    def agrees(self, question: str) -> bool:
        """Whether the answer is yes; an empty line, an end of input and everything else is no. On any thread."""
        with self.quiet():
            deliver(self.stderr, printable(f"{question} [y/N] "))
            return self._line().strip().lower() in ("y", "yes")

    def tells(self, prompt: str) -> str:
        """What they type, unseen. On the main thread."""
        from getpass import getpass

        with self.quiet(), stopping_at_once():
            try:
                return getpass(printable(f"{prompt}: "), self.stderr)
            except EOFError:
                return ""

    def _line(self) -> str:
        """A line that they type. Not through the stream, whose lock a thread that is left behind would keep."""
        typed = self.stdin.fileno()
        while os.name == "posix" and not select.select([typed], [], [], _POLL)[0]:
            self.cancel.check()
        return os.read(typed, _LONGEST_ANSWER).decode(errors="replace")
