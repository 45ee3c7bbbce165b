"""A ceiling on the bytes a second that are read, shared by all threads and, if wished, by several stores.

Bytes are paid for after they are asked for: a read starts as soon as every earlier one is paid off at the present rate,
in the order of asking. So the average holds whatever the sizes are, and no read is held back for its own size.
"""

from __future__ import annotations

import threading
from typing import Final

from chunkstore.cancel import Cancel
from chunkstore.clock import Clock
from chunkstore.store import Fetched, ObjectStore, check_range
from chunkstore.wrappers.forward import ForwardingStore
from chunkstore.wrappers.waiting import SLICE_SECONDS, wait

_TICK_SECONDS: Final = 0.001  # less may be nothing to a clock


class RateLimit:
    """A rate in bytes a second that may change while others wait: None is no limit, 0 lets nothing start."""

    def __init__(self, clock: Clock, bytes_per_second: float | None = None, cancel: Cancel | None = None) -> None:
        self._clock = clock
        self._cancel = cancel or Cancel()
        self._lock = threading.Lock()
        self._rate = bytes_per_second
        self._asked = 0.0
        self._paid = 0.0
        self._paid_at = clock.monotonic()

    @property
    def rate(self) -> float | None:
        """The present rate."""
        return self._rate

    @rate.setter
    def rate(self, bytes_per_second: float | None) -> None:
        with self._lock:
            self._pay()
            self._rate = bytes_per_second

    def take(self, size: int) -> None:
        """Wait until everything asked for so far is paid off, then owe `size` bytes more."""
        with self._lock:
            self._pay()
            turn = self._asked
            self._asked += size
        while (seconds := self._seconds_until(turn)) > 0:
            wait(min(max(seconds, _TICK_SECONDS), SLICE_SECONDS), self._clock, self._cancel)

    def owe(self, size: int) -> None:
        """Add bytes whose number was not known before they came."""
        with self._lock:
            self._pay()
            self._asked += size

    def _seconds_until(self, turn: float) -> float:
        with self._lock:
            self._pay()
            if self._paid >= turn:
                return 0.0
            return (turn - self._paid) / self._rate if self._rate else SLICE_SECONDS

    def _pay(self) -> None:
        """Pay for the time that has passed. Idle time earns nothing: a limit is not made up for later."""
        now = self._clock.monotonic()
        earned = self._asked if self._rate is None else self._paid + self._rate * (now - self._paid_at)
        self._paid, self._paid_at = min(self._asked, earned), now


class LimitedStore(ForwardingStore):
    """A store whose reads share a `RateLimit`."""

    def __init__(self, inner: ObjectStore, limit: RateLimit) -> None:
        super().__init__(inner)
        self._limit = limit

    def get(self, key: str, *, limit: int) -> Fetched:
        """See the port."""
        self._limit.take(0)
        fetched = self._inner.get(key, limit=limit)
        self._limit.owe(len(fetched.data))
        return fetched

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """See the port."""
        check_range(offset, length)
        self._limit.take(length)
        return self._inner.get_range(key, offset, length)
