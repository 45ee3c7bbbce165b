"""Frames hold what was put in, within the format's bounds, and only verified bytes come out as such."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.compression import BadCompression, compress
from chunkstore.errors import Corrupt
from chunkstore.frames import GROUP_RAW, MAX_RAW, BadFrame, FrameKind, decode_frame, encode_frame, verify_run
from chunkstore.ids import digest_of
from tests.kit.builds import cut_up
from tests.kit.game import noise

raws = st.one_of(
    st.binary(min_size=1, max_size=200),
    st.builds(noise, st.integers(1, 5000), st.integers(0, 9)),
    st.builds(lambda byte, size: bytes((byte,)) * size, st.integers(0, 255), st.integers(1, 50_000)),
)


@given(raws)
def test_decoding_gives_back_what_was_encoded(raw: bytes) -> None:
    kind, stored = encode_frame(raw)
    assert bytes(decode_frame(kind, stored, len(raw))) == raw


@given(raws)
def test_a_frame_never_stores_more_than_it_holds_and_compresses_only_what_shrinks(raw: bytes) -> None:
    kind, stored = encode_frame(raw)
    if kind == FrameKind.RAW:
        assert bytes(stored) == raw
    else:
        assert len(stored) < len(raw)


def test_what_does_not_shrink_is_stored_as_it_is() -> None:
    assert encode_frame(noise(GROUP_RAW, 1))[0] == FrameKind.RAW
    assert encode_frame(noise(300_000, 1) + bytes(3000))[0] == FrameKind.RAW
    assert encode_frame(noise(300_000, 1) + bytes(6000))[0] == FrameKind.ZSTD


@given(raws, st.data())
def test_damage_is_refused_or_found_by_the_hash(raw: bytes, draw: st.DataObject) -> None:
    """R-2.3.4-1: a frame carries no checksum of its own; the ids of its chunks are one."""
    kind, stored = encode_frame(raw)
    damaged = bytearray(stored)
    damaged[draw.draw(st.integers(0, len(damaged) - 1))] ^= draw.draw(st.integers(1, 255))
    try:
        found = decode_frame(kind, damaged, len(raw))
    except Corrupt:
        return
    assert found == raw or verify_run(found, [len(raw)], digest_of(raw)) is None


@pytest.mark.parametrize(
    ("kind", "stored", "raw_size"),
    [
        (FrameKind.RAW, b"", 0),
        (FrameKind.RAW, b"", 1),
        (FrameKind.ZSTD, b"", 10),
        (FrameKind.RAW, b"abc", 2),
        (FrameKind.RAW, b"abc", 4),
        (FrameKind.RAW, b"abc", -3),
        (FrameKind.RAW, bytes(MAX_RAW + 1), MAX_RAW + 1),
        (FrameKind.ZSTD, compress(bytes(MAX_RAW + 1)), MAX_RAW + 1),
        (FrameKind.ZSTD, compress(bytes(10)), 1 << 40),
        (FrameKind.ZSTD, compress(noise(10, 1)), 10),
        (2, b"abc", 3),
        (255, b"abc", 3),
    ],
)
def test_what_breaks_the_format_is_a_bad_frame(kind: int, stored: bytes, raw_size: int) -> None:
    with pytest.raises(BadFrame) as caught:
        decode_frame(kind, stored, raw_size)
    assert caught.value.code == "bad-frame"


@pytest.mark.parametrize("raw_size", [9, 11])
def test_a_frame_of_another_size_than_the_promised_one_is_refused(raw_size: int) -> None:
    with pytest.raises((BadCompression, BadFrame)):
        decode_frame(FrameKind.ZSTD, compress(bytes(10))[:raw_size], raw_size)


def test_an_unknown_kind_asks_for_a_newer_version() -> None:
    with pytest.raises(BadFrame, match="kind 7") as caught:
        decode_frame(7, b"abc", 3)
    assert "newer version" in caught.value.next


@given(st.integers(0, 9), st.integers(1, 6000))
def test_a_run_is_verified_chunk_by_chunk(seed: int, size: int) -> None:
    chunks = cut_up(noise(size, seed))
    raw = memoryview(b"".join(chunks))
    sizes, ids = [len(chunk) for chunk in chunks], b"".join(map(digest_of, chunks))
    verified = verify_run(raw, sizes, ids)
    assert verified is not None
    assert verified.data == raw
    assert verify_run(raw[:-1], sizes, ids) is None
    assert verify_run(memoryview(bytes(raw) + b"x"), sizes, ids) is None
    assert verify_run(raw, sizes, ids[:-32]) is None
    assert verify_run(raw, [*sizes, 0], ids) is None
    assert verify_run(raw, sizes[:-1], ids[:-32]) is None
