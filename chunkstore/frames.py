"""Frames: one compressed unit inside a pack, holding one chunk or several small neighbours.

Kinds are numbered for ever; a reader refuses kinds that it does not know. Decoding yields `Verified` bytes, the only
type that may be written to a tree: nothing downstream can forget to check.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from blake3 import blake3

from chunkstore.compression import DEFAULT_LEVEL, compress, decompress
from chunkstore.cutting import MAX_CHUNK
from chunkstore.errors import Corrupt
from chunkstore.store import Buffer

GROUP_RAW = 512 * 1024
"""Neighbouring chunks are compressed together up to this many raw bytes."""

MAX_RAW = max(GROUP_RAW, MAX_CHUNK)
"""Bytes that a frame can hold. It never stores more than it holds."""


class FrameKind(IntEnum):
    """How a frame's bytes are stored."""

    RAW = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Verified:
    """Bytes whose BLAKE3 was compared with the ids that signed metadata names. Made only by `verify_run`."""

    data: memoryview


def encode_frame(raw: Buffer, level: int = DEFAULT_LEVEL) -> tuple[FrameKind, Buffer]:
    """`raw` as a frame: compressed, or as it is when compression saves less than one part in 64."""
    packed = compress(raw, level)
    if len(packed) >= len(raw) - (len(raw) >> 6):
        return FrameKind.RAW, raw
    return FrameKind.ZSTD, packed


def decode_frame(kind: int, stored: Buffer, raw_size: int) -> memoryview:
    """The raw bytes of a frame, *unverified*, within the format's bounds. Raises `BadFrame`, `BadCompression`."""
    if not 0 < len(stored) <= raw_size <= MAX_RAW:
        raise BadFrame(f"a frame of {len(stored)} stored and {raw_size} raw bytes is outside the format's limits")
    if kind == FrameKind.ZSTD:
        return memoryview(decompress(stored, size=raw_size))
    if kind == FrameKind.RAW:
        if len(stored) != raw_size:
            raise BadFrame(f"a raw frame of {len(stored)} bytes where {raw_size} are promised")
        return memoryview(stored)
    raise BadFrame(f"frame kind {kind} is not known to this version", next="Install a newer version of Lading.")


def verify_run(raw: memoryview, sizes: Iterable[int], ids: bytes) -> Verified | None:
    """`raw` as verified bytes if its consecutive chunks of `sizes` have exactly these ids of 32 bytes, else None."""
    digests = bytearray()
    start = 0
    for size in sizes:
        digests += blake3(raw[start : start + size], max_threads=1).digest()
        start += size
    return Verified(raw) if digests == ids and start == len(raw) else None


class BadFrame(Corrupt):
    """A frame that breaks the format."""

    code = "bad-frame"
    default_cause = "The pack or its placement is damaged, or was written by a newer version."
    default_next = "Run `lading store check STORE`."


class BadChunk(Corrupt):
    """Bytes of the store do not have the id under which they were asked for."""

    code = "bad-chunk"
    default_cause = "The pack is damaged, or its placement points to the wrong bytes."
    default_next = "Run `lading store check STORE`; publish the build again with --rescan to restore the chunk."
