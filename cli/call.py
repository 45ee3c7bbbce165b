"""One call of the program: how it talks, what a command is given, and how every way to end becomes one outcome."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import TextIO

from chunkstore.cancel import Cancel, Interrupted
from chunkstore.clock import Clock
from chunkstore.errors import LadingError
from chunkstore.store import Buffer
from cli.asking import Person
from cli.config import Configuration, Settings, debugging
from cli.exits import Exit
from cli.ndjson import NdjsonSink
from cli.output import (
    Outcome,
    deliver,
    deliver_bytes,
    error_document,
    error_text,
    json_line,
    output_lost,
    printable,
    result_document,
)
from manifest.events import EventSink, ResultEvent


@dataclass(slots=True)
class Call:
    """What belongs to the process and not to a command. `command` is filled in once it is known."""

    json: bool
    events: NdjsonSink | None
    stdout: TextIO
    stderr: TextIO
    clock: Clock
    cancel: Cancel
    command: str = ""
    stdin: TextIO | None = None

    @property
    def terminal(self) -> TextIO | None:
        """Where a person can be asked: standard input, if they see the question and no program reads along."""
        talks_to_program = self.json or self.events is not None
        if talks_to_program or self.stdin is None or not (self.stdin.isatty() and self.stderr.isatty()):
            return None
        return self.stdin


@dataclass(frozen=True, slots=True)
class Run:
    """What a command is given; everything else it takes from its own words."""

    configuration: Configuration
    events: EventSink
    cancel: Cancel
    clock: Clock
    write: Callable[[Buffer], None]
    """Writes bytes to standard output, for a command whose result is bytes. Nowhere with `--json`."""
    ask: Callable[[str], bool] | None = None
    """Asks the person at the terminal to agree; None where there is no terminal."""
    ask_secret: Callable[[str], str] | None = None
    """Asks them for a secret, once for each prompt; None where there is no terminal."""

    @property
    def settings(self) -> Settings:
        """The values in force."""
        return self.configuration.settings


def talks(argv: Sequence[str], flag: str) -> bool:
    """Whether `flag` is among the words; asked before parsing, since also words that do not parse get an answer."""
    words = list(argv)
    return flag in (words[: words.index("--")] if "--" in words else words)


@contextmanager
def running(call: Call, configuration: Configuration) -> Iterator[Run]:
    """A run whose events reach the audience that the caller chose."""

    def write(data: Buffer) -> None:
        if not call.json and (lost := deliver_bytes(call.stdout, data)) is not None:
            raise output_lost(lost) from lost

    if call.events is not None:
        yield Run(configuration, call.events, call.cancel, call.clock, write)
        return
    from cli.progress import showing, view_for

    with showing(view_for(call.stderr, call.clock, configuration.settings), call.clock) as sink:
        run = Run(configuration, sink, call.cancel, call.clock, write)
        if call.terminal is not None:
            person = Person(call.terminal, call.stderr, sink.quiet, call.cancel)
            run = replace(run, ask=person.agrees, ask_secret=cache(person.tells))
        yield run


def attempt(work: Callable[[], Outcome]) -> Outcome:
    """What `work` returns or how it failed; nothing escapes as a traceback."""
    try:
        return work()
    except LadingError as error:
        return Outcome(error=error)
    except KeyboardInterrupt:
        return Outcome(error=Interrupted("stopped at once"))
    except Exception as error:  # noqa: BLE001 - the last net: what nobody foresaw is reported as the bug that it is
        trace = {"traceback": "".join(traceback.format_exception(error))} if debugging() else {}
        return Outcome(error=Unexpected(f"{type(error).__name__}: {error}", data=trace))


def conclude(call: Call, outcome: Outcome) -> Exit:
    """Write the result, then the talk about it, and say with which code to leave."""
    lost = _write_result(call, outcome)
    if lost is not None and outcome.error is None:
        outcome = Outcome(error=output_lost(lost))
    unheard = isinstance(lost or (outcome.error and outcome.error.__cause__), BrokenPipeError)
    if call.events is not None:
        error = error_document(outcome.error) if outcome.error else None
        call.events.emit(ResultEvent(call.command, outcome.error is None, outcome.exit, error))
    elif outcome.error is not None and not unheard:
        deliver(call.stderr, printable(error_text(outcome.error)) + "\n")
    return outcome.exit


def _write_result(call: Call, outcome: Outcome) -> OSError | None:
    if call.json:
        return deliver(call.stdout, json_line(result_document(call.command, outcome)))
    return deliver(call.stdout, printable(outcome.text).rstrip("\n") + "\n") if outcome.text else None


class Unexpected(LadingError):
    """Something happened that no part of the program foresaw."""

    code = "unexpected"
    default_cause = "This is a bug in lading, not a mistake of yours."
    default_next = "Run the command again with LADING_DEBUG=1 and report what it prints."
