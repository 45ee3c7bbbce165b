"""The person at the terminal: a question that takes a yes, and a secret that is typed unseen.

Nobody is asked where standard input or standard error leads elsewhere, or where a program reads the answer (`--json`,
`--events`). While somebody thinks, no bar moves, and Ctrl-C ends the command at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TextIO

from cli.output import deliver, printable
from cli.signals import stopping_at_once


@dataclass(frozen=True, slots=True)
class Person:
    """Who sits at this terminal. `quiet` keeps the screen still while they are asked."""

    stdin: TextIO
    stderr: TextIO
    quiet: Callable[[], AbstractContextManager[None]]

    def agrees(self, question: str) -> bool:
        """Whether the answer is yes. An empty line, an end of input and everything else is no."""
        with self.quiet(), stopping_at_once():
            deliver(self.stderr, printable(f"{question} [y/N] "))
            return self.stdin.readline().strip().lower() in ("y", "yes")

    def tells(self, prompt: str) -> str:
        """What they type, unseen."""
        from getpass import getpass

        with self.quiet(), stopping_at_once():
            try:
                return getpass(printable(f"{prompt}: "), self.stderr)
            except EOFError:
                return ""
