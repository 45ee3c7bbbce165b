"""A pack says itself what it holds; damage to its index is refused whatever it hits."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.columns import Column, NewerFormat, encode_columns
from chunkstore.frames import MAX_RAW, FrameKind, decode_frame, encode_frame, verify_run
from chunkstore.ids import digest_of
from chunkstore.packs import MAX_PACK, BadPack, NewerPack, PackBuilder, PackIndex, index_of, read_index
from chunkstore.store import ShortObject
from chunkstore.stores.memory import MemoryStore
from tests.kit.builds import names_of, seeded_ids
from tests.kit.clock import FakeClock
from tests.kit.game import noise

NONCE = bytes(range(16))
KEY = "packs/x"
COLUMNS = ("kinds", "offsets", "stored", "raw", "chunks", "sizes", "ids")

frames = st.lists(
    st.lists(st.builds(noise, st.integers(1, 300), st.integers(0, 99)), min_size=1, max_size=4), max_size=5
)


def filled(frames: list[list[bytes]], nonce: bytes = NONCE) -> PackBuilder:
    builder = PackBuilder(nonce)
    for chunks in frames:
        raw = b"".join(chunks)
        kind, stored = encode_frame(raw)
        builder.add(kind, stored, len(raw), [len(chunk) for chunk in chunks], b"".join(map(digest_of, chunks)))
    return builder


def stored(data: bytes | bytearray) -> MemoryStore:
    store = MemoryStore(FakeClock())
    store.put(KEY, data)
    return store


def assert_equal(found: PackIndex, expected: PackIndex) -> None:
    for name in COLUMNS:
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert getattr(found, name).dtype == getattr(expected, name).dtype, name


@given(frames)
def test_the_index_that_is_read_is_the_one_that_was_written(frames: list[list[bytes]]) -> None:
    name, data, index = filled(frames).finish()
    assert name == digest_of(data)
    assert_equal(read_index(stored(data), KEY), index)
    assert_equal(index_of(bytes(data), KEY), index)


@given(frames)
def test_the_index_leads_to_every_chunk(frames: list[list[bytes]]) -> None:
    _, data, index = filled(frames).finish()
    rows, starts = index.chunk_places()
    chunks = [chunk for each in frames for chunk in each]
    assert names_of(index.ids) == [digest_of(chunk) for chunk in chunks]
    for chunk, row, start in zip(chunks, rows.tolist(), starts.tolist(), strict=True):
        at = int(index.offsets[row])
        raw = decode_frame(int(index.kinds[row]), bytes(data[at : at + int(index.stored[row])]), int(index.raw[row]))
        assert verify_run(raw[start : start + len(chunk)], [len(chunk)], digest_of(chunk)) is not None


@given(frames, frames)
def test_absorbing_is_adding(first: list[list[bytes]], second: list[list[bytes]]) -> None:
    one = filled(first)
    one.absorb(filled(second))
    assert one.finish()[1] == filled([*first, *second]).finish()[1]


def test_two_sessions_never_make_the_same_pack() -> None:
    """Or a publish could bring back an object in the moment in which a sweep removes it."""
    assert filled([[b"chunk"]]).finish()[0] != filled([[b"chunk"]], bytes(16)).finish()[0]


SAMPLE = bytes(filled([[b"one chunk", b"another"], [noise(90, 1)], [bytes(200)]]).finish()[1])


def test_every_truncation_is_refused() -> None:
    for length in range(len(SAMPLE)):
        with pytest.raises(BadPack):
            read_index(stored(SAMPLE[:length]), KEY)
        with pytest.raises(BadPack):
            index_of(SAMPLE[:length], KEY)


@pytest.mark.parametrize("bits", [1, 0x80, 0xFF])
def test_a_changed_byte_of_the_index_is_refused_and_any_other_one_is_harmless(bits: int) -> None:
    """The index is read without the frames, so the pack's id does not protect it; its own digest does."""
    index = index_of(SAMPLE, KEY)
    frames_end = 32 + int(index.stored.sum())
    for at in range(len(SAMPLE)):
        damaged = bytearray(SAMPLE)
        damaged[at] ^= bits
        if at < frames_end:
            assert_equal(read_index(stored(damaged), KEY), index)
        else:
            with pytest.raises((BadPack, NewerPack)):
                read_index(stored(damaged), KEY)


def test_a_pack_that_is_shorter_than_the_store_says_is_refused() -> None:

    class Longer(MemoryStore):
        def stat(self, key: str) -> Any:
            found = super().stat(key)
            return type(found)(found.size + 1, found.etag, found.modified)

    store = Longer(FakeClock())
    store.put(KEY, SAMPLE)
    with pytest.raises(ShortObject):
        read_index(store, KEY)


def forge(columns: Mapping[str, Column], body: bytes, **trailer: int) -> bytes:
    """A pack whose frames are `body`, with this index, whose digest is right, and a trailer that says what is given."""
    index = encode_columns(b"LADIDX", trailer.get("version", 1), {}, list(columns.items()))
    sealed = struct.pack(
        "<QII32s8s",
        trailer.get("length", len(index)),
        trailer.get("frames", len(columns["kinds"])),
        trailer.get("chunks", len(columns["sizes"])),
        digest_of(index),
        b"LADPCK" + bytes((trailer.get("mark", 1), 1)),
    )
    return SAMPLE[:32] + body + index + sealed


def index(**other: Any) -> dict[str, Column]:
    """The index of a pack with a frame of two chunks and one of one chunk, all of 10 bytes, with other columns."""
    columns = {"kinds": [0, 1], "stored": [20, 5], "raw": [20, 10], "chunks": [2, 1], "sizes": [10, 10, 10], **other}
    dtypes = {"kinds": "|u1"}
    ids = columns.pop("ids", seeded_ids(3, 1))
    return {**{name: np.array(column, dtypes.get(name, "<u4")) for name, column in columns.items()}, "ids": ids}


FRAMES = bytes(25)
INDEX_SIZE = len(forge(index(), b"")) - 32 - 56
HOSTILE: dict[str, Callable[[], bytes]] = {
    "no length": lambda: forge(index(), FRAMES, length=0),
    "a length beyond the pack": lambda: forge(index(), FRAMES, length=1 << 63),
    "a length that reaches into the header": lambda: forge(
        index(), FRAMES, length=len(forge(index(), FRAMES)) - 56 - 31
    ),
    "another number of frames": lambda: forge(index(), FRAMES, frames=3),
    "another number of chunks": lambda: forge(index(), FRAMES, chunks=(1 << 32) - 1),
    "frames that end elsewhere": lambda: forge(index(), FRAMES + b"x"),
    "too few kinds": lambda: forge(index(kinds=[0]), FRAMES, frames=2),
    "too few lengths": lambda: forge(index(stored=[25]), FRAMES),
    "too few raw sizes": lambda: forge(index(raw=[30]), FRAMES),
    "too few counts": lambda: forge(index(chunks=[3]), FRAMES),
    "too few ids": lambda: forge(index(ids=seeded_ids(2, 1)), FRAMES),
    "an empty frame": lambda: forge(index(chunks=[3, 0], raw=[30, 0], stored=[25, 0]), FRAMES),
    "an empty chunk": lambda: forge(index(sizes=[20, 0, 10]), FRAMES),
    "a frame that stores nothing": lambda: forge(index(stored=[0, 10]), FRAMES[:10]),
    "a frame that stores more than it holds": lambda: forge(index(stored=[14, 11]), FRAMES),
    "chunks that do not fill their frame": lambda: forge(index(sizes=[10, 9, 11]), FRAMES),
    "counts that overflow": lambda: forge(index(chunks=[(1 << 32) - 1, 4]), FRAMES),
    "sizes that overflow": lambda: forge(index(sizes=[(1 << 32) - 10, 30, 10]), FRAMES),
    "a frame larger than frames are": lambda: forge(index(raw=[20, MAX_RAW + 1], sizes=[10, 10, MAX_RAW + 1]), FRAMES),
    "version zero": lambda: forge(index(), FRAMES, mark=0),
    "too short": lambda: SAMPLE[:32],
    "not a pack": lambda: b"<html>" * 100,
}


def test_the_pack_that_the_hostile_ones_differ_from_is_fine() -> None:
    assert_equal(index_of(forge(index(), FRAMES), KEY), read_index(stored(forge(index(), FRAMES)), KEY))


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_index_is_refused(make: Callable[[], bytes]) -> None:
    data = make()
    with pytest.raises(BadPack) as caught:
        read_index(stored(data), KEY)
    assert (caught.value.code, caught.value.where) == ("bad-pack", KEY)
    with pytest.raises(BadPack):
        index_of(data, KEY)


def test_a_header_that_says_more_is_refused() -> None:
    columns = list(index().items())
    encoded = encode_columns(b"LADIDX", 1, {"more": 1}, columns)
    trailer = struct.pack("<QII32s8s", len(encoded), 2, 3, digest_of(encoded), b"LADPCK\1\1")
    with pytest.raises(BadPack):
        index_of(SAMPLE[:32] + FRAMES + encoded + trailer, KEY)


def test_a_newer_pack_is_told_apart_from_damage() -> None:
    with pytest.raises(NewerPack) as caught:
        index_of(forge(index(), FRAMES, mark=2), KEY)
    assert (caught.value.code, caught.value.where) == ("newer-pack", KEY)
    with pytest.raises(NewerFormat):
        index_of(forge(index(), FRAMES, version=2), KEY)


def test_a_pack_beyond_the_limit_is_not_read() -> None:
    class Huge(MemoryStore):
        def stat(self, key: str) -> Any:
            found = super().stat(key)
            return type(found)(MAX_PACK + 1, found.etag, found.modified)

        def get_range(self, key: str, offset: int, length: int) -> bytes:
            raise AssertionError("it was read")

    store = Huge(FakeClock())
    store.put(KEY, SAMPLE)
    with pytest.raises(BadPack):
        read_index(store, KEY)


def test_the_size_counts_what_the_index_takes() -> None:
    """Thousands of tiny chunks compress to nearly nothing; what lists them does not."""
    builder = PackBuilder(NONCE)
    assert builder.empty
    for seed in range(20):
        chunks = seeded_ids(4000, seed)
        builder.add(FrameKind.ZSTD, b"x", 4000, [1] * 4000, chunks.tobytes())
    size = builder.size
    data = builder.finish()[1]
    assert size <= len(data) <= size + 1024


def test_a_nonce_of_another_length_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        PackBuilder(bytes(15))
