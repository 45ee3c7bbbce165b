"""Placements say where chunks lie, whatever the order, and nothing else can be made of their bytes."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.columns import BadPayload, Column, NewerFormat, decode_columns, encode_columns, ids_column
from chunkstore.frames import MAX_RAW
from chunkstore.packs import MAX_PACK
from chunkstore.placements import (
    MAGIC,
    VERSION,
    Placement,
    decode_placement,
    encode_placement,
    join,
    no_placement,
)
from tests.kit.builds import Packed, placed_chunks, placements, seeded_ids, seeded_placement, updates

SPEC = {
    "packs": ("<u8", 4),
    "frame_pack": ("<u4", 1),
    "frame_offset": ("<u4", 1),
    "frame_stored": ("<u4", 1),
    "frame_raw": ("<u4", 1),
    "frame_kind": ("|u1", 1),
    "chunk_frame": ("<u4", 1),
    "chunk_offset": ("<u4", 1),
}


def assert_equal(found: Placement, expected: Placement) -> None:
    for field in fields(Placement):
        assert np.array_equal(getattr(found, field.name), getattr(expected, field.name)), field.name


def assert_tight(placement: Placement) -> None:
    """Nothing is listed that no chunk needs, and nothing twice."""
    assert set(placement.chunk_frame.tolist()) == set(range(len(placement.frame_pack)))
    assert set(placement.frame_pack.tolist()) == set(range(len(placement.packs)))
    frames = [place._replace(start=0) for place in placed_chunks(placement)]
    assert len(set(frames)) == len(placement.frame_pack)
    assert len({place.pack for place in frames}) == len(placement.packs)


@given(placements())
def test_decoding_gives_back_what_was_encoded(made: tuple[Placement, Column]) -> None:
    placement, sizes = made
    payload = encode_placement(placement, sizes)
    found = decode_placement(payload, sizes)
    assert_equal(found, placement)
    assert encode_placement(found, sizes) == payload
    for field, dtype in ((field.name, SPEC[field.name][0]) for field in fields(Placement)):
        assert getattr(found, field).dtype == dtype


@given(placements(), st.data())
def test_taking_some_chunks(made: tuple[Placement, Column], draw: st.DataObject) -> None:
    placement, sizes = made
    rows = draw.draw(st.lists(st.integers(0, len(sizes) - 1))) if len(sizes) else []
    taken = placement.take(np.array(rows, dtype=np.int64))
    places = placed_chunks(placement)
    assert placed_chunks(taken) == [places[row] for row in rows]
    assert_tight(taken)
    everything = placement.take(np.arange(len(sizes)))
    assert_equal(everything, placement)


@given(st.lists(placements(), max_size=4))
def test_joining_lists(made: list[tuple[Placement, Column]]) -> None:
    """Equal packs and frames of several parts become one, or they would be fetched as often as they are named."""
    parts = [placement for placement, _ in made]
    joined = join(parts)
    assert placed_chunks(joined) == [place for part in parts for place in placed_chunks(part)]
    assert_tight(joined)
    in_order = list(dict.fromkeys(joined.chunk_frame.tolist()))
    assert in_order == sorted(in_order), "frames in the order of their chunks make small steps"
    sizes = np.concatenate([np.empty(0, "<u4"), *(sizes for _, sizes in made)])
    assert_equal(decode_placement(encode_placement(joined, sizes), sizes), joined)


@given(updates())
def test_placing_the_chunks_of_real_builds(pair: tuple[Packed, Packed]) -> None:
    for build in pair:
        sizes = build.manifest.chunk_sizes
        assert_equal(decode_placement(encode_placement(build.placement, sizes), sizes), build.placement)


def test_nothing_is_placed_nowhere() -> None:
    none = np.empty(0, "<u4")
    assert_equal(join([]), no_placement())
    assert_equal(decode_placement(encode_placement(no_placement(), none), none), no_placement())
    assert_equal(no_placement().take(np.empty(0, np.int64)), no_placement())
    assert join([no_placement(), no_placement()]).packs.shape == (0, 4)


def test_chunks_in_the_order_of_their_frames_cost_next_to_nothing() -> None:
    """Every difference is 0 then, and a container shrinks zeros."""
    sizes = np.full(64, 100, "<u4")
    payload = encode_placement(seeded_placement(sizes), sizes)
    _, columns = decode_columns(payload, MAGIC, VERSION, SPEC)
    assert not columns["chunk_offset"].any()
    assert np.count_nonzero(columns["chunk_frame"]) == 3


SIZES = np.array([10, 20, 30, 5], "<u4")
GOOD: dict[str, Any] = {
    "packs": seeded_ids(2, 1),
    "frame_pack": [0, 1],
    "frame_offset": [32, 4000],
    "frame_stored": [50, 5],
    "frame_raw": [60, 5],
    "frame_kind": [1, 0],
    "chunk_frame": [0, 0, 0, 1],
    "chunk_offset": [0, 0, 0, 0],
}


def payload(header: dict[str, Any] | None = None, **other: Any) -> bytes:
    columns = {**GOOD, **other}
    return encode_columns(
        MAGIC, VERSION, header or {}, [(name, np.asarray(columns[name], dtype)) for name, (dtype, _) in SPEC.items()]
    )


def test_the_payload_that_the_hostile_ones_differ_from_is_fine() -> None:
    found = decode_placement(payload(), SIZES)
    assert found.chunk_frame.tolist() == [0, 0, 0, 1]
    assert found.chunk_offset.tolist() == [0, 10, 30, 0]
    assert found.pack_id(1) == seeded_ids(2, 1)[1].tobytes()


TOP = (1 << 32) - 1
HOSTILE: dict[str, dict[str, Any]] = {
    "a pack that is not listed": {"frame_pack": [0, 2]},
    "the last pack there can be": {"frame_pack": [0, TOP]},
    "a frame that is not listed": {"chunk_frame": [0, 0, 0, 2]},
    "a step below the first frame": {"chunk_frame": [TOP, 1, 0, 1]},
    "a pack that nothing needs": {"packs": seeded_ids(3, 1)},
    "a frame that nothing needs": {"chunk_frame": [0, 0, 0, 0], "frame_raw": [65, 5]},
    "an offset before the frame": {"chunk_offset": [TOP, 0, 0, 0]},
    "an offset far before the frame": {"chunk_offset": [1 << 31, 0, 0, 0]},
    "an offset behind the frame": {"chunk_offset": [1, 0, 0, 0]},
    "an offset far behind the frame": {"chunk_offset": [(1 << 31) - 1, 0, 0, 0]},
    "offsets that add up to an overflow": {"chunk_offset": [0, (1 << 31) - 1, (1 << 31) - 1, 0]},
    "a frame at the end of everything": {"frame_offset": [32, TOP]},
    "a frame behind the largest pack": {"frame_offset": [32, MAX_PACK - MAX_RAW + 1]},
    "a frame that stores nothing": {"frame_stored": [50, 0]},
    "a frame that stores more than it holds": {"frame_stored": [61, 5]},
    "a frame beyond the limit": {"frame_raw": [60, MAX_RAW + 1]},
    "a frame that holds everything": {"frame_raw": [60, TOP], "frame_stored": [50, TOP]},
    "too few kinds": {"frame_kind": [1]},
    "too few offsets": {"frame_offset": [32]},
    "too few lengths": {"frame_stored": [50]},
    "too few raw sizes": {"frame_raw": [60]},
    "too many frames": {"frame_pack": [0, 1, 1]},
    "too few chunks": {"chunk_frame": [0, 0, 1]},
    "too few places": {"chunk_offset": [0, 0, 0]},
    "too many chunks": {"chunk_frame": [0, 0, 0, 1, 0], "chunk_offset": [0, 0, 0, 0, 0]},
    "no frames": {name: [] for name in SPEC if name.startswith("frame")},
    "no packs": {"packs": ids_column(b"")},
    "a header that says more": {"header": {"more": 1}},
}


@pytest.mark.parametrize("other", HOSTILE.values(), ids=HOSTILE)
def test_hostile_placements_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(BadPayload) as caught:
        decode_placement(payload(**other), SIZES)
    assert caught.value.code == "bad-payload"


@given(placements(), st.data())
def test_a_changed_byte_is_refused_or_changes_the_places(made: tuple[Placement, Column], draw: st.DataObject) -> None:
    """No id protects a placement from whoever writes it. What is accepted has no second form and stays in bounds."""
    placement, sizes = made
    damaged = bytearray(encode_placement(placement, sizes))
    damaged[draw.draw(st.integers(0, len(damaged) - 1))] ^= draw.draw(st.integers(1, 255))
    try:
        found = decode_placement(damaged, sizes)
    except (BadPayload, NewerFormat):
        return
    assert encode_placement(found, sizes) == damaged
    for place, size in zip(placed_chunks(found), sizes.tolist(), strict=True):
        assert 0 < place.stored <= place.raw <= MAX_RAW
        assert place.start + size <= place.raw
        assert place.offset + place.stored <= MAX_PACK


@given(placements(), st.integers(1, 5))
def test_a_placement_of_another_list_is_refused(made: tuple[Placement, Column], more: int) -> None:
    placement, sizes = made
    data = encode_placement(placement, sizes)
    with pytest.raises(BadPayload):
        decode_placement(data, np.append(sizes, np.full(more, 1, "<u4")))
    if len(sizes):
        with pytest.raises(BadPayload):
            decode_placement(data, sizes[:-1])
        with pytest.raises(BadPayload):
            decode_placement(data, np.where(np.arange(len(sizes)) == 0, MAX_RAW + 1, sizes).astype("<u4"))


def test_columns_take_no_more_memory_than_their_payload() -> None:
    sizes = np.full(20_000, 100, "<u4")
    data = encode_placement(seeded_placement(sizes), sizes)
    tracemalloc.start()
    try:
        decode_placement(data, sizes)
        assert tracemalloc.get_traced_memory()[1] < 60 * len(sizes)
    finally:
        tracemalloc.stop()


def test_a_newer_placement_is_told_apart_from_damage() -> None:
    newer = bytearray(payload())
    newer[6] = VERSION + 1
    with pytest.raises(NewerFormat):
        decode_placement(newer, SIZES)


def test_any_integers_may_be_encoded() -> None:
    """Offsets come as 32 or 64 bits from the code that places new chunks."""
    placement = decode_placement(payload(), SIZES)
    wide = replace(
        placement,
        chunk_offset=placement.chunk_offset.astype(np.int64),
        chunk_frame=placement.chunk_frame.astype(np.int64),
    )
    assert encode_placement(wide, SIZES) == payload()
