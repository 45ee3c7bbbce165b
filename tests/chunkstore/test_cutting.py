"""Chunks depend on the bytes and the parameters alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.cutting import DEFAULT, MAX_CHUNK, BadCutParameters, CutParameters, Cutter, SlowCutter, parameters_for
from tests.kit.builds import SMALL
from tests.kit.game import noise

contents = st.one_of(
    st.builds(noise, st.integers(0, 20_000), st.integers(0, 9)),
    st.builds(lambda byte, size: bytes((byte,)) * size, st.integers(0, 255), st.integers(0, 9000)),
    st.builds(lambda a, b: noise(a, 1) + bytes(b) + noise(a, 1), st.integers(0, 3000), st.integers(0, 3000)),
)


def cut_in_windows(cutter: Cutter, data: bytes, window: int) -> list[int]:
    """As a publish reads a big file: the bytes behind the last settled end are shown again in front of the next."""
    ends, start, final = [], 0, False
    while not final:
        shown = data[start : start + window]
        final = start + window >= len(data)
        found = cutter.ends(shown, final=final)
        ends += [start + end for end in found]
        start += found[-1] if found else 0
    return ends


@given(contents)
def test_the_chunks_are_the_input_and_within_the_sizes(data: bytes) -> None:
    ends = Cutter(SMALL).ends(data)
    sizes = [end - start for start, end in pairwise([0, *ends])]
    assert sum(sizes) == len(data)
    assert all(0 < size <= SMALL.maximum for size in sizes)
    assert all(size >= SMALL.minimum for size in sizes[:-1])


@given(contents, st.integers(SMALL.maximum + 1, 8000))
def test_the_ends_do_not_depend_on_the_read_window(data: bytes, window: int) -> None:
    cutter = Cutter(SMALL)
    assert cut_in_windows(cutter, data, window) == cutter.ends(data)


@given(contents, st.binary(max_size=2000))
def test_an_end_that_is_settled_stays_whatever_follows(data: bytes, more: bytes) -> None:
    cutter = Cutter(SMALL)
    settled = cutter.ends(data, final=False)
    assert cutter.ends(data + more)[: len(settled)] == settled


def test_an_insertion_moves_few_chunks() -> None:
    data, cutter = noise(200_000, 1), Cutter(SMALL)
    changed = data[:90_000] + b"abc" + data[90_000:]
    chunks = [{d[start:end] for start, end in pairwise([0, *cutter.ends(d)])} for d in (data, changed)]
    assert len(chunks[1] - chunks[0]) <= 8


def test_any_buffer_is_cut_alike() -> None:
    data, cutter = noise(30_000, 2), Cutter(SMALL)
    assert cutter.ends(bytearray(data)) == cutter.ends(memoryview(bytearray(b"x" + data))[1:]) == cutter.ends(data)


EDGES = [(256, 64, 1024, 0), (256, 256, 1024, 3), (1024, 64, 1024, 1), (MAX_CHUNK, MAX_CHUNK, MAX_CHUNK, 2)]
BEYOND = [
    (128, 64, 1024, 2),
    (256, 63, 1024, 2),
    (256, 64, 1023, 2),
    (256, 512, 1024, 2),
    (2048, 64, 1024, 2),
    (384, 64, 1024, 2),
    (MAX_CHUNK, 64, MAX_CHUNK + 1, 2),
    (256, 64, 1024, 4),
    (256, 64, 1024, -1),
    (0, 0, 0, 0),
    (-256, -256, 1024, 2),
]


@pytest.mark.parametrize("sizes", EDGES)
def test_the_cutter_takes_all_that_the_parameters_allow(sizes: tuple[int, int, int, int]) -> None:
    ends = Cutter(CutParameters(*sizes)).ends(noise(5000, 3))
    assert ends[-1] == 5000


@pytest.mark.parametrize("sizes", BEYOND)
def test_sizes_that_no_cutter_follows_are_refused(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(BadCutParameters) as caught:
        CutParameters(*sizes)
    assert caught.value.code == "bad-cut-parameters"


@pytest.mark.parametrize("average", [256 << step for step in range(13)])
def test_the_usual_shape_fits_every_average(average: int) -> None:
    parameters = parameters_for(average)
    assert (parameters.average, parameters.minimum) == (average, average // 4)
    assert parameters.maximum == min(MAX_CHUNK, 4 * average)
    Cutter(parameters)


@pytest.mark.parametrize("average", [-1, 0, 1, 128, 257, 2 * MAX_CHUNK])
def test_the_usual_shape_of_an_impossible_average_is_refused(average: int) -> None:
    with pytest.raises(BadCutParameters):
        parameters_for(average)


def test_the_default_is_the_usual_shape() -> None:
    assert parameters_for(DEFAULT.average) == DEFAULT


def test_the_slow_fallback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chunkstore.cutting.FastCDC", type("FastCDC", (), {"__module__": "pyfastcdc.py.fastcdc"}))
    with pytest.raises(SlowCutter) as caught:
        Cutter(SMALL)
    assert caught.value.code == "cutter-not-compiled"
