"""The two streams: what goes to standard output, what to standard error, and the form of both.

Standard output carries the result and nothing else: text for people, or with `--json` exactly one document, whatever
happened. Standard error is the talk. A reader that goes away ends no work.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from chunkstore.errors import LadingError, LocalProblem
from chunkstore.store import Buffer
from cli.exits import Exit, exit_of

VERSION = 1
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command hands back.

    `result` and `receipt` are plain values as they stand in the document, `text` the same for people. An `error` beside
    a result is a finding, as when `verify` meets wounds. `idle` asks for exit code 3: nothing was to be done, and the
    caller wants to know.
    """

    result: Mapping[str, Any] | None = None
    text: str = ""
    receipt: Mapping[str, Any] | None = None
    error: LadingError | None = None
    idle: bool = False

    @property
    def exit(self) -> Exit:
        """The exit code that this outcome means."""
        if self.error is not None:
            return exit_of(self.error)
        return Exit.NOTHING_TO_DO if self.idle else Exit.DONE


def error_document(error: LadingError) -> dict[str, Any]:
    """The `error` of the JSON document."""
    return {
        "code": error.code,
        "message": error.message,
        "where": error.where,
        "cause": error.cause,
        "next": error.next,
        "data": error.data,
    }


def result_document(command: str, outcome: Outcome) -> dict[str, Any]:
    """The one document of `--json`."""
    return {
        "v": VERSION,
        "command": command,
        "ok": outcome.error is None,
        "result": outcome.result,
        "receipt": outcome.receipt,
        "error": error_document(outcome.error) if outcome.error else None,
    }


def json_line(document: Mapping[str, Any]) -> str:
    """`document` on one line. A stray byte in it becomes the text `\\udcNN`: strict readers refuse lone surrogates."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    return _SURROGATE.sub(lambda stray: rf"\\u{ord(stray[0]):04x}", text) + "\n"


def error_text(error: LadingError) -> str:
    """An error for people: what happened, where, why and what to do next."""
    lines = [f"error[{error.code}]: {error.message}"]
    lines += [
        f"  {label + ':':<6} {text}"
        for label, text in (("where", error.where), ("cause", error.cause), ("next", error.next))
        if text
    ]
    return "\n".join([*lines, *error.data.get("traceback", "").splitlines()])


def printable(text: str) -> str:
    """`text` without the control characters that would let a name from outside move the cursor or colour the screen."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def use_utf8(stream: TextIO | None) -> TextIO:
    """Make `stream` write UTF-8 whatever the locale says; what is not Unicode (a stray byte in a name) is escaped."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    return stream or io.StringIO()  # a process started without standard streams still does its work


def deliver(stream: TextIO, text: str) -> OSError | None:
    """Write all of `text`, or say why not; after a failure the stream swallows what follows, also at exit."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        _swallow(stream)
        return error
    return None


def deliver_bytes(stream: TextIO, data: Buffer) -> OSError | None:
    """The same for bytes, as they are. A process started without standard streams has nowhere to write them."""
    binary = getattr(stream, "buffer", None)
    if binary is None:
        return None
    try:
        binary.write(data)
        binary.flush()
    except OSError as error:
        _swallow(stream)
        return error
    return None


def _swallow(stream: TextIO) -> None:
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def output_lost(error: OSError) -> OutputLost:
    """The error that a failed write to standard output ends the command with."""
    return OutputLost(f"cannot write the result: {error.strerror}")


class OutputLost(LocalProblem):
    """The result could not be written to standard output."""

    code = "output-lost"
    default_cause = "The disk or the program that standard output leads to failed; the command itself was done."
    default_next = "Send the output somewhere else and ask again."
