"""The head of a manifest: where its present placement is, and which diffs lead to it from earlier manifests.

Small (at most 32 KiB) and one of the few mutable objects; replaced by compare-and-set. Diffs are listed newest origin
first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgpack

from chunkstore.columns import NewerFormat
from chunkstore.errors import Corrupt
from chunkstore.ids import DIGEST_SIZE

VERSION = 1
MAX_HEAD = 32 * 1024
MAX_DIFFS = 256
"""A head keeps the diffs from so many of the newest manifests: about 90 bytes each."""


@dataclass(frozen=True, slots=True)
class DiffRef:
    """A diff that turns the manifest `origin`, whose latest build was `build` then, into the head's manifest."""

    origin: bytes
    build: int
    diff: bytes
    payload_size: int


@dataclass(frozen=True, slots=True)
class Head:
    """Ids are raw digests; `placement_size` is the size of the placement's payload."""

    placement: bytes
    placement_size: int
    diffs: tuple[DiffRef, ...] = ()

    def diff_from(self, origin: bytes) -> DiffRef | None:
        """The diff that starts at this manifest, if there is one."""
        return next((ref for ref in self.diffs if ref.origin == origin), None)

    def with_diff(self, ref: DiffRef) -> Head:
        """The same head with this diff added, or in the place of one from the same origin."""
        others = [known for known in self.diffs if known.origin != ref.origin]
        newest_first = sorted([*others, ref], key=lambda known: -known.build)
        return replace(self, diffs=tuple(newest_first[:MAX_DIFFS]))


def encode_head(head: Head) -> bytes:
    """Canonical msgpack."""
    diffs = [[ref.origin, ref.build, ref.diff, ref.payload_size] for ref in head.diffs]
    return msgpack.packb({"v": VERSION, "placement": [head.placement, head.placement_size], "diffs": diffs})


def decode_head(data: bytes) -> Head:
    """The head in these bytes. Raises `BadHead`, `NewerFormat`. Fields that are not known yet are tolerated."""
    try:
        value = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException) as error:
        raise BadHead("the head is not msgpack") from error
    match value:
        case {"v": int(version)} if version > VERSION:
            raise NewerFormat(f"the head has format {version}; this version knows up to {VERSION}")
        case {"v": 1, "placement": [placement, size, *_], "diffs": list(rows)}:
            return Head(_digest(placement), _natural(size), tuple(_diff_ref(row) for row in rows))
    raise BadHead("the head has not the expected form")


def _diff_ref(row: Any) -> DiffRef:
    if not isinstance(row, list) or len(row) < 4:
        raise BadHead("the head lists a diff that is none")
    origin, build, diff, size = row[:4]
    return DiffRef(_digest(origin), _natural(build), _digest(diff), _natural(size))


def _digest(value: Any) -> bytes:
    if type(value) is not bytes or len(value) != DIGEST_SIZE:
        raise BadHead("the head names something that is not an id")
    return value


def _natural(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise BadHead("the head holds a number out of range")
    return value


class BadHead(Corrupt):
    """A head that breaks its format."""

    code = "bad-head"
    default_cause = "The object is damaged, or something else answers under its name."
    default_next = "Run `lading store check STORE`; publishing the build again writes a new head."
