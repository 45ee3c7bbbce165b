"""The plain case of a wrapper: every verb goes to the store inside. Wrappers override what they are about."""

from __future__ import annotations

from collections.abc import Iterator

from chunkstore.store import Buffer, Entry, Fetched, ObjectStore, Stat


class ForwardingStore:
    """Behaves like `inner`."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner

    @property
    def url(self) -> str:
        """Where the store inside is."""
        return self._inner.url

    def get(self, key: str, *, limit: int) -> Fetched:
        """See the port."""
        return self._inner.get(key, limit=limit)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """See the port."""
        return self._inner.get_range(key, offset, length)

    def stat(self, key: str) -> Stat:
        """See the port."""
        return self._inner.stat(key)

    def put(self, key: str, data: Buffer) -> bool:
        """See the port."""
        return self._inner.put(key, data)

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        """See the port."""
        return self._inner.replace(key, data, match=match)

    def list(self, prefix: str) -> Iterator[Entry]:
        """See the port."""
        return self._inner.list(prefix)

    def delete(self, key: str) -> None:
        """See the port."""
        self._inner.delete(key)

    def close(self) -> None:
        """Closes the store inside."""
        self._inner.close()
