"""The stopwatch of the benchmarks: what a command costs is its own, and a failure is never a number."""

import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from benchmarks.measure import Command, CommandFailed, Contestant, Sample, alternate, run


def test_memory_of_the_measuring_process_is_not_counted() -> None:
    ballast = bytearray(300_000_000)
    sample = run(Command([sys.executable, "-S", "-c", "print('said')"]))
    assert sample.output == "said\n"
    assert sample.rss < len(ballast) / 2


def test_memory_of_the_command_is_counted() -> None:
    assert run(Command([sys.executable, "-S", "-c", "bytearray(b'x') * 200_000_000"])).rss > 200_000_000


def test_a_failed_command_is_an_error_with_its_words() -> None:
    with pytest.raises(CommandFailed, match="no such thing"):
        run(Command([sys.executable, "-S", "-c", "raise SystemExit('no such thing')"]))


def test_an_interrupted_run_leaves_no_program_behind(tmp_path: Path) -> None:
    ready = tmp_path / "pid"
    patient = Command(["sh", "-c", f"echo $$ > {ready}.new && mv {ready}.new {ready} && exec sleep 60 >/dev/null 2>&1"])

    def interrupt_when_ready() -> None:
        while not ready.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        Thread(target=interrupt_when_ready, daemon=True).start()
        with pytest.raises(SystemExit):
            run(patient)
    finally:
        signal.signal(signal.SIGTERM, before)
    with pytest.raises(ProcessLookupError):
        _wait_until_gone(int(ready.read_text()))


def _wait_until_gone(pid: int) -> None:
    """Raises `ProcessLookupError` as soon as the process is gone; returns if it stays."""
    for _ in range(200):
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            raise ProcessLookupError
        os.kill(pid, 0)
        time.sleep(0.01)


def test_contestants_take_turns_and_the_first_round_is_thrown_away(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def turn(name: str) -> Contestant:
        return Contestant(name, lambda: Command(["sh", "-c", f"echo {name} >> {log}; echo {name}"]))

    samples = alternate([turn("a"), turn("b")], rounds=2)
    assert log.read_text().split() == ["a", "b"] * 3
    assert {name: [sample.output for sample in taken] for name, taken in samples.items()} == {
        "a": ["a\n"] * 2,
        "b": ["b\n"] * 2,
    }


def test_a_contestant_may_read_its_own_clock() -> None:
    own = Contestant("own", lambda: Command(["true"]), reads=lambda sample: Sample(1.5, 1, sample.rss))
    assert [sample.wall for sample in alternate([own], rounds=1)["own"]] == [1.5]
