"""Scrubbing a pack: every damaged bit is noticed, and exactly the chunks in damaged frames count as lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.ids import digest_of
from chunkstore.packs import index_of
from chunkstore.scrub import Scrubbed, scrub_pack
from chunkstore.store import KeyMissing
from chunkstore.stores.memory import MemoryStore
from tests.kit.builds import names_of, pack_build
from tests.kit.clock import FakeClock
from tests.kit.game import Entry, noise

BUILD = pack_build({"a.bin": Entry(noise(5000, "a")), "text": Entry(b"again and again " * 300)})
((NAME, PACK),) = BUILD.packs.items()
INDEX = index_of(PACK, "pack")


def scrub(data: bytes) -> Scrubbed:
    store = MemoryStore(FakeClock())
    store.put("pack", data)
    return scrub_pack(store, "pack", NAME.hex())


def held(found: Scrubbed) -> list[bool]:
    answer: list[bool] = found.holds(BUILD.placement, BUILD.manifest.chunk_sizes, BUILD.manifest.chunk_ids).tolist()
    return answer


def test_a_whole_pack() -> None:
    found = scrub(PACK)
    assert (found.fault, found.size) == (None, len(PACK))
    assert all(held(found))


@given(st.integers(0, len(PACK) * 8 - 1))
def test_no_flipped_bit_is_overlooked(bit: int) -> None:
    data = bytearray(PACK)
    data[bit // 8] ^= 1 << bit % 8
    found = scrub(bytes(data))
    assert found.fault is not None
    assert found.fault.where == "pack"
    if found.index is not None:
        begins, ends = INDEX.offsets, INDEX.offsets + INDEX.stored
        hit = (begins <= bit // 8) & (bit // 8 < ends)
        assert not (found.whole & hit).any()
        assert found.whole[~hit].all()
        broken = {name for name, place in BUILD.places.items() if place.offset in set(begins[hit].tolist())}
        assert held(found) == [name not in broken for name in names_of(BUILD.manifest.chunk_ids)]


@pytest.mark.parametrize("cut", [0, 1, 40, len(PACK) - 1])
def test_a_pack_that_was_cut_short_holds_nothing(cut: int) -> None:
    found = scrub(PACK[:cut])
    assert found.fault is not None
    assert not any(held(found))


def test_another_pack_under_this_name() -> None:
    ((other, data),) = pack_build({"b.bin": Entry(noise(5000, "b"))}).packs.items()
    found = scrub(data)
    assert digest_of(data) == other != NAME
    assert found.fault is not None
    assert not any(held(found))


def test_a_place_that_is_a_little_wrong_is_not_held() -> None:
    from dataclasses import replace

    found = scrub(PACK)
    place = BUILD.placement
    sizes, ids = BUILD.manifest.chunk_sizes, BUILD.manifest.chunk_ids
    for name in ("frame_offset", "frame_stored", "frame_raw"):
        assert not found.holds(replace(place, **{name: getattr(place, name) + np.uint32(1)}), sizes, ids).any()
    assert not found.holds(replace(place, chunk_offset=place.chunk_offset + np.uint32(1)), sizes, ids).any()
    assert not found.holds(replace(place, frame_kind=place.frame_kind ^ 1), sizes, ids).any()
    assert not found.holds(place, sizes + np.uint32(1), ids).any()
    assert not found.holds(place, sizes, ids[::-1].copy()).all()


def test_a_pack_that_is_gone() -> None:
    with pytest.raises(KeyMissing):
        scrub_pack(MemoryStore(FakeClock()), "pack", NAME.hex())
