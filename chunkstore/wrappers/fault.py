"""Faults by script, for tests: which call of which verb goes wrong, and how. A script must be used up.

A fault is handed the real work and answers in its place: it may refuse, do the work and lose the answer, spoil it, or
take its time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from chunkstore.clock import Clock
from chunkstore.errors import LadingError
from chunkstore.store import Buffer, Entry, Fetched, ObjectStore, Stat


@dataclass(frozen=True, slots=True)
class Fault:
    """The `call`-th call of `verb`, counted from 1, ends as `answer(work)` does."""

    verb: str
    call: int
    answer: Callable[[Callable[[], Any]], Any]


def fail_before(verb: str, call: int, error: LadingError) -> Fault:
    """The verb does nothing and raises."""

    def answer(work: Callable[[], Any]) -> Any:
        raise error

    return Fault(verb, call, answer)


def fail_after(verb: str, call: int, error: LadingError) -> Fault:
    """The verb takes effect, and its answer is lost."""

    def answer(work: Callable[[], Any]) -> Any:
        work()
        raise error

    return Fault(verb, call, answer)


def break_list(call: int, entries: int, error: LadingError) -> Fault:
    """The listing breaks off after so many entries."""

    def answer(work: Callable[[], Iterator[Entry]]) -> Iterator[Entry]:
        yield from islice(work(), entries)
        raise error

    return Fault("list", call, answer)


def short_read(verb: str, call: int) -> Fault:
    """The last byte is missing, and nobody says so."""
    return Fault(verb, call, lambda work: _spoil(work(), lambda data: data[:-1]))


def wrong_bytes(verb: str, call: int) -> Fault:
    """A bit of the first byte is flipped."""
    return Fault(verb, call, lambda work: _spoil(work(), lambda data: bytes([data[0] ^ 1]) + data[1:]))


def delay(verb: str, call: int, clock: Clock, seconds: float) -> Fault:
    """The verb takes longer."""

    def answer(work: Callable[[], Any]) -> Any:
        clock.sleep(seconds)
        return work()

    return Fault(verb, call, answer)


def _spoil(read: Any, change: Callable[[bytes], bytes]) -> Any:
    return replace(read, data=change(read.data)) if isinstance(read, Fetched) else change(read)


class FaultyStore:
    """A store that fails as the script says, and otherwise does as `inner` does."""

    def __init__(self, inner: ObjectStore, script: Iterable[Fault]) -> None:
        self._inner = inner
        self._script = {(fault.verb, fault.call): fault for fault in script}
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def assert_exhausted(self) -> None:
        """`AssertionError` if a fault has not happened: then the test did not test what it says."""
        left = sorted(self._script)
        if left:
            raise AssertionError(f"faults that never happened: {left}")

    def calls(self, verb: str) -> int:
        """How often a verb was called."""
        return self._calls[verb]

    @property
    def url(self) -> str:
        """Where the store inside is."""
        return self._inner.url

    def get(self, key: str, *, limit: int) -> Fetched:
        """See the port."""
        fetched: Fetched = self._call("get", lambda: self._inner.get(key, limit=limit))
        return fetched

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """See the port."""
        data: bytes = self._call("get_range", lambda: self._inner.get_range(key, offset, length))
        return data

    def stat(self, key: str) -> Stat:
        """See the port."""
        found: Stat = self._call("stat", lambda: self._inner.stat(key))
        return found

    def put(self, key: str, data: Buffer) -> bool:
        """See the port."""
        created: bool = self._call("put", lambda: self._inner.put(key, data))
        return created

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        """See the port."""
        tag: str = self._call("replace", lambda: self._inner.replace(key, data, match=match))
        return tag

    def list(self, prefix: str) -> Iterator[Entry]:
        """See the port."""
        entries: Iterator[Entry] = self._call("list", lambda: self._inner.list(prefix))
        return entries

    def delete(self, key: str) -> None:
        """See the port."""
        self._call("delete", lambda: self._inner.delete(key))

    def close(self) -> None:
        """Closes the store inside."""
        self._inner.close()

    def _call(self, verb: str, work: Callable[[], Any]) -> Any:
        with self._lock:
            self._calls[verb] += 1
            fault = self._script.pop((verb, self._calls[verb]), None)
        return fault.answer(work) if fault else work()
