"""Placements: where each chunk of a list lies: pack, frame, offset in the frame.

Not signed: a wrong placement can only fail a hash. Columnar; offsets are stored as differences from what the previous chunk
predicts and frame numbers as steps, so that a container around the payload shrinks both to nearly nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chunkstore.columns import BadPayload, Column, decode_columns, encode_columns, ids_column
from chunkstore.frames import MAX_RAW, MAX_STORED
from chunkstore.packs import MAX_PACK
from chunkstore.store import Buffer

MAGIC = b"LADPLC"
VERSION = 1
_SPEC = {
    "packs": ("<u8", 4),
    "frame_pack": ("<u4", 1),
    "frame_offset": ("<u4", 1),
    "frame_stored": ("<u4", 1),
    "frame_raw": ("<u4", 1),
    "frame_kind": ("|u1", 1),
    "chunk_frame": ("<u4", 1),
    "chunk_offset": ("<u4", 1),
}


@dataclass(frozen=True, slots=True)
class Placement:
    """`packs`: ids, a row each. `frame_*`: a row per frame. `chunk_*`: a row per chunk of the list that is placed."""

    packs: Column
    frame_pack: Column
    frame_offset: Column
    frame_stored: Column
    frame_raw: Column
    frame_kind: Column
    chunk_frame: Column
    chunk_offset: Column

    def pack_id(self, number: int) -> bytes:
        """The 32 bytes of a pack's id."""
        return self.packs[number].tobytes()

    def take(self, rows: Column) -> Placement:
        """The placement of the chunks in these rows, in this order, with only the frames and packs that they use."""
        frames, chunk_frame = _renumber(self.chunk_frame[rows])
        packs, frame_pack = _renumber(self.frame_pack[frames])
        return Placement(
            packs=self.packs[packs],
            frame_pack=frame_pack,
            frame_offset=self.frame_offset[frames],
            frame_stored=self.frame_stored[frames],
            frame_raw=self.frame_raw[frames],
            frame_kind=self.frame_kind[frames],
            chunk_frame=chunk_frame,
            chunk_offset=self.chunk_offset[rows],
        )


def no_placement() -> Placement:
    """The placement of no chunks."""
    none = np.empty(0, dtype="<u4")
    return Placement(ids_column(b""), none, none, none, none, none.astype("|u1"), none, none.astype(np.int64))


def join(parts: list[Placement]) -> Placement:
    """One placement for the lists of `parts` one after another; frames and packs are not merged."""
    if len(parts) == 1:
        return parts[0]
    packs = np.cumsum([0] + [len(p.packs) for p in parts])
    frames = np.cumsum([0] + [len(p.frame_pack) for p in parts])
    return Placement(
        packs=np.concatenate([p.packs for p in parts]) if parts else ids_column(b""),
        frame_pack=_concatenated([p.frame_pack + np.uint32(base) for p, base in zip(parts, packs, strict=False)]),
        frame_offset=_concatenated([p.frame_offset for p in parts]),
        frame_stored=_concatenated([p.frame_stored for p in parts]),
        frame_raw=_concatenated([p.frame_raw for p in parts]),
        frame_kind=_concatenated([p.frame_kind for p in parts], "|u1"),
        chunk_frame=_concatenated([p.chunk_frame + np.uint32(base) for p, base in zip(parts, frames, strict=False)]),
        chunk_offset=_concatenated([p.chunk_offset for p in parts]),
    )


def encode_placement(placement: Placement, sizes: Column) -> bytes:
    """The payload. `sizes` are the raw sizes of the placed chunks, which the reader knows from the manifest."""
    frames = placement.chunk_frame.astype("<u4")
    return encode_columns(
        MAGIC,
        VERSION,
        {},
        [
            ("packs", placement.packs),
            ("frame_pack", placement.frame_pack.astype("<u4")),
            ("frame_offset", placement.frame_offset.astype("<u4")),
            ("frame_stored", placement.frame_stored.astype("<u4")),
            ("frame_raw", placement.frame_raw.astype("<u4")),
            ("frame_kind", placement.frame_kind.astype("|u1")),
            ("chunk_frame", np.diff(frames, prepend=np.uint32(0)).astype("<u4")),
            ("chunk_offset", (placement.chunk_offset - _predicted(placement.chunk_offset, frames, sizes)).astype("<u4")),
        ],
    )


def decode_placement(data: Buffer, sizes: Column) -> Placement:
    """The placement of a list of chunks with these raw sizes. Raises `BadPayload` if it does not fit them or the format."""
    _, c = decode_columns(data, MAGIC, VERSION, _SPEC)
    frames = np.cumsum(c["chunk_frame"], dtype=np.uint32)
    # A chunk's stored difference is from the end of the previous chunk when both lie in one frame, else from zero, so
    # within a run of equal frames the offset is the running sum of differences and sizes.
    steps = c["chunk_offset"].astype(np.int64).astype(np.int32).astype(np.int64)
    if len(frames) != len(sizes) or len(steps) != len(sizes):
        raise BadPayload("the placement is for another list of chunks")
    starts = np.ones(len(frames), dtype=bool)
    starts[1:] = frames[1:] != frames[:-1]
    steps[1:] += np.where(starts[1:], 0, sizes[:-1])
    offsets = np.cumsum(steps)
    first = np.flatnonzero(starts)
    offsets -= np.repeat(offsets[first] - steps[first], np.diff(np.append(first, len(frames))))
    placement = Placement(
        packs=c["packs"],
        frame_pack=c["frame_pack"],
        frame_offset=c["frame_offset"],
        frame_stored=c["frame_stored"],
        frame_raw=c["frame_raw"],
        frame_kind=c["frame_kind"],
        chunk_frame=frames,
        chunk_offset=offsets.astype(np.int64),
    )
    _check(placement, sizes)
    return placement


def _check(p: Placement, sizes: Column) -> None:
    count = len(p.frame_pack)
    whole = (
        all(len(column) == count for column in (p.frame_offset, p.frame_stored, p.frame_raw, p.frame_kind))
        and (p.frame_pack < len(p.packs)).all()
        and (p.frame_raw <= MAX_RAW).all()
        and (p.frame_stored > 0).all()
        and (p.frame_stored <= MAX_STORED).all()
        and (p.frame_offset <= MAX_PACK - MAX_STORED).all()
        and (p.chunk_frame < count).all()
        and (p.chunk_offset >= 0).all()
        and (p.chunk_offset + sizes <= p.frame_raw[p.chunk_frame]).all()
    )
    if not whole:
        raise BadPayload("the placement points outside its frames or packs")


def _predicted(offsets: Column, frames: Column, sizes: Column) -> Column:
    predicted = np.zeros(len(offsets), dtype=np.int64)
    predicted[1:] = np.where(frames[1:] == frames[:-1], offsets[:-1].astype(np.int64) + sizes[:-1], 0)
    return predicted


def _renumber(numbers: Column) -> tuple[Column, Column]:
    """The distinct numbers in order of first use, and each one's position among them."""
    distinct, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype="<u4")
    rank[order] = np.arange(len(order), dtype="<u4")
    return distinct[order], rank[inverse]


def _concatenated(columns: list[Column], dtype: str = "<u4") -> Column:
    return np.concatenate(columns).astype(dtype) if columns else np.empty(0, dtype=dtype)
