"""Objects in this process's memory: the port's whole behaviour with nothing behind it, for tests and dry runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from chunkstore.clock import Clock
from chunkstore.ids import digest_of
from chunkstore.store import (
    Buffer,
    Conflict,
    Entry,
    Fetched,
    KeyMissing,
    ObjectTooLarge,
    ShortObject,
    Stat,
    check_key,
    check_range,
)


@dataclass(frozen=True, slots=True)
class _Object:
    data: bytes
    etag: str
    modified: float


class MemoryStore:
    """A store that is gone with the process. Reads take no lock: an object is replaced as one value."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._objects: dict[str, _Object] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Always `memory:`."""
        return "memory:"

    def get(self, key: str, *, limit: int) -> Fetched:
        """See the port."""
        found = self._find(key)
        if len(found.data) > limit:
            raise ObjectTooLarge(f"the object is longer than {limit} bytes", where=key, data={"size": len(found.data)})
        return Fetched(found.data, found.etag)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """See the port."""
        check_range(offset, length)
        data = self._find(key).data[offset : offset + length]
        if len(data) < length:
            raise ShortObject(f"the object ends at byte {offset + len(data)}, before {offset + length}", where=key)
        return data

    def stat(self, key: str) -> Stat:
        """See the port."""
        found = self._find(key)
        return Stat(len(found.data), found.etag, found.modified)

    def put(self, key: str, data: Buffer) -> bool:
        """See the port."""
        check_key(key)
        fresh = self._object(data)
        with self._lock:
            return self._objects.setdefault(key, fresh) is fresh

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        """See the port."""
        check_key(key)
        fresh = self._object(data)
        with self._lock:
            present = self._objects.get(key)
            if (present.etag if present else None) != match:
                raise Conflict("the object is not the expected one", where=key)
            self._objects[key] = fresh
        return fresh.etag

    def list(self, prefix: str) -> Iterator[Entry]:
        """A snapshot of the moment of the call."""
        with self._lock:
            found = sorted((key, entry) for key, entry in self._objects.items() if key.startswith(prefix))
        return (Entry(key, len(entry.data), entry.modified) for key, entry in found)

    def delete(self, key: str) -> None:
        """See the port."""
        with self._lock:
            self._objects.pop(check_key(key), None)

    def close(self) -> None:
        """Nothing is held open."""

    def _object(self, data: Buffer) -> _Object:
        return _Object(bytes(data), digest_of(data).hex(), self._clock.now())

    def _find(self, key: str) -> _Object:
        found = self._objects.get(check_key(key))
        if found is None:
            raise KeyMissing("there is no such object", where=key)
        return found
