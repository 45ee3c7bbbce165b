"""Counting bytes for the audience of a phase, told from many threads: what it is shown never goes backwards."""

from __future__ import annotations

import threading

from manifest.events import EventSink, Progress


class Tally:
    """Counts up to `total`, where that is known."""

    def __init__(self, sink: EventSink, total: int | None = None) -> None:
        self._sink = sink
        self._total = total
        self._done = 0
        self._saved = 0
        self._lock = threading.Lock()

    def add(self, done: int, saved: int = 0) -> None:
        """So many bytes more are done, so many of them without a transfer."""
        with self._lock:  # also around the telling: two threads would otherwise tell in any order
            self._done += done
            self._saved += saved
            self._sink.emit(Progress(self._done, self._total, self._saved))

    def finish(self) -> None:
        """All is done, also what needed no look."""
        if self._total is not None and self._done < self._total:
            self.add(self._total - self._done)
