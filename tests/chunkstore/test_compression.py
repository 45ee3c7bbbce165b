"""What is decompressed is bounded before memory is taken; anything but one honest frame is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.compression import BadCompression, compress, decompress, decompress_within
from tests.kit.game import noise

MAGIC = b"\x28\xb5\x2f\xfd"
PLAIN = b"some text, some text, some more text" * 20

contents = st.one_of(st.binary(min_size=1, max_size=3000), st.integers(1, 300_000).map(bytes))


@given(contents, st.integers(-5, 19))
def test_compressing_loses_nothing(data: bytes, level: int) -> None:
    assert decompress(compress(data, level), size=len(data)) == data
    assert decompress_within(memoryview(compress(data)), limit=len(data) + 7) == data


@given(contents, st.integers(1, 10))
def test_another_size_than_the_promised_one_is_refused(data: bytes, difference: int) -> None:
    packed = compress(data)
    for size in (len(data) - difference, len(data) + difference):
        with pytest.raises(BadCompression):
            decompress(packed, size=size)
    with pytest.raises(BadCompression):
        decompress_within(packed, limit=len(data) - 1)


@given(contents, st.data())
def test_any_cut_is_refused(data: bytes, draw: st.DataObject) -> None:
    packed = compress(data)
    length = draw.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(BadCompression):
        decompress(packed[:length], size=len(data))


@given(contents, st.data())
def test_a_changed_byte_never_makes_more_than_was_promised(data: bytes, draw: st.DataObject) -> None:
    packed = bytearray(compress(data))
    packed[draw.draw(st.integers(0, len(packed) - 1))] ^= draw.draw(st.integers(1, 255))
    try:
        found = decompress(packed, size=len(data))
    except BadCompression:
        return
    assert len(found) == len(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    for packed in (data, MAGIC + data):
        try:
            found = decompress_within(packed, limit=1000)
        except BadCompression:
            continue
        assert 0 < len(found) <= 1000


def frame_without_size() -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(PLAIN)


def stating(size: int) -> bytes:
    """The frame of `PLAIN`, saying that it holds `size` bytes."""
    body = frame_without_size()[6:]  # magic, descriptor, window
    return MAGIC + bytes((0b1110_0000,)) + size.to_bytes(8, "little") + body


def window_of(exponent: int) -> bytes:
    """A frame of `PLAIN` as one raw block, right in all but asking for a window of 1 KiB << exponent."""
    head = bytes((0b0100_0000, exponent << 3)) + (len(PLAIN) - 256).to_bytes(2, "little")
    return MAGIC + head + (len(PLAIN) << 3 | 1).to_bytes(3, "little") + PLAIN


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no frame": lambda: PLAIN,
    "magic alone": lambda: MAGIC,
    "no stated size": frame_without_size,
    "a gibibyte": lambda: stating(1 << 30),
    "the largest size": lambda: stating((1 << 64) - 3),
    "a size that zstd reserves": lambda: stating((1 << 64) - 1),
    "a window of 128 MiB": lambda: window_of(17),
    "a window of 2 GiB": lambda: window_of(21),
    "a byte behind it": lambda: compress(PLAIN) + b"\0",
    "a frame behind it": lambda: compress(PLAIN) * 2,
    "a skippable frame before it": lambda: b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + compress(PLAIN),
    "a skippable frame alone": lambda: b"\x50\x2a\x4d\x18\x04\0\0\0abcd",
    "an empty frame": lambda: compress(b""),
    "an empty frame and more": lambda: compress(b"") + PLAIN,
    "a dictionary": lambda: zstandard.ZstdCompressor(
        dict_data=zstandard.ZstdCompressionDict(noise(500, 1)), write_content_size=True
    ).compress(noise(500, 1) + PLAIN)[: len(PLAIN)],
}


def test_a_frame_that_asks_for_the_smallest_window_is_fine() -> None:
    """What the ones below differ from by their windows."""
    assert decompress(window_of(0), size=len(PLAIN)) == PLAIN


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_frame_is_refused_before_memory_is_taken(make: Callable[[], bytes]) -> None:
    """R-2.2-4: what a store answers can be made to exhaust memory; the bound is held before the decoder starts."""
    packed = make()
    decompress(compress(PLAIN), size=len(PLAIN))  # the thread's own decoder is there
    tracemalloc.start()
    try:
        with pytest.raises(BadCompression) as caught:
            decompress(packed, size=len(PLAIN))
        with pytest.raises(BadCompression):
            decompress_within(packed, limit=1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()
    assert caught.value.code == "bad-compression"


def test_a_bomb_costs_no_more_than_its_place_allows() -> None:
    """8 KiB that honestly state 256 MiB: python-zstandard alone would unpack them, whatever `max_output_size` says."""
    bomb = zstandard.ZstdCompressor(write_content_size=True).compress(bytes(1 << 28))
    assert len(bomb) < 16_000
    tracemalloc.start()
    try:
        with pytest.raises(BadCompression):
            decompress_within(bomb, limit=1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()


def test_threads_share_no_compressor() -> None:
    data = [noise(50_000, number) + bytes(50_000) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        packed = list(pool.map(compress, data, [1, 3, 9, 1, 3, 9, 1, 3]))
        assert list(pool.map(lambda item: decompress_within(item, limit=100_000), packed)) == data
