"""Placements: where each chunk of a list lies: pack, frame, offset in the frame.

Not signed: a wrong placement can only fail a hash. Columnar; offsets are stored as differences from what the previous
chunk predicts and frame numbers as steps, so that a container around the payload shrinks both to nearly nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chunkstore.columns import BadPayload, Column, decode_columns, encode_columns, ids_column
from chunkstore.frames import MAX_RAW
from chunkstore.packs import MAX_PACK
from chunkstore.store import Buffer

MAGIC = b"LADPLC"
VERSION = 1
_OVERHEAD = 1024  # head, header and padding take less
_SPEC: Mapping[str, tuple[str, int]] = {
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
        pack: bytes = self.packs[number].tobytes()
        return pack

    def take(self, rows: Column) -> Placement:
        """The placement of the chunks in these rows, in this order, with only the frames and packs that they use."""
        frames, chunk_frame = _used(self.chunk_frame[rows], len(self.frame_pack))
        packs, frame_pack = _used(self.frame_pack[frames], len(self.packs))
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


def largest_payload(chunks: int) -> int:
    """How long the payload of a placement of so many chunks can be: each in a frame and a pack of its own."""
    return _OVERHEAD + chunks * sum(words * int(dtype[-1]) for dtype, words in _SPEC.values())


def no_placement() -> Placement:
    """The placement of no chunks."""
    none = np.empty(0, dtype="<u4")
    return Placement(ids_column(b""), none, none, none, none, none.astype("|u1"), none, none)


def join(parts: Sequence[Placement]) -> Placement:
    """One placement for the lists of `parts` one after another.

    Packs and frames that several parts name become one, so that no frame is fetched twice.
    """
    if len(parts) < 2:
        return parts[0] if parts else no_placement()
    words, pack_rows = _distinct(list(np.concatenate([part.packs for part in parts]).T))
    named_packs = _joined([part.frame_pack for part in parts], [len(part.packs) for part in parts])
    (pack, offset, stored, raw, kind), frame_rows = _distinct(
        (
            pack_rows[named_packs],
            np.concatenate([part.frame_offset for part in parts]),
            np.concatenate([part.frame_stored for part in parts]),
            np.concatenate([part.frame_raw for part in parts]),
            np.concatenate([part.frame_kind for part in parts]),
        )
    )
    named_frames = _joined([part.chunk_frame for part in parts], [len(part.frame_pack) for part in parts])
    offsets = np.concatenate([part.chunk_offset for part in parts])
    return Placement(np.stack(words, axis=1), pack, offset, stored, raw, kind, frame_rows[named_frames], offsets)


def encode_placement(placement: Placement, sizes: Column) -> bytes:
    """The payload. `sizes` are the raw sizes of the placed chunks, which the reader knows from the manifest."""
    frames = placement.chunk_frame.astype("<u4")
    offsets = placement.chunk_offset.astype(np.int64)
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
            ("chunk_offset", (offsets - _predicted(offsets, frames, sizes)).astype("<u4")),
        ],
    )


def decode_placement(data: Buffer, sizes: Column) -> Placement:
    """The placement of a list of chunks with these raw sizes.

    Raises `BadPayload` if it does not fit them or the format, and `NewerFormat`.
    """
    header, c = decode_columns(data, MAGIC, VERSION, _SPEC)
    if header or len(c["chunk_frame"]) != len(sizes) or len(c["chunk_offset"]) != len(sizes):
        raise BadPayload("the placement is for another list of chunks")
    frames = np.cumsum(c["chunk_frame"], dtype=np.uint32)
    offsets = _offsets(c["chunk_offset"].astype(np.int32).astype(np.int64), frames, sizes)
    _check(c, frames, offsets, sizes)
    return Placement(**{**c, "chunk_frame": frames, "chunk_offset": offsets.astype("<u4")})


def _check(c: Mapping[str, Column], frames: Column, offsets: Column, sizes: Column) -> None:
    pack, offset, stored, raw, kind = (c[f"frame_{name}"] for name in ("pack", "offset", "stored", "raw", "kind"))
    whole = (
        len(pack) == len(offset) == len(stored) == len(raw) == len(kind)
        and (pack < len(c["packs"])).all()
        and (offset <= MAX_PACK - MAX_RAW).all()
        and (stored > 0).all()
        and (stored <= raw).all()
        and (raw <= MAX_RAW).all()
        and (frames < len(pack)).all()
        and _all_used(frames, len(pack))
        and _all_used(pack, len(c["packs"]))
        and (offsets >= 0).all()
        and (offsets + sizes <= raw[frames]).all()
    )
    if not whole:
        raise BadPayload("the placement points outside its frames or packs")


def _all_used(rows: Column, count: int) -> bool:
    """Whether each of `count` rows is named: what no chunk needs must not be fetched for it."""
    used = np.zeros(count, dtype=bool)
    used[rows] = True
    return bool(used.all())


def _predicted(offsets: Column, frames: Column, sizes: Column) -> Column:
    """Where each chunk would lie right behind the one before, or at the start of another frame."""
    predicted = np.zeros(len(offsets), dtype=np.int64)
    predicted[1:] = np.where(frames[1:] == frames[:-1], offsets[:-1] + sizes[:-1], 0)
    return predicted


def _offsets(steps: Column, frames: Column, sizes: Column) -> Column:
    """The inverse: offsets from their differences to `_predicted`, as a running sum within each run of equal frames."""
    starts = np.ones(len(frames), dtype=bool)
    starts[1:] = frames[1:] != frames[:-1]
    steps[1:] += np.where(starts[1:], 0, sizes[:-1])
    offsets = np.cumsum(steps)
    first = np.flatnonzero(starts)
    offsets -= np.repeat(offsets[first] - steps[first], np.diff(np.append(first, len(frames))))
    return offsets


def _joined(columns: Sequence[Column], lengths: Sequence[int]) -> Column:
    """Row numbers of several tables as those of one, in which the tables, so many rows long, follow one another."""
    bases = np.cumsum([0, *lengths[:-1]])
    return np.concatenate([column.astype(np.int64) + base for column, base in zip(columns, bases, strict=True)])


def _used(numbers: Column, count: int) -> tuple[Column, Column]:
    """Which rows of a table of `count` rows occur in `numbers`, ascending, and the numbers counted among those."""
    used = np.zeros(count, dtype=bool)
    used[numbers] = True
    counted = (np.cumsum(used) - 1).astype("<u4")
    return np.flatnonzero(used), counted[numbers]


def _distinct(columns: Sequence[Column]) -> tuple[list[Column], Column]:
    """The distinct rows of a table in order of first use, as columns, and for each row the number of its equal."""
    order = np.lexsort(columns)  # stable: equal rows stay in their order
    differs = np.ones(len(order), dtype=bool)
    differs[1:] = np.logical_or.reduce([column[order[1:]] != column[order[:-1]] for column in columns])
    first = order[differs]
    by_use = np.argsort(first)
    number = np.empty(len(first), dtype="<u4")
    number[by_use] = np.arange(len(first), dtype="<u4")
    rows = np.empty(len(order), dtype="<u4")
    rows[order] = number[np.cumsum(differs) - 1]
    return [column[first[by_use]] for column in columns], rows
