"""Ranges of packs: every frame that is needed lies in one, none is asked for twice, and little is read for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.frames import MAX_RAW
from delta.fetching import MAX_GAP, MAX_RANGE, Fetches, plan_fetches
from manifest.model import Manifest
from tests.kit.builds import Packed, Place, builds, manifest_of, names_of, place_all, seeded_ids, updates
from tests.kit.game import Entry
from tests.kit.ranges import assert_sound, read


@dataclass(frozen=True)
class Layout:
    """Chunks of one file, placed in frames that lie as given."""

    manifest: Manifest
    places: list[Place]


def layout(frames: list[tuple[int, int, int]]) -> Layout:
    """A file with one chunk in each frame, which is (pack, offset, stored bytes)."""
    cut = [number.to_bytes(2, "little") + bytes(62) for number in range(len(frames))]
    manifest = manifest_of({"file": Entry(b"".join(cut))}, {"file": cut}) if cut else manifest_of({}, {})
    places = [Place(bytes((pack,)) * 32, offset, stored, MAX_RAW, 1, 0) for pack, offset, stored in frames]
    return Layout(manifest, places)


def plan(made: Layout, rows: list[int] | None = None) -> Fetches:
    chosen = range(len(made.places)) if rows is None else rows
    names = [row.to_bytes(2, "little") for row in chosen]
    placement = place_all(names, {name: made.places[row] for name, row in zip(names, chosen, strict=True)})
    return plan_fetches(made.manifest, np.array(list(chosen), np.int64), placement)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Frames of a few packs that do not overlap, with gaps around the limits, in any order."""
    gaps = st.sampled_from([0, 1, 1000, MAX_GAP - 1, MAX_GAP, MAX_GAP + 1, 2 * MAX_GAP])
    lengths = st.sampled_from([1, 500, 300_000, MAX_RAW - 1, MAX_RAW])
    frames = []
    for pack in range(draw(st.integers(0, 3))):
        at = 32
        for gap, length in draw(st.lists(st.tuples(gaps, lengths), max_size=10)):
            frames.append((pack, at + gap, length))
            at += gap + length
    return layout(draw(st.permutations(frames)))


@given(layouts(), st.data())
def test_ranges_hold_the_frames_and_little_else(made: Layout, draw: st.DataObject) -> None:
    rows = [row for row in range(len(made.places)) if draw.draw(st.booleans())]
    ranges = assert_sound(plan(made, rows))
    found = {(each.pack, frame.offset, frame.stored) for each in ranges for frame in each.frames}
    assert found == {(place.pack, place.offset, place.stored) for place in map(made.places.__getitem__, rows)}
    assert sum(len(each.frames) for each in ranges) == len(rows)


def test_neighbours_become_one_range_up_to_the_gap() -> None:
    for gap, requests in ((0, 1), (MAX_GAP, 1), (MAX_GAP + 1, 2)):
        assert plan(layout([(1, 32, 100), (1, 132 + gap, 100)])).requests == requests


def test_a_range_ends_at_its_limit() -> None:
    quarter = MAX_RANGE // 4
    whole = [(1, 32 + number * quarter, quarter) for number in range(8)]
    assert [each.length for each in read(plan(layout(whole)))] == [MAX_RANGE, MAX_RANGE]
    assert plan(layout([(1, 32, quarter + 1), *((1, 33 + n * quarter, quarter) for n in range(1, 4))])).requests == 2


def test_packs_are_never_mixed() -> None:
    ranges = read(plan(layout([(1, 32, 100), (2, 132, 100), (1, 132, 100)])))
    assert [(each.pack[0], each.length) for each in ranges] == [(1, 200), (2, 100)]


def assert_runs_cover(build: Packed, chunks: list[int]) -> None:
    """Each chunk goes where it belongs, from where it lies, in the longest runs that there are."""
    names = names_of(build.manifest.chunk_ids)
    placement = place_all([names[row] for row in chunks], build.places)
    ranges = assert_sound(plan_fetches(build.manifest, np.array(chunks, np.int64), placement))
    files, offsets = build.manifest.chunk_files().tolist(), build.manifest.chunk_offsets().tolist()
    sizes = build.manifest.chunk_sizes.tolist()
    seen: list[int] = []
    for each in ranges:
        for frame in each.frames:
            assert frame.runs
            for run in frame.runs:
                at = 0
                for row in run.chunks:
                    place = build.places[names[row]]
                    assert (place.pack, place.offset, place.stored) == (each.pack, frame.offset, frame.stored)
                    assert (place.raw, place.kind) == (frame.raw, frame.kind)
                    assert place.start == run.start + at
                    assert (files[row], offsets[row]) == (run.file, run.offset + at)
                    at += sizes[row]
                assert at == run.length
                seen += run.chunks
            for one, other in pairwise(frame.runs):
                joined = one.start + one.length == other.start and other.chunks[0] == one.chunks[-1] + 1
                assert not joined or one.file != other.file
    assert sorted(seen) == chunks


@given(updates(), st.data())
def test_runs_lead_from_frames_to_files(pair: tuple[Packed, Packed], draw: st.DataObject) -> None:
    for build in pair:
        count = len(build.manifest.chunk_ids)
        assert_runs_cover(build, list(range(count)))
        assert_runs_cover(build, [row for row in range(count) if draw.draw(st.booleans())])


@given(builds)
def test_a_whole_build_is_fetched_with_no_byte_between(build: Packed) -> None:
    """A first install from a store that holds only this build: the frames of a pack without a hole."""
    fetches = plan_fetches(build.manifest, np.arange(len(build.manifest.chunk_ids)), build.placement)
    frames = {(place.pack, place.offset): place.stored for place in build.places.values()}
    assert fetches.download_bytes == sum(frames.values())
    assert fetches.requests == len(build.packs)


def test_nothing_is_fetched_for_nothing() -> None:
    fetches = plan(layout([]))
    assert (fetches.requests, fetches.download_bytes, read(fetches)) == (0, 0, [])


@pytest.mark.parametrize("count", [3, 40])
def test_one_place_that_many_files_need_is_fetched_once(count: int) -> None:
    chunk = b"again" * 20
    tree = {f"file{number:03}": Entry(chunk) for number in range(count)}
    manifest = manifest_of(tree, {path: [chunk] for path in tree})
    place = Place(seeded_ids(1, 1).tobytes(), 32, 50, 100, 1, 0)
    placement = place_all(names_of(manifest.chunk_ids), dict.fromkeys(names_of(manifest.chunk_ids), place))
    (only,) = assert_sound(plan_fetches(manifest, np.arange(count), placement))
    assert [run.file for frame in only.frames for run in frame.runs] == list(range(count))
