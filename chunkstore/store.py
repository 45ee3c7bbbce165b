"""The `ObjectStore` port: named immutable bytes, plus a compare-and-set for the few names that change.

This file is the contract; `tests/conformance/object_store.py` is its executable form and every adapter passes it.

- **Keys** are relative, `/`-separated, of the characters `[A-Za-z0-9._-]`, without empty, `.` or `..` parts.
- **Atomic**: a reader sees all of an object or nothing. **Durable**: when `put` or `replace` returns, the bytes survive
  a power cut.
- **Absent** is `KeyMissing`; an adapter that could not find out raises `Unavailable`. A failed listing raises, it is
  never an empty one.
- No key is another key's folder: a store that holds `a/b` is never asked to hold `a`.
- Safe to use from many threads at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from chunkstore.errors import Corrupt, LocalProblem, NotFound, Refused, Unavailable

Buffer: TypeAlias = bytes | bytearray | memoryview

_PART = re.compile(r"[A-Za-z0-9._-]{1,255}")
_CHANGES = re.compile(r"(.*/)?heads/|tuf/[^/]+/(timestamp\.json|voucher|[0-9]+\.root\.json)$")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole object and the strong entity tag of exactly these bytes."""

    data: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One object in a listing. `modified` is the *storage's* clock, seconds since the epoch."""

    key: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of an object without reading it. `modified` is the storage's clock.

    `now` is what that clock said when it answered, 0 where it does not say.
    """

    size: int
    etag: str
    modified: float
    now: float = 0.0


class ObjectReader(Protocol):
    """The half of the port that a player's machine needs."""

    @property
    def url(self) -> str:
        """Where this store is, for people and for records; holds no secret."""
        ...

    def get(self, key: str, *, limit: int) -> Fetched:
        """The whole object. Raises `KeyMissing`; `ObjectTooLarge` beyond `limit` bytes, read no further."""
        ...

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Exactly `length` bytes, at least one, from `offset`. Raises `KeyMissing`; `ShortObject` if it ends before."""
        ...

    def stat(self, key: str) -> Stat:
        """Size, tag and time of an object. Raises `KeyMissing`."""
        ...

    def close(self) -> None:
        """Give back connections; calls in flight end with `Interrupted` as soon as the medium lets them."""
        ...


class ObjectStore(ObjectReader, Protocol):
    """The whole port."""

    def put(self, key: str, data: Buffer) -> bool:
        """Create `key` durably if it is absent: True if created, False if it was already there (and left alone)."""
        ...

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        """Write `key` if its present tag is `match` (None: if it is absent); the new tag.

        Raises `Conflict` if the object is not the expected one; nothing is changed then.
        """
        ...

    def list(self, prefix: str) -> Iterator[Entry]:
        """All objects whose key starts with `prefix`, in key order. Raises `NotListable` where the medium cannot list.

        A failure may come at any step of the iteration; what was listed until then is not the whole.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object; absent is fine. A power cut may bring it back."""
        ...


def check_key(key: str) -> str:
    """`key` itself if every medium can hold it; `ValueError` otherwise, for keys are made by the program."""
    if not key or len(key) > 900 or any(not _PART.fullmatch(p) or p in (".", "..") for p in key.split("/")):
        raise ValueError(f"not an object key: {key!r}")
    return key


def may_change(key: str) -> bool:
    """Whether what is known of an object, or that it is absent, must not be believed from a cache."""
    return _CHANGES.match(key) is not None


def check_range(offset: int, length: int) -> None:
    """`ValueError` unless the two name at least one byte; HTTP cannot ask for none."""
    if offset < 0 or length < 1:
        raise ValueError(f"not a range: {length} bytes from {offset}")


class KeyMissing(NotFound):
    """The store has no object of this name."""

    code = "object-missing"
    default_cause = "The object was never written, or a sweep or a hand removed it."
    default_next = "Run `lading store check STORE`; publish the build again with --rescan to restore what is missing."


class ObjectTooLarge(Corrupt):
    """An object is longer than its format allows; it was not read."""

    code = "object-too-large"
    default_cause = "The object is damaged, or something else answers under this name."
    default_next = "Run `lading store check STORE`."


class ShortObject(Corrupt):
    """An object ends before the bytes that a placement names."""

    code = "object-truncated"
    default_cause = "The object was cut short when it was copied or written."
    default_next = "Run `lading store check STORE`; copy or publish the object again."


class Conflict(Refused):
    """Somebody else changed the object first."""

    code = "conflict"
    default_cause = "Another process wrote to the store at the same time."
    default_next = "Read the present state and run the command again."


class ReadOnly(Refused):
    """The store can only be read."""

    code = "store-read-only"
    default_cause = "A store behind http: or https: serves reads only."
    default_next = "Name the store's folder or bucket instead."


class NotListable(Refused):
    """The medium has no listing."""

    code = "store-not-listable"
    default_cause = "A plain web host cannot list its objects."
    default_next = "Name what you want exactly, or use the store's folder or bucket."


class StoreUnavailable(Unavailable):
    """The medium did not answer, or not properly."""

    code = "store-unavailable"
    default_cause = "The network, the web host or the disk failed for the moment."
    # The beginning of a range that broke off, where it is known: whoever asks again may ask for the rest only.
    arrived: bytes = b""


class HostMisconfigured(Corrupt):
    """A web host answered something that no object store answers."""

    code = "host-misconfigured"
    default_cause = "The host answers with a page of its own, or ignores range requests."
    default_next = "Make the web host serve the store folder as plain files, with Range requests on."


class DiskFull(LocalProblem):
    """No space is left."""

    code = "disk-full"
    default_cause = "The file system, or a quota on it, is full."
    default_next = "Free some space and run the same command again; it goes on where it stopped."


class PathUnusable(LocalProblem):
    """A path cannot be read, written or created."""

    code = "path-unusable"
    default_cause = "Permissions, a read-only file system, or something else in the way."
    default_next = "Check the path and the rights of the user who runs the command."
