"""Which bytes of which packs to ask for, and where what they hold must go.

Frames that are needed are put in the order of packs and offsets; neighbours over small gaps become one range. Everything is
in columns; the executor turns them into lists one range at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chunkstore.columns import Column
from chunkstore.placements import Placement
from manifest.model import Manifest

MAX_GAP = 256 * 1024
"""Bytes that are read for nothing rather than asking once more."""

MAX_RANGE = 4 * 1024 * 1024
"""Bytes of one range: bounds the memory of a request in flight."""


@dataclass(frozen=True, slots=True, eq=False)
class Fetches:
    """Three tables, each pointing into the next.

    Ranges: `pack` (row of `packs`), `offset`, `length`, `first_frame` (with an entry past the end). Frames: `frame_offset`
    (in the pack), `frame_stored`, `frame_raw`, `frame_kind`, `first_run`. Runs, which are contiguous in the frame and in one
    file: `run_start` (in the frame), `run_length`, `run_file` (row of the manifest), `run_offset` (in the file), `first_chunk`.
    `chunks` are rows of the manifest.
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


def plan_fetches(manifest: Manifest, chunks: Column, placement: Placement, files: Column, offsets: Column) -> Fetches:
    """How to get these chunks (rows of `manifest`), which `placement` places one by one.

    `files` and `offsets` say for each of them the file row and the place in the file.
    """
    frames, inverse = np.unique(placement.chunk_frame, return_inverse=True)
    by_place = np.lexsort((placement.frame_offset[frames], placement.frame_pack[frames]))
    rank = np.empty(len(frames), dtype=np.int64)
    rank[by_place] = np.arange(len(frames))
    order = np.lexsort((offsets, files, placement.chunk_offset, rank[inverse]))
    frames = frames[by_place]
    in_frame = rank[inverse][order]
    chunks, files, offsets = chunks[order], files[order], offsets[order]
    starts = placement.chunk_offset[order].astype(np.int64)
    sizes = manifest.chunk_sizes[chunks].astype(np.int64)

    begins = np.ones(len(chunks), dtype=bool)
    begins[1:] = (
        (in_frame[1:] != in_frame[:-1])
        | (starts[1:] != starts[:-1] + sizes[:-1])
        | (files[1:] != files[:-1])
        | (offsets[1:] != offsets[:-1] + sizes[:-1])
    )
    first_chunk = np.flatnonzero(begins)
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
        run_length=np.add.reduceat(sizes, first_chunk) if len(chunks) else sizes,
        run_file=files[first_chunk],
        run_offset=offsets[first_chunk],
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
