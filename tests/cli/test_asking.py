"""The person at the terminal: asked where there is one, and nowhere else; the bar does not write into their answer."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TextIO

import pytest

from chunkstore.cancel import Cancel, Interrupted
from cli.asking import Person
from cli.call import Call, running
from cli.config import Configuration, Settings
from cli.ndjson import NdjsonSink
from cli.progress import BarView, ProgressSink
from manifest.events import Phase, Progress
from tests.kit.clock import FakeClock
from tests.kit.machines import STORE, Machine

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
ROOT = Path(__file__).parents[2]
SECRET = "correct horse"
PROGRAM = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from cli.main import main; main()"
"""The command line, once the terminal is its own: only then does Ctrl-C reach it."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Typist:
    """A process on a terminal of its own, and somebody who types into it."""

    def __init__(self, *words: str, **variables: str) -> None:
        self.seen = ""
        self._terminal, its_end = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            stdin=its_end,
            stdout=its_end,
            stderr=its_end,
            start_new_session=True,
        )
        os.close(its_end)

    def wait_for(self, text: str) -> None:
        """Until the screen shows it."""
        while text not in self.seen:
            assert self._read(), self.seen

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def press_ctrl_c(self) -> None:
        os.write(self._terminal, b"\x03")

    def leaves(self) -> int:
        """The exit code, once the process is gone."""
        while self._read():
            pass
        os.close(self._terminal)
        return self._process.wait()

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        return not select.select([self._terminal], [], [], seconds)[0]

    def _read(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], 30)
        assert ready, f"nothing came after {self.seen!r}"
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # the other end is closed
            return False
        self.seen += data.decode()
        return bool(data)


@pytest.fixture(autouse=True)
def at_a_players_machine(isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADING_STATE_DIR", str(tmp_path / "player"))


INSTALL = ("install", "toy", "--into", "game", "--store", STORE)


def test_a_first_contact_is_confirmed(studio: Machine) -> None:
    pin = studio.result("key", "pin", "toy")["pin"]
    typist = Typist(*INSTALL)
    typist.wait_for("[y/N] ")
    assert pin in typist.seen
    typist.type("y\n")
    assert typist.leaves() == 0
    assert Path("game/readme.txt").read_bytes() == b"hello"


@pytest.mark.parametrize("answer", ["n\n", "\n", "yesterday\n", "\x04"], ids=["no", "nothing", "something", "the end"])
def test_everything_but_yes_is_no(studio: Machine, answer: str) -> None:
    typist = Typist(*INSTALL)
    typist.wait_for("[y/N] ")
    typist.type(answer)
    assert typist.leaves() == 6
    assert "error[trust-needed]" in typist.seen
    assert not Path("game").exists()


def test_ctrl_c_at_the_question_ends_the_command(studio: Machine) -> None:
    typist = Typist(*INSTALL)
    typist.wait_for("[y/N] ")
    typist.press_ctrl_c()
    assert typist.leaves() == 130


@pytest.mark.parametrize("flag", ["--json", "--events"])
def test_programs_are_not_asked(studio: Machine, flag: str) -> None:
    typist = Typist(*INSTALL, flag)
    assert typist.leaves() == 6
    assert "[y/N]" not in typist.seen
    assert "trust-needed" in typist.seen


def test_no_bar_moves_while_somebody_thinks(studio: Machine) -> None:
    """The bar may stand since 0.3 s; what it would draw comes after the answer."""
    typist = Typist(*INSTALL, LADING_OUTPUT_PROGRESS="bar")
    typist.wait_for("[y/N] ")
    assert typist.is_silent(1.0)
    typist.type("y\n")
    assert typist.leaves() == 0


def test_a_passphrase_is_typed_twice_and_unseen(studio: Machine) -> None:
    words = ("key", "backup", "toy", "--to", "toy.backup")
    variables = {"LADING_STATE_DIR": str(studio.state)}
    typist = Typist(*words, **variables)
    typist.wait_for("New passphrase for the backup: ")
    typist.type(f"{SECRET}\n")
    typist.wait_for("The same again: ")
    typist.type(f"{SECRET}\n")
    assert typist.leaves() == 0
    assert SECRET not in typist.seen

    restoring = Typist("key", "restore", "toy.backup", **variables)
    restoring.wait_for("Passphrase: ")
    restoring.type(f"{SECRET}\n")
    assert restoring.leaves() == 0


def test_ctrl_c_at_a_passphrase_ends_the_command(studio: Machine) -> None:
    typist = Typist("key", "backup", "toy", "--to", "toy.backup", LADING_STATE_DIR=str(studio.state))
    typist.wait_for("New passphrase for the backup: ")
    typist.press_ctrl_c()
    assert typist.leaves() == 130
    assert not Path("toy.backup").exists()


def test_two_passphrases_that_differ(studio: Machine) -> None:
    typist = Typist("key", "backup", "toy", "--to", "toy.backup", LADING_STATE_DIR=str(studio.state))
    typist.wait_for("New passphrase for the backup: ")
    typist.type(f"{SECRET}\n")
    typist.wait_for("The same again: ")
    typist.type("battery staple\n")
    assert typist.leaves() == 4
    assert "error[passphrase-wrong]" in typist.seen
    assert not Path("toy.backup").exists()


def test_a_passphrase_is_asked_for_once_however_many_keys_sign(studio: Machine) -> None:
    studio.variables["LADING_KEY_PASSPHRASE"] = SECRET
    old = {row["role"]: row["keyid"] for row in studio.result("key", "list")["keys"]}
    for role in ("builds", "online"):
        public = studio.result("key", "new", "toy", "--role", role, "--passphrase")["public"]
        words = ["--role", role, "--add", public, "--drop", old[role], "--store", STORE]
        studio.result("key", "rotate", "toy", *words)
    Path("source/readme.txt").write_text("two")
    typist = Typist("publish", "source", "toy", "--store", STORE, LADING_STATE_DIR=str(studio.state))
    typist.wait_for("Passphrase: ")
    typist.type(f"{SECRET}\n")
    assert typist.leaves() == 0
    assert typist.seen.count("Passphrase: ") == 1


def call(*, json: bool = False, events: bool = False, stdin: io.StringIO | None, stderr: io.StringIO) -> Call:
    clock = FakeClock()
    sink = NdjsonSink(stderr, clock) if events else None
    return Call(json, sink, io.StringIO(), stderr, clock, Cancel(), stdin=stdin)


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        (lambda: call(stdin=Terminal(), stderr=Terminal()), True),
        (lambda: call(stdin=io.StringIO(), stderr=Terminal()), False),
        (lambda: call(stdin=Terminal(), stderr=io.StringIO()), False),
        (lambda: call(stdin=None, stderr=Terminal()), False),
        (lambda: call(stdin=Terminal(), stderr=Terminal(), json=True), False),
        (lambda: call(stdin=Terminal(), stderr=Terminal(), events=True), False),
    ],
)
def test_who_is_asked(how: Callable[[], Call], asked: bool) -> None:
    with running(how(), Configuration(Settings(), ())) as run:
        assert (run.ask is not None, run.ask_secret is not None) == (asked, asked)


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, int]]:
    """The two ends of a terminal: what the program reads from, and what somebody types into."""
    typing, reading = pty.openpty()
    with open(reading, encoding="utf-8") as stream:
        yield stream, typing
    os.close(typing)


def test_a_bar_that_stands_is_taken_away_and_comes_back(terminal: tuple[TextIO, int]) -> None:
    clock, stream = FakeClock(), Terminal()
    sink = ProgressSink(BarView(stream, clock, colour=False), clock)
    clock.advance(1)
    sink.emit(Phase("fetch", 100))
    assert "fetch" in stream.getvalue()
    person = Person(terminal[0], stream, sink.quiet, Cancel())
    drawn = stream.getvalue()
    os.write(terminal[1], b"yes\n")
    assert person.agrees("Really?")
    assert stream.getvalue()[len(drawn) :].endswith("\x1b[2KReally? [y/N] ")
    clock.advance(1)
    sink.emit(Progress(50))
    assert " 50%" in stream.getvalue().rpartition("[y/N] ")[2]


def test_a_wish_to_stop_ends_the_waiting(terminal: tuple[TextIO, int]) -> None:
    cancel = Cancel()
    cancel.request()
    with pytest.raises(Interrupted):
        Person(terminal[0], Terminal(), nullcontext, cancel).agrees("Really?")


def test_signals_are_a_wish_again_after_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("getpass.getpass", lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        Person(Terminal(), Terminal(), nullcontext, Cancel()).tells("Passphrase")
    assert signal.getsignal(signal.SIGINT) is before
