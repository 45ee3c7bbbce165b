"""`--events`: every event as one JSON line on standard error (`docs/events.md`)."""

from __future__ import annotations

import threading
from typing import TextIO

from chunkstore.clock import Clock
from cli.output import deliver, json_line
from manifest.events import Event, Phase, Progress, event_document

PROGRESS_INTERVAL = 0.25
"""Seconds between two lines that only say how far the work has come."""


class NdjsonSink:
    """Numbers, stamps and writes events; lines of many threads never mix.

    Of progress only the furthest is kept until its turn comes: it is never written too often, never backwards, and what
    was reached last stands before whatever comes next.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._furthest = Progress(0)
        self._waiting = False
        self._turn = clock.monotonic()

    def emit(self, event: Event) -> None:
        """Write one line; progress perhaps later."""
        with self._lock:
            if isinstance(event, Progress):
                if event.done >= self._furthest.done:
                    self._furthest, self._waiting = event, True
                if self._clock.monotonic() >= self._turn:
                    self._write_progress()
                return
            self._write_progress()
            if isinstance(event, Phase):
                self._furthest = Progress(0)
            self._write(event)

    def _write_progress(self) -> None:
        if self._waiting:
            self._write(self._furthest)
            self._waiting, self._turn = False, self._clock.monotonic() + PROGRESS_INTERVAL

    def _write(self, event: Event) -> None:
        self._count += 1
        deliver(self._stream, json_line(event_document(event, seq=self._count, ts=self._clock.now())))
