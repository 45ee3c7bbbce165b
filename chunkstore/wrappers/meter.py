"""What was asked of a store and how many bytes moved, by class of object: the source of every receipt."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from chunkstore.store import Buffer, Entry, Fetched, ObjectStore, Stat


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests, failed ones too, and the bytes of objects in each direction."""

    requests: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.requests + other.requests,
            self.received_bytes + other.received_bytes,
            self.sent_bytes + other.sent_bytes,
        )


class MeteredStore:
    """Counts what passes. `classify` gives a key, or the prefix of a listing, its label."""

    def __init__(self, inner: ObjectStore, classify: Callable[[str], str]) -> None:
        self._inner = inner
        self._classify = classify
        self._lock = threading.Lock()
        self._traffic: defaultdict[str, Traffic] = defaultdict(Traffic)

    def traffic(self) -> Mapping[str, Traffic]:
        """The counts of this moment, by label."""
        with self._lock:
            return dict(self._traffic)

    @property
    def url(self) -> str:
        """Where the store inside is."""
        return self._inner.url

    def get(self, key: str, *, limit: int) -> Fetched:
        """See the port."""
        self._count(key, Traffic(requests=1))
        fetched = self._inner.get(key, limit=limit)
        self._count(key, Traffic(received_bytes=len(fetched.data)))
        return fetched

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """See the port."""
        self._count(key, Traffic(requests=1))
        data = self._inner.get_range(key, offset, length)
        self._count(key, Traffic(received_bytes=length))
        return data

    def stat(self, key: str) -> Stat:
        """See the port."""
        self._count(key, Traffic(requests=1))
        return self._inner.stat(key)

    def put(self, key: str, data: Buffer) -> bool:
        """See the port."""
        self._count(key, Traffic(requests=1, sent_bytes=memoryview(data).nbytes))
        return self._inner.put(key, data)

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        """See the port."""
        self._count(key, Traffic(requests=1, sent_bytes=memoryview(data).nbytes))
        return self._inner.replace(key, data, match=match)

    def list(self, prefix: str) -> Iterator[Entry]:
        """See the port. Counted as one request, however many pages the medium needs."""
        self._count(prefix, Traffic(requests=1))
        return self._inner.list(prefix)

    def delete(self, key: str) -> None:
        """See the port."""
        self._count(key, Traffic(requests=1))
        self._inner.delete(key)

    def close(self) -> None:
        """Closes the store inside."""
        self._inner.close()

    def _count(self, key: str, more: Traffic) -> None:
        label = self._classify(key)
        with self._lock:
            self._traffic[label] += more
