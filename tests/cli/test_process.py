"""The program as a process: streams, signals, completion."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from chunkstore.cancel import Cancel
from cli.signals import stop_on_signals

ROOT = Path(__file__).parents[2]
MAIN = [sys.executable, "-c", "from cli.main import main; main()"]


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LADING_")}
    return subprocess.run([*MAIN, *words], cwd=ROOT, env=environ | variables, capture_output=True, check=False)


def test_output_is_utf8_whatever_the_locale_says() -> None:
    finished = run("config", "show", LADING_STORE="/spiele/Überfahrt", PYTHONIOENCODING="ascii")
    assert finished.returncode == 0
    assert "/spiele/Überfahrt" in finished.stdout.decode()


NOT_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps names as Unicode")
def test_names_that_would_be_read_in_another_encoding_are_refused(tmp_path: Path) -> None:
    """A build of `ü` must not be published as mojibake, or fail in the middle of an install."""
    store = tmp_path / "store"
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "漢.txt").touch()
    words = ("publish", str(tmp_path / "source"), "toy", "--store", str(store), "--json")
    finished = run(*words, **NOT_UTF8)
    assert finished.returncode == 7
    error = json.loads(finished.stdout)["error"]
    assert error["code"] == "locale-not-utf8"
    assert "PYTHONUTF8=1" in error["next"]
    assert not store.exists()
    assert run(*words, **NOT_UTF8 | {"PYTHONUTF8": "1", "LADING_STATE_DIR": str(tmp_path / "state")}).returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps names as Unicode")
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["install", "--help"]])
def test_asking_needs_no_locale(words: list[str]) -> None:
    assert run(*words, **NOT_UTF8).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_result_that_cannot_be_written_is_no_success() -> None:
    with open("/dev/full", "w") as full:
        finished = subprocess.run([*MAIN, "--version"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert finished.returncode == 7
    assert finished.stderr.startswith(b"error[output-lost]")
    assert b"Traceback" not in finished.stderr
    assert b"Exception ignored" not in finished.stderr


def test_a_reader_that_went_away_is_no_crash() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    finished = subprocess.run([*MAIN, "--help"], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (finished.returncode, finished.stderr) == (7, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_scripts(shell: str) -> None:
    script = run("completion", shell).stdout.decode()
    assert "_LADING_COMPLETE" in script
    assert f"{shell}_complete" in script


COMPLETIONS: list[tuple[Mapping[str, str], set[str]]] = [
    ({"COMP_WORDS": "lading co", "COMP_CWORD": "1"}, {"config", "completion"}),
    ({"COMP_WORDS": "lading config ", "COMP_CWORD": "2"}, {"show"}),
    ({"COMP_WORDS": "lading config show --j", "COMP_CWORD": "3"}, {"--json"}),
]


@pytest.mark.parametrize(("words", "offered"), COMPLETIONS)
def test_completion_offers_verbs_and_flags(words: Mapping[str, str], offered: set[str]) -> None:
    finished = run(**words, _LADING_COMPLETE="bash_complete")
    assert {line.partition(",")[2] for line in finished.stdout.decode().split()} == offered


def test_the_first_signal_asks_and_the_second_stops() -> None:
    """R-2.3.1-5: a stop leaves something to resume."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    cancel = Cancel()
    try:
        stop_on_signals(cancel)
        signal.raise_signal(signal.SIGTERM)
        assert cancel.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
