"""Planned ranges as values one can look at, and the laws that hold for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from delta.fetching import MAX_GAP, MAX_RANGE, Fetches


class Run(NamedTuple):
    """Where a piece of a frame must go."""

    start: int
    length: int
    file: int
    offset: int
    chunks: list[int]


@dataclass(frozen=True)
class Frame:
    """A frame with its runs."""

    offset: int
    stored: int
    raw: int
    kind: int
    runs: list[Run]


@dataclass(frozen=True)
class Range:
    """Bytes of a pack with the frames in them."""

    pack: bytes
    offset: int
    length: int
    frames: list[Frame]

    @property
    def end(self) -> int:
        return self.offset + self.length


def read(fetches: Fetches) -> list[Range]:
    """The three tables as values."""
    runs = [
        Run(int(start), int(length), int(file), int(offset), fetches.chunks[first:last].tolist())
        for start, length, file, offset, first, last in zip(
            fetches.run_start,
            fetches.run_length,
            fetches.run_file,
            fetches.run_offset,
            fetches.first_chunk[:-1],
            fetches.first_chunk[1:],
            strict=True,
        )
    ]
    frames = [
        Frame(int(offset), int(stored), int(raw), int(kind), runs[first:last])
        for offset, stored, raw, kind, first, last in zip(
            fetches.frame_offset,
            fetches.frame_stored,
            fetches.frame_raw,
            fetches.frame_kind,
            fetches.first_run[:-1],
            fetches.first_run[1:],
            strict=True,
        )
    ]
    return [
        Range(fetches.packs[pack].tobytes(), int(offset), int(length), frames[first:last])
        for pack, offset, length, first, last in zip(
            fetches.pack,
            fetches.offset,
            fetches.length,
            fetches.first_frame[:-1],
            fetches.first_frame[1:],
            strict=True,
        )
    ]


def assert_sound(fetches: Fetches) -> list[Range]:
    """The laws of ranges."""
    ranges = read(fetches)
    assert fetches.requests == len(ranges)
    assert fetches.download_bytes == sum(each.length for each in ranges)
    for each in ranges:
        assert 0 < each.length <= MAX_RANGE
        ends = [each.offset, *(frame.offset + frame.stored for frame in each.frames)]
        assert each.end == ends[-1]
        assert each.frames[0].offset == each.offset
        assert all(0 <= frame.offset - end <= MAX_GAP for frame, end in zip(each.frames, ends, strict=False))
    for one, other in pairwise(ranges):
        if one.pack == other.pack:
            # Disjoint, in order, and apart only where they have to be.
            assert one.end <= other.offset
            first = other.frames[0]
            assert first.offset - one.end > MAX_GAP or first.offset + first.stored - one.offset > MAX_RANGE
    packs = [each.pack for each in ranges]
    assert len({pack for at, pack in enumerate(packs) if not at or packs[at - 1] != pack}) == len(set(packs))
    return ranges
