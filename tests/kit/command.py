"""Runs one command line inside the test's process and keeps what it wrote."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chunkstore.cancel import Cancel
from chunkstore.clock import Clock
from cli.main import execute
from tests.kit.clock import FakeClock


@dataclass(frozen=True)
class Finished:
    """How a command line ended. `raw` are the bytes of its standard output."""

    exit: int
    stdout: str
    stderr: str
    raw: bytes = b""

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on standard output."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document

    @property
    def events(self) -> list[dict[str, Any]]:
        """Standard error read as events, every line of it."""
        return [json.loads(line) for line in self.stderr.splitlines()]


Lading = Callable[..., Finished]


def lading(*argv: str, cancel: Cancel | None = None, clock: Clock | None = None) -> Finished:
    """Run `lading` with these words; time stands still unless `clock` says otherwise."""
    written, stderr = io.BytesIO(), io.StringIO()
    stdout = io.TextIOWrapper(written, encoding="utf-8", newline="", write_through=True)
    code = execute(argv, stdout=stdout, stderr=stderr, clock=clock or FakeClock(), cancel=cancel or Cancel())
    stdout.flush()
    return Finished(code, written.getvalue().decode(errors="replace"), stderr.getvalue(), written.getvalue())
