"""Which bytes of which packs to ask for, and where what they hold must go.

Frames that are needed are put in the order of packs and offsets; neighbours over small gaps become one range.
Everything is in columns; the executor turns them into values one range at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chunkstore.columns import Column
from chunkstore.frames import MAX_RAW
from chunkstore.placements import Placement
from manifest.model import Manifest

MAX_GAP = 256 * 1024
"""Bytes that are read for nothing rather than asking once more."""

MAX_RANGE = 4 * 1024 * 1024
"""Bytes of one range: bounds the memory of a request in flight."""

_OFFSET_BITS = MAX_RAW.bit_length()


@dataclass(frozen=True, slots=True, eq=False)
class Fetches:
    """Three tables, each pointing into the next.

    Ranges: `pack` (row of `packs`), `offset`, `length`, `first_frame` (with an entry past the end). Frames:
    `frame_offset` (in the pack), `frame_stored`, `frame_raw`, `frame_kind`, `first_run`. Runs, each contiguous in its
    frame and in one file: `run_start` (in the frame), `run_length`, `run_file` (row of the manifest), `run_offset` (in
    the file), `first_chunk`. `chunks` are rows of the manifest.
    """

    packs: Column
    pack: Column
    offset: Column
    length: Column
    first_frame: Column
    frame_offset: Column
    frame_stored: Column
    frame_raw: Column
    frame_kind: Column
    first_run: Column
    run_start: Column
    run_length: Column
    run_file: Column
    run_offset: Column
    first_chunk: Column
    chunks: Column

    @property
    def requests(self) -> int:
        """How many ranges there are."""
        return len(self.pack)

    @property
    def download_bytes(self) -> int:
        """Bytes of all ranges."""
        return int(self.length.sum(dtype=np.int64))


def plan_fetches(manifest: Manifest, chunks: Column, placement: Placement) -> Fetches:
    """How to get these chunks (ascending rows of `manifest`), which `placement` places one by one, and no others."""
    frames = np.lexsort((placement.frame_offset, placement.frame_pack))
    rank = np.empty(len(frames), dtype="<u8")
    rank[frames] = np.arange(len(frames))
    place = (rank[placement.chunk_frame] << np.uint64(_OFFSET_BITS)) | placement.chunk_offset.astype("<u8")
    if (place[1:] < place[:-1]).any():  # not so when a whole build lies in the order of its files
        order = np.argsort(place, kind="stable")
        place, chunks = place[order], chunks[order]
    in_frame = (place >> np.uint64(_OFFSET_BITS)).astype("<u4")
    starts = (place & np.uint64((1 << _OFFSET_BITS) - 1)).astype("<u4")
    del place
    sizes = manifest.chunk_sizes[chunks]
    begins = np.ones(len(chunks), dtype=bool)
    begins[1:] = (
        (in_frame[1:] != in_frame[:-1])
        | (starts[1:] != starts[:-1] + sizes[:-1])
        | (chunks[1:] != chunks[:-1] + 1)
        | manifest.opens_file()[chunks[1:]]
    )
    first_chunk = np.flatnonzero(begins)
    run_file, run_offset = manifest.place_chunks(chunks[first_chunk])
    pack, offset, length, first_frame = _ranges(placement, frames)
    return Fetches(
        packs=placement.packs,
        pack=pack,
        offset=offset,
        length=length,
        first_frame=first_frame,
        frame_offset=placement.frame_offset[frames],
        frame_stored=placement.frame_stored[frames],
        frame_raw=placement.frame_raw[frames],
        frame_kind=placement.frame_kind[frames],
        first_run=np.searchsorted(in_frame[first_chunk], np.arange(len(frames) + 1)),
        run_start=starts[first_chunk],
        run_length=np.add.reduceat(sizes, first_chunk, dtype=np.int64) if len(chunks) else sizes,
        run_file=run_file,
        run_offset=run_offset,
        first_chunk=np.append(first_chunk, len(chunks)),
        chunks=chunks,
    )


def _ranges(placement: Placement, frames: Column) -> tuple[Column, Column, Column, Column]:
    """Merges neighbouring frames: pack, offset and length of each range, and its first frame."""
    packs = placement.frame_pack[frames].tolist()
    begins = placement.frame_offset[frames].tolist()
    lengths = placement.frame_stored[frames].tolist()
    first, opened = [], (-1, 0, 0)
    rows: list[tuple[int, int, int]] = []
    for number, (pack, begin, length) in enumerate(zip(packs, begins, lengths, strict=True)):
        end = begin + length
        pack_before, start, end_before = opened
        if pack == pack_before and begin - end_before <= MAX_GAP and max(end, end_before) - start <= MAX_RANGE:
            opened = (pack, start, max(end, end_before))
            rows[-1] = opened
            continue
        opened = (pack, begin, end)
        rows.append(opened)
        first.append(number)
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    first_frame = np.array([*first, len(packs)], dtype=np.int64)
    return table[:, 0], table[:, 1], table[:, 2] - table[:, 1], first_frame
