"""Asking again when a store did not answer properly: only the `Unavailable` family, with growing random waits.

A read of an absent object may be repeated once as well: behind caches and copies the pointer to a fresh object can
arrive before the object. Waits follow exponential backoff with full jitter (a uniform draw below a doubling ceiling),
are never shorter than the host's own `Retry-After`, and end at once when the user wants to stop. A range that broke off
is continued, with the patience of a first try: a host that gives a little each time is no host that gives nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from chunkstore.cancel import Cancel
from chunkstore.clock import Clock
from chunkstore.errors import LadingError, Unavailable
from chunkstore.store import (
    Buffer,
    Conflict,
    Entry,
    Fetched,
    KeyMissing,
    ObjectStore,
    ObjectTooLarge,
    Stat,
    StoreUnavailable,
    may_change,
)
from chunkstore.wrappers.waiting import wait

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long.

    A call is given up when its next try would come after the deadline, counted from its first failure; a range, from
    the first failure since bytes of it arrived.
    `missing_wait_seconds` says after which wait an absent object is asked for once more; None: it is believed at once.
    """

    attempts: int = 6
    deadline_seconds: float = 60.0
    first_wait_seconds: float = 0.25
    longest_wait_seconds: float = 8.0
    missing_wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Retried:
    """Requests that were made again, and the bytes that were asked for again with them."""

    requests: int = 0
    bytes: int = 0


class RetryingStore:
    """A store that is patient. `jitter` draws uniformly from [0, 1)."""

    def __init__(
        self,
        inner: ObjectStore,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        policy: RetryPolicy | None = None,
        cancel: Cancel | None = None,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._jitter = jitter
        self._policy = policy or RetryPolicy()
        self._cancel = cancel or Cancel()
        self._lock = threading.Lock()
        self._retried = Retried()

    def retried(self) -> Retried:
        """The counts of this moment."""
        with self._lock:
            return self._retried

    @property
    def url(self) -> str:
        """Where the store inside is."""
        return self._inner.url

    def get(self, key: str, *, limit: int) -> Fetched:
        """See the port. What a failed read had brought is not known; the good answer counts as the repeated bytes."""
        try:
            return self._inner.get(key, limit=limit)
        except (Unavailable, KeyMissing) as error:
            if isinstance(error, KeyMissing) and may_change(key):
                raise  # no cache was asked
            fetched = self._again(error, partial(self._inner.get, key, limit=limit))
            self._count(0, len(fetched.data))
            return fetched

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """See the port. What arrived of a range that broke off is kept, and only the rest is asked for again."""
        parts: list[bytes] = []
        tries: _Tries | None = None
        while True:
            try:
                return b"".join([*parts, self._inner.get_range(key, offset, length)])
            except (Unavailable, KeyMissing) as error:
                if arrived := error.arrived if isinstance(error, StoreUnavailable) else b"":
                    parts.append(arrived)
                    offset, length, tries = offset + len(arrived), length - len(arrived), None
                if not length:
                    return b"".join(parts)
                tries = tries or self._tries()
                tries.pause(error)
            self._count(1, length)

    def stat(self, key: str) -> Stat:
        """See the port."""
        try:
            return self._inner.stat(key)
        except (Unavailable, KeyMissing) as error:
            return self._again(error, partial(self._inner.stat, key))

    def put(self, key: str, data: Buffer) -> bool:
        """See the port. False after a retry may mean that the first attempt did it and its answer was lost."""
        try:
            return self._inner.put(key, data)
        except Unavailable as error:
            return self._again(error, partial(self._inner.put, key, data), memoryview(data).nbytes)

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        """See the port. A conflict after a retry is none if it is our own bytes that are there: the answer was lost."""
        try:
            return self._inner.replace(key, data, match=match)
        except Unavailable as error:
            size = memoryview(data).nbytes
            try:
                return self._again(error, partial(self._inner.replace, key, data, match=match), size)
            except Conflict:
                present = self._present(key, size)
                if present is None or present.data != data:
                    raise
                return present.etag

    def list(self, prefix: str) -> Iterator[Entry]:
        """See the port. A listing that broke off is made again and goes on behind the last key that was given out."""
        last = ""
        tries = self._tries()
        while True:
            try:
                for entry in self._inner.list(prefix):
                    if entry.key > last:
                        last = entry.key
                        yield entry
            except Unavailable as error:
                tries.pause(error)
                self._count(1, 0)
            else:
                return

    def delete(self, key: str) -> None:
        """See the port."""
        try:
            self._inner.delete(key)
        except Unavailable as error:
            self._again(error, partial(self._inner.delete, key))

    def close(self) -> None:
        """Closes the store inside."""
        self._inner.close()

    def _again(self, error: LadingError, call: Callable[[], _T], size: int = 0) -> _T:
        tries = self._tries()
        while True:
            tries.pause(error)
            self._count(1, size)
            try:
                return call()
            except (Unavailable, KeyMissing) as failed_again:
                error = failed_again

    def _tries(self) -> _Tries:
        return _Tries(self._policy, self._clock, self._jitter, self._cancel)

    def _present(self, key: str, size: int) -> Fetched | None:
        try:
            return self.get(key, limit=size)
        except (KeyMissing, ObjectTooLarge):
            return None

    def _count(self, requests: int, size: int) -> None:
        with self._lock:
            self._retried = Retried(self._retried.requests + requests, self._retried.bytes + size)


class _Tries:
    """The failures of one call so far, and whether there is another try."""

    __slots__ = ("_cancel", "_clock", "_ends", "_failures", "_jitter", "_missing", "_policy")

    def __init__(self, policy: RetryPolicy, clock: Clock, jitter: Callable[[], float], cancel: Cancel) -> None:
        self._policy, self._clock, self._jitter, self._cancel = policy, clock, jitter, cancel
        self._ends = clock.monotonic() + policy.deadline_seconds
        self._failures = 0
        self._missing = False

    def pause(self, error: LadingError) -> None:
        """Wait before the next try, or raise `error` if there is none."""
        self._failures += 1
        seconds = self._missing_wait() if isinstance(error, KeyMissing) else self._backoff(error)
        if seconds is None or self._clock.monotonic() + seconds > self._ends:
            error.data["attempts"] = self._failures
            raise error
        wait(seconds, self._clock, self._cancel)

    def _missing_wait(self) -> float | None:
        if self._missing:
            return None
        self._missing = True
        return self._policy.missing_wait_seconds

    def _backoff(self, error: LadingError) -> float | None:
        if self._failures >= self._policy.attempts:
            return None
        policy = self._policy
        ceiling = min(policy.longest_wait_seconds, policy.first_wait_seconds * 2.0 ** (self._failures - 1))
        return max(self._jitter() * ceiling, float(error.data.get("retry_after_seconds", 0.0)))
