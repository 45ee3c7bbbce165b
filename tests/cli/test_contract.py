"""One document on standard output, whatever happens (`docs/cli.md`)."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from chunkstore.cancel import Cancel, Interrupted
from chunkstore.errors import LadingError
from chunkstore.store import DiskFull
from cli.call import Call, Unexpected, attempt, conclude
from cli.ndjson import NdjsonSink
from cli.output import Outcome
from tests.kit.clock import FakeClock
from tests.kit.command import Finished, Lading

USAGE = [
    ("lading", []),
    ("lading", ["confg"]),
    ("lading", ["--jsn"]),
    ("config", ["config", "shw"]),
    ("config show", ["config", "show", "--stoer", "x"]),
    ("config show", ["config", "show", "extra"]),
    ("completion", ["completion"]),
    ("completion", ["completion", "tcsh"]),
]


@pytest.mark.parametrize(("command", "words"), USAGE)
@pytest.mark.parametrize("first", [True, False])
def test_usage_errors_are_a_document(lading: Lading, command: str, words: Sequence[str], first: bool) -> None:
    finished = lading("--json", *words) if first else lading(*words, "--json")

    assert finished.exit == 2
    assert finished.stdout.count("\n") == 1
    document = finished.document
    assert set(document) == {"v", "command", "ok", "result", "receipt", "error"}
    assert (document["v"], document["ok"], document["result"]) == (1, False, None)
    assert document["command"] == ("" if command == "lading" else command)
    assert set(document["error"]) == {"code", "message", "where", "cause", "next", "data"}
    assert document["error"]["code"] == "usage"


def test_an_option_without_its_value_is_a_usage_error(lading: Lading) -> None:
    finished = lading("--json", "config", "show", "--store")
    assert (finished.exit, finished.document["command"]) == (2, "config show")
    assert "requires an argument" in finished.document["error"]["message"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["confg"], "Did you mean 'config'?"),
        (["config", "shw"], "Did you mean 'show'?"),
        (["config", "show", "--limit-rat", "1"], "Did you mean '--limit-rate'?"),
        (["config", "show", "--jsn"], "--json"),
    ],
)
def test_did_you_mean(lading: Lading, words: list[str], hint: str) -> None:
    finished = lading(*words)
    assert finished.exit == 2
    assert hint in finished.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "config", "show"],
        ["config", "--json", "show"],
        ["config", "show", "--json"],
        ["--json", "--version"],
        ["--version", "--json"],
        ["config", "show", "--help", "--json"],
    ],
)
def test_flags_before_and_after_the_verb(lading: Lading, words: list[str]) -> None:
    finished = lading(*words)
    assert finished.exit == 0
    assert finished.document["ok"] is True
    assert finished.document["error"] is None
    assert finished.stderr == ""


def test_words_after_two_dashes_are_no_flags(lading: Lading) -> None:
    finished = lading("config", "show", "--", "--json")
    assert finished.exit == 2
    assert finished.stdout == ""


def test_events_are_all_of_standard_error_and_end_with_the_result(lading: Lading) -> None:
    finished = lading("--events", "config", "shw")
    assert [event["type"] for event in finished.events] == ["result"]
    assert finished.events[-1]["exit"] == 2
    assert finished.events[-1]["error"]["code"] == "usage"
    assert lading("config", "show", "--events").events[-1]["ok"] is True


def test_a_bare_call_shows_the_help_and_fails(lading: Lading) -> None:
    finished = lading()
    assert finished.exit == 2
    assert "Commands:" in finished.stdout
    assert "Usage:" not in finished.stderr


def test_an_asked_stop_leaves_with_130(lading: Lading) -> None:
    cancel = Cancel()
    cancel.request()
    finished = lading("config", "show", "--json", cancel=cancel)
    assert (finished.exit, finished.document["error"]["code"]) == (130, "interrupted")


def conclusion(outcome: Outcome, *, json: bool = False, stdout: io.StringIO | None = None) -> Finished:
    out, err, clock = stdout or io.StringIO(), io.StringIO(), FakeClock()
    code = conclude(Call(json, None, out, err, clock, Cancel(), "verify"), outcome)
    return Finished(code, out.getvalue(), err.getvalue())


def test_exit_three_is_success() -> None:
    finished = conclusion(Outcome({"files": 0}, idle=True), json=True)
    assert finished.exit == 3
    assert finished.document["ok"] is True


def test_a_finding_carries_its_result() -> None:
    finished = conclusion(Outcome({"files": 3}, error=DiskFull("no space", where="/games")), json=True)
    assert finished.exit == 7
    assert finished.document["result"] == {"files": 3}
    assert finished.document["error"]["where"] == "/games"
    assert "error[disk-full]: no space" in finished.stderr


def test_names_from_outside_cannot_drive_the_terminal() -> None:
    evil = "\x1b[2Jgame\r\x9b1m"
    finished = conclusion(Outcome(text=evil, error=DiskFull(evil)))
    assert not set("\x1b\r\x9b") & set(finished.stdout + finished.stderr)


def test_a_full_disk_under_standard_output_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.call._write_result", lambda call, outcome: OSError(28, "No space left on device"))
    finished = conclusion(Outcome(text="done"))
    assert finished.exit == 7
    assert "No space left" in finished.stderr


def raising(error: BaseException) -> Outcome:
    def work() -> Outcome:
        raise error

    return attempt(work)


def test_what_nobody_foresaw_is_a_bug_without_a_traceback(user_config: object, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = conclusion(raising(ZeroDivisionError("oh")))
    assert finished.exit == 1
    assert "ZeroDivisionError: oh" in finished.stderr
    assert "Traceback" not in finished.stderr
    monkeypatch.setenv("LADING_DEBUG", "1")
    assert "Traceback" in conclusion(raising(ZeroDivisionError("oh"))).stderr


@pytest.mark.parametrize(
    ("error", "kind"), [(KeyboardInterrupt(), Interrupted), (ValueError(), Unexpected), (DiskFull("x"), DiskFull)]
)
def test_every_way_to_fail_is_an_outcome(user_config: object, error: BaseException, kind: type[LadingError]) -> None:
    assert isinstance(raising(error).error, kind)


def test_ndjson_numbers_without_gaps() -> None:
    from manifest.events import Item, Phase

    stream = io.StringIO()
    sink = NdjsonSink(stream, FakeClock())
    sink.emit(Phase("fetch"))
    sink.emit(Item("a/b", "added"))
    assert [event["seq"] for event in Finished(0, "", stream.getvalue()).events] == [1, 2]


@pytest.mark.parametrize("talk", ["--json", "--events"])
def test_words_that_are_not_utf8_still_make_a_document_of_unicode(lading: Lading, talk: str) -> None:
    """A lone surrogate, escaped or not, is what strict readers of JSON refuse."""
    finished = lading("game", "list", "--store", "none:a\\\udcff", talk)
    assert finished.exit == 2
    document = finished.document if talk == "--json" else finished.events[-1]
    assert document["error"]["where"] == "none:a\\\\udcff"
