"""Runs commands and says what they took: wall time, CPU, peak memory; several contestants in turn, medians reported.

A command is started by a small process of its own (`python -I -S measure.py …`): Linux counts the memory of whoever
starts a program into that program's peak, so a large measuring process would be found in every result. Contestants take
turns, round by round, so that a slow minute of the machine hits them all; the first round warms up and is thrown away.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run. `python` says that it starts Python, whose bare start is taken off its time."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    python: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds of wall and CPU, peak memory in bytes, and what the command printed."""

    wall: float
    cpu: float
    rss: int
    output: str = ""


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who takes part: `prepare` brings everything to the start, untimed, and returns what to run."""

    name: str
    prepare: Callable[[], Command]
    reads: Callable[[Sample], Sample] = lambda sample: sample


class CommandFailed(RuntimeError):
    """A measured command ended with another code than 0; carries the end of what it said."""


def run(command: Command) -> Sample:
    """One run in a fresh small process, without Python's own start where the command is Python."""
    words = [sys.executable, "-I", "-S", __file__, *map(str, command.argv)]
    environment = {**os.environ, **command.env}
    said, complaint = _ended(words, environment, command.cwd)
    output, _, report = said.rpartition("\x1e")
    if not report or (code := json.loads(report)["code"]):
        tail = (complaint or output)[-2000:]
        raise CommandFailed(f"{' '.join(map(str, command.argv))} ended with {code if report else 'nothing'}:\n{tail}")
    took = json.loads(report)
    start = python_start() if command.python else Sample(0, 0, 0)
    return Sample(max(took["wall"] - start.wall, 0), max(took["cpu"] - start.cpu, 0), took["rss"], output)


def _ended(words: Sequence[str], environment: Mapping[str, str], cwd: Path | None) -> tuple[str, str]:
    """What the small process and its program printed. Interrupted, both end: an orphan would write on."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        words, env=environment, cwd=cwd, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    try:
        return process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise


def alternate(contestants: Sequence[Contestant], rounds: int, warm_up: bool = True) -> dict[str, list[Sample]]:
    """The samples of every contestant after `rounds` turns each."""
    samples: dict[str, list[Sample]] = {contestant.name: [] for contestant in contestants}
    for turn in range(rounds + warm_up):
        for contestant in contestants:
            command = contestant.prepare()
            os.sync()
            sample = contestant.reads(run(command))
            if turn >= warm_up:
                samples[contestant.name].append(sample)
    return samples


@cache
def python_start() -> Sample:
    """The median bare start of this Python, measured once and taken off every Python command."""
    bare = Command([sys.executable, "-c", "pass"])
    ordered = sorted((run(bare) for _ in range(11)), key=lambda sample: sample.wall)
    return ordered[len(ordered) // 2]


def _child(argv: list[str]) -> None:
    """Inside the small process: run, wait, and append the report behind whatever the command printed."""
    began = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    scale = 1 if sys.platform == "darwin" else 1024
    report = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss": usage.ru_maxrss * scale,
        "code": os.waitstatus_to_exitcode(status),
    }
    sys.stdout.write("\x1e" + json.dumps(report))


if __name__ == "__main__":
    _child(sys.argv[1:])
