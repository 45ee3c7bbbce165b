"""Packs: immutable objects of 8 to 32 MiB that hold frames and end with their own index.

Layout: header (magic, session nonce) · frames in the order of the files they came from · index columns · trailer. The pack's
id is the BLAKE3 of all its bytes. The session's nonce makes every session's packs new objects, so that uploading the
same chunks again never recreates an object that a sweep is about to delete.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from chunkstore.columns import BadPayload, Column, decode_columns, encode_columns, ids_column
from chunkstore.errors import Corrupt, Refused
from chunkstore.frames import MAX_RAW, MAX_STORED, FrameKind
from chunkstore.ids import digest_of
from chunkstore.store import Buffer, ObjectReader

MAGIC = b"LADPCK"
VERSION = 1
TARGET = 16 * 1024 * 1024
"""A pack is closed when it holds this many bytes of frames."""

MAX_PACK = 48 * 1024 * 1024
NONCE_SIZE = 16
_HEADER = struct.Struct("<8s16s8x")
_TRAILER = struct.Struct("<QII8s")
_SPEC = {
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
        return frame, starts - starts[first[frame]]


class PackBuilder:
    """Collects frames in memory. One per worker; not thread-safe."""

    def __init__(self, nonce: bytes) -> None:
        if len(nonce) != NONCE_SIZE:
            raise ValueError("a session nonce has 16 bytes")
        self._data = bytearray(_HEADER.pack(MAGIC + bytes((VERSION, 0)), nonce))
        self._frames: list[tuple[int, int, int, int]] = []
        self._sizes: list[int] = []
        self._ids = bytearray()

    @property
    def size(self) -> int:
        """Bytes collected so far."""
        return len(self._data)

    @property
    def empty(self) -> bool:
        """Whether no frame was added yet."""
        return not self._frames

    def add(self, kind: FrameKind, stored: Buffer, raw_size: int, sizes: list[int], ids: Buffer) -> None:
        """Appends a frame that holds chunks of these sizes and ids (32 bytes each), in order."""
        self._frames.append((kind, len(stored), raw_size, len(sizes)))
        self._data += stored
        self._sizes += sizes
        self._ids += ids

    def absorb(self, other: PackBuilder) -> None:
        """Appends all frames of another builder of the same session, which is used up."""
        self._data += memoryview(other._data)[_HEADER.size :]
        self._frames += other._frames
        self._sizes += other._sizes
        self._ids += other._ids

    def finish(self) -> tuple[bytes, bytearray, PackIndex]:
        """The pack's id, its bytes, and its index. The builder is used up."""
        index = _index(np.array(self._frames, dtype="<u4").reshape(-1, 4), np.array(self._sizes, "<u4"), self._ids)
        encoded = encode_columns(
            b"LADIDX",
            VERSION,
            {},
            [
                ("kinds", index.kinds.astype("|u1")),
                ("stored", index.stored),
                ("raw", index.raw),
                ("chunks", index.chunks),
                ("sizes", index.sizes),
                ("ids", index.ids),
            ],
        )
        self._data += encoded
        self._data += _TRAILER.pack(len(encoded), len(index.kinds), len(index.sizes), MAGIC + bytes((VERSION, 1)))
        return digest_of(self._data), self._data, index


def read_index(store: ObjectReader, key: str) -> PackIndex:
    """The index of a pack, read from its end: two range requests. Raises `BadPack`."""
    size = store.stat(key).size
    if not _HEADER.size + _TRAILER.size <= size <= MAX_PACK:
        raise BadPack(f"a pack of {size} bytes is outside the format's limits", where=key)
    length, frames, chunks = _trailer(store.get_range(key, size - _TRAILER.size, _TRAILER.size), size, key)
    encoded = store.get_range(key, size - _TRAILER.size - length, length)
    return _decode_index(encoded, size - _TRAILER.size - length, frames, chunks, key)


def index_of(pack: Buffer, key: str) -> PackIndex:
    """The index of a pack that is wholly in memory. Raises `BadPack`."""
    size = len(pack)
    if size < _HEADER.size + _TRAILER.size:
        raise BadPack(f"{size} bytes are too short for a pack", where=key)
    length, frames, chunks = _trailer(pack[size - _TRAILER.size :], size, key)
    start = size - _TRAILER.size - length
    return _decode_index(pack[start : size - _TRAILER.size], start, frames, chunks, key)


def _trailer(raw: Buffer, size: int, key: str) -> tuple[int, int, int]:
    length, frames, chunks, mark = _TRAILER.unpack(raw)
    if mark[:6] != MAGIC or mark[7] != 1:
        raise BadPack("the pack does not end as a pack ends", where=key)
    if mark[6] > VERSION:
        raise NewerPack(f"pack format {mark[6]} is newer than {VERSION}, the newest known here", where=key)
    if length > size - _HEADER.size - _TRAILER.size:
        raise BadPack("the pack's index is longer than the pack", where=key)
    return length, frames, chunks


def _decode_index(encoded: Buffer, frames_end: int, frames: int, chunks: int, key: str) -> PackIndex:
    try:
        _, columns = decode_columns(encoded, b"LADIDX", VERSION, _SPEC)
    except BadPayload as error:
        raise BadPack(f"the pack's index is malformed: {error.message}", where=key) from error
    rows = np.stack([columns[name].astype("<u4") for name in ("kinds", "stored", "raw", "chunks")], axis=1)
    index = _index(rows, columns["sizes"], columns["ids"].tobytes())
    whole = (
        len(index.kinds) == frames
        and len(index.sizes) == len(index.ids) == chunks
        and int(index.chunks.sum(dtype=np.int64)) == chunks
        and int(index.raw.sum(dtype=np.int64)) == int(index.sizes.sum(dtype=np.int64))
        and _HEADER.size + int(index.stored.sum(dtype=np.int64)) == frames_end
        and (index.raw <= MAX_RAW).all()
        and (index.stored <= MAX_STORED).all()
        and (index.chunks > 0).all()
    )
    if not whole:
        raise BadPack("the pack's index does not add up", where=key)
    return index


def _index(frames: Column, sizes: Column, ids: Buffer) -> PackIndex:
    stored = np.ascontiguousarray(frames[:, 1])
    offsets = _HEADER.size + np.cumsum(stored, dtype=np.int64) - stored
    return PackIndex(
        kinds=frames[:, 0],
        offsets=offsets.astype("<u4"),
        stored=stored,
        raw=np.ascontiguousarray(frames[:, 2]),
        chunks=np.ascontiguousarray(frames[:, 3]),
        sizes=sizes,
        ids=ids_column(ids),
    )


class BadPack(Corrupt):
    """A pack that breaks the format."""

    code = "bad-pack"
    default_cause = "The object was damaged, cut short or replaced."
    default_next = "Run `lading store check STORE`; publish the build again to restore its chunks."


class NewerPack(Refused):
    """A pack of a format that is not known yet."""

    code = "newer-pack"
    default_cause = "A newer version of Lading wrote this pack."
    default_next = "Install a newer version of Lading."
