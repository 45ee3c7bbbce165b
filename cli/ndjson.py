"""`--events`: every event as one JSON line on standard error (`docs/events.md`)."""

from __future__ import annotations

import threading
from typing import TextIO

from chunkstore.clock import Clock
from cli.output import deliver, json_line
from manifest.events import Event, event_document


class NdjsonSink:
    """Numbers, stamps and writes events; lines of many threads never mix."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0

    def emit(self, event: Event) -> None:
        """Write one line."""
        with self._lock:
            self._count += 1
            deliver(self._stream, json_line(event_document(event, seq=self._count, ts=self._clock.now())))
