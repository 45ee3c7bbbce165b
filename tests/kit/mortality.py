"""Kills a run at a chosen step on the file system, or at a chosen call to a store.

On the file system that call does not happen, nor does any later one: what a process cannot do when it is dead, its
`finally` blocks cannot do here either, they meet the same death. Or the system refuses that one step, and the process
lives on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from chunkstore.wrappers.fault import Fault, FaultyStore

STEPS = (
    "open",
    "write",
    "pwrite",
    "replace",
    "rename",
    "unlink",
    "link",
    "symlink",
    "mkdir",
    "rmdir",
    "chmod",
    "fchmod",
)
CHANGING = ("put", "replace", "delete")
READING = ("get", "get_range", "list", "stat")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Killed(BaseException):
    """The process is gone. No handler of the program may catch this."""


class Mortality:
    """Counts the steps that change something. The `moment`-th, which may be the middle of a write, does not happen:
    the process is killed there, or the step `refuses` with that error."""

    def __init__(self, moment: int, *, refuses: OSError | None = None) -> None:
        self.moment = moment
        self.refuses = refuses
        self.steps = 0
        self.dead = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Counts, and kills, inside the block."""
        steps: dict[str, Any] = {name: self._wrap(name, getattr(os, name)) for name in STEPS}
        with patch.multiple(os, **steps):
            yield

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **named: Any) -> Any:
            if self.dead and not self.refuses:
                raise Killed
            if name == "open" and not args[1] & _WRITING:
                return real(*args, **named)
            self._die_if_it_is_time()
            if name in ("write", "pwrite"):
                file, data, *offset = args
                done: int = real(file, data[: len(data) // 2], *offset) if len(data) > 1 else 0
                self._die_if_it_is_time()
                return done + real(file, data[done:], *(at + done for at in offset))
            return real(*args, **named)

        return step

    def _die_if_it_is_time(self) -> None:
        if self.steps == self.moment:
            self.dead = True
            self.steps += 1
            raise self.refuses or Killed
        self.steps += 1


class Moments:
    """0, 1, 2, … until runs have outlived some: with threads at work no two take the same number of steps."""

    def __init__(self, *, apart: int = 1, enough: int = 16) -> None:
        self.outlived = 0
        self._apart = apart
        self._enough = enough

    def __iter__(self) -> Iterator[int]:
        moment = 0
        while self.outlived < self._enough:
            yield moment
            moment += self._apart


def killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Does the work and kills it at that step; whether there was such a step."""
    mortality = Mortality(moment)
    try:
        with mortality.watching():
            work()
    except Killed:
        return True
    return False


def die_before(work: Callable[[], Any]) -> Any:
    """The call does not happen."""
    raise Killed


def die_after(work: Callable[[], Any]) -> Any:
    """The call takes effect, and nobody learns of it."""
    work()
    raise Killed


def deaths(counted: FaultyStore) -> Iterator[Fault]:
    """A death at each call that was counted: before it, and where it changes something after it, too."""
    for verb in CHANGING + READING:
        for call in range(1, counted.calls(verb) + 1):
            yield Fault(verb, call, die_before)
            if verb in CHANGING:
                yield Fault(verb, call, die_after)
