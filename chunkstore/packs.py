"""Packs: immutable objects of 8 to 32 MiB that hold frames and end with their own index.

Layout: header (magic, session nonce) · frames in the order of the files they came from · index columns · trailer
(length of the index, number of frames and of chunks, BLAKE3 of the index, magic). The pack's id is the BLAKE3 of all
its bytes; the index has a digest of its own because it is read without the rest. The session's nonce makes every
session's packs new objects, so that uploading the same chunks again never recreates an object that a sweep is about to
delete.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chunkstore.columns import BadPayload, Column, decode_columns, encode_columns, ids_column
from chunkstore.errors import Corrupt, Refused
from chunkstore.frames import MAX_RAW, FrameKind
from chunkstore.ids import digest_of
from chunkstore.store import Buffer, ObjectReader

MAGIC = b"LADPCK"
INDEX_MAGIC = b"LADIDX"
VERSION = 1
TARGET = 16 * 1024 * 1024
"""A pack is closed when it has this many bytes."""

MAX_PACK = 48 * 1024 * 1024
NONCE_SIZE = 16
_HEADER = struct.Struct("<8s16s8x")
_TRAILER = struct.Struct("<QII32s8s")
_FRAME_ROW, _CHUNK_ROW = 13, 36
"""Bytes of the index for a frame and for a chunk."""

_SPEC: Mapping[str, tuple[str, int]] = {
    "kinds": ("|u1", 1),
    "stored": ("<u4", 1),
    "raw": ("<u4", 1),
    "chunks": ("<u4", 1),
    "sizes": ("<u4", 1),
    "ids": ("<u8", 4),
}


@dataclass(frozen=True, slots=True)
class PackIndex:
    """What a pack holds: a row per frame (`kinds, offsets, stored, raw, chunks`) and a row per chunk (`sizes, ids`)."""

    kinds: Column
    offsets: Column
    stored: Column
    raw: Column
    chunks: Column
    sizes: Column
    ids: Column

    def chunk_places(self) -> tuple[Column, Column]:
        """For each chunk the row of its frame and its offset in the frame's raw bytes."""
        frame = np.repeat(np.arange(len(self.chunks)), self.chunks)
        ends = np.cumsum(self.sizes, dtype=np.int64)
        starts = ends - self.sizes
        first = np.cumsum(self.chunks, dtype=np.int64) - self.chunks
        return frame, (starts - starts[first[frame]]).astype("<u4")


class PackBuilder:
    """Collects frames in memory. One per worker; not thread-safe."""

    def __init__(self, nonce: bytes) -> None:
        if len(nonce) != NONCE_SIZE:
            raise ValueError("a session nonce has 16 bytes")
        self._data = bytearray(_HEADER.pack(MAGIC + bytes((VERSION, 0)), nonce))
        self._kinds = bytearray()
        self._frames: list[tuple[int, int, int]] = []
        self._sizes: list[int] = []
        self._ids = bytearray()

    @property
    def size(self) -> int:
        """Bytes that the pack has so far, with what its index takes: many tiny chunks compress to less than that."""
        return len(self._data) + _FRAME_ROW * len(self._frames) + _CHUNK_ROW * len(self._sizes)

    @property
    def empty(self) -> bool:
        """Whether no frame was added yet."""
        return not self._frames

    def add(self, kind: FrameKind, stored: Buffer, raw_size: int, sizes: list[int], ids: Buffer) -> None:
        """Appends a frame that holds chunks of these sizes and ids (32 bytes each), in order."""
        self._kinds.append(kind)
        self._frames.append((len(stored), raw_size, len(sizes)))
        self._data += stored
        self._sizes += sizes
        self._ids += ids

    def absorb(self, other: PackBuilder) -> None:
        """Appends all frames of another builder of the same session, which is used up."""
        self._data += memoryview(other._data)[_HEADER.size :]
        self._kinds += other._kinds
        self._frames += other._frames
        self._sizes += other._sizes
        self._ids += other._ids

    def finish(self) -> tuple[bytes, bytearray, PackIndex]:
        """The pack's id, its bytes, and its index. The builder is used up."""
        frames = np.array(self._frames, dtype="<u4").reshape(-1, 3)
        columns = {
            "kinds": np.frombuffer(bytes(self._kinds), dtype="|u1"),
            "stored": frames[:, 0],
            "raw": frames[:, 1],
            "chunks": frames[:, 2],
            "sizes": np.array(self._sizes, dtype="<u4"),
            "ids": ids_column(self._ids),
        }
        encoded = encode_columns(INDEX_MAGIC, VERSION, {}, list(columns.items()))
        mark = MAGIC + bytes((VERSION, 1))
        self._data += encoded
        self._data += _TRAILER.pack(len(encoded), len(frames), len(self._sizes), digest_of(encoded), mark)
        return digest_of(self._data), self._data, _index(columns)


def read_index(store: ObjectReader, key: str) -> PackIndex:
    """The index of a pack, read from its end: two range requests. Raises `BadPack`, `NewerPack`."""
    size = store.stat(key).size
    if not _HEADER.size + _TRAILER.size <= size <= MAX_PACK:
        raise BadPack(f"a pack of {size} bytes is outside the format's limits", where=key)
    trailer = _Trailer.read(store.get_range(key, size - _TRAILER.size, _TRAILER.size), size, key)
    return _decode_index(store.get_range(key, trailer.start, trailer.length), trailer, key)


def index_of(pack: Buffer, key: str) -> PackIndex:
    """The index of a pack that is wholly in memory. Raises `BadPack`, `NewerPack`."""
    size = len(pack)
    if not _HEADER.size + _TRAILER.size <= size <= MAX_PACK:
        raise BadPack(f"a pack of {size} bytes is outside the format's limits", where=key)
    trailer = _Trailer.read(pack[size - _TRAILER.size :], size, key)
    return _decode_index(pack[trailer.start : trailer.start + trailer.length], trailer, key)


@dataclass(frozen=True, slots=True)
class _Trailer:
    """Where the index lies (its frames end where it starts), and what it must come to."""

    start: int
    length: int
    frames: int
    chunks: int
    digest: bytes

    @staticmethod
    def read(raw: Buffer, size: int, key: str) -> _Trailer:
        """The trailer of a pack of `size` bytes."""
        length, frames, chunks, digest, mark = _TRAILER.unpack(raw)
        if mark[:6] != MAGIC or mark[7] != 1:
            raise BadPack("the pack does not end as a pack ends", where=key)
        if mark[6] > VERSION:
            raise NewerPack(f"pack format {mark[6]} is newer than {VERSION}, the newest known here", where=key)
        if mark[6] != VERSION or not 0 < length <= size - _HEADER.size - _TRAILER.size:
            raise BadPack("the pack's trailer is malformed", where=key)
        return _Trailer(size - _TRAILER.size - length, length, frames, chunks, digest)


def _decode_index(encoded: Buffer, trailer: _Trailer, key: str) -> PackIndex:
    if digest_of(encoded) != trailer.digest:
        raise BadPack("the pack's index is damaged", where=key)
    try:
        header, columns = decode_columns(encoded, INDEX_MAGIC, VERSION, _SPEC)
    except BadPayload as error:
        raise BadPack(f"the pack's index is malformed: {error.message}", where=key) from error
    if header or not _adds_up(columns, trailer):
        raise BadPack("the pack's index does not add up", where=key)
    return _index(columns)


def _adds_up(columns: Mapping[str, Column], trailer: _Trailer) -> bool:
    kinds, stored, raw, chunks, sizes, ids = columns.values()
    if not len(kinds) == len(stored) == len(raw) == len(chunks) == trailer.frames:
        return False
    if not len(sizes) == len(ids) == trailer.chunks == int(chunks.sum(dtype=np.int64)):
        return False
    if not ((chunks > 0).all() and (sizes > 0).all() and (stored > 0).all()):
        return False
    if not ((stored <= raw).all() and (raw <= MAX_RAW).all()):
        return False
    first = np.cumsum(chunks, dtype=np.int64) - chunks
    held = np.add.reduceat(sizes, first, dtype=np.int64) if len(first) else first
    return np.array_equal(held, raw) and _HEADER.size + int(stored.sum(dtype=np.int64)) == trailer.start


def _index(columns: Mapping[str, Column]) -> PackIndex:
    stored = columns["stored"]
    offsets = _HEADER.size + np.cumsum(stored, dtype=np.int64) - stored
    return PackIndex(offsets=offsets.astype("<u4"), **columns)


class BadPack(Corrupt):
    """A pack that breaks the format."""

    code = "bad-pack"
    default_cause = "The object was damaged, cut short or replaced."
    default_next = "Run `lading store check STORE`; publish the build again with --rescan to restore its chunks."


class NewerPack(Refused):
    """A pack of a format that is not known yet."""

    code = "newer-pack"
    default_cause = "A newer version of Lading wrote this pack."
    default_next = "Install a newer version of Lading."
