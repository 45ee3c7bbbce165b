"""Columnar payloads: one meaning, one encoding; whatever else the bytes are is refused by name."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.columns import MAX_HEADER, BadPayload, Column, NewerFormat, decode_columns, encode_columns, ids_column
from tests.kit.builds import seeded_ids

MAGIC = b"LADTST"
SPEC = {"small": ("|u1", 1), "even": ("<u2", 1), "wide": ("<u8", 1), "ids": ("<u8", 4)}
HEADER = {"name": "x", "rest": [1, [2, "y"]]}

headers = st.dictionaries(
    st.text(max_size=3).filter(lambda key: key != "columns"),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(1 << 63), (1 << 64) - 1)
        | st.text(max_size=5)
        | st.binary(max_size=5),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


def column(dtype: str) -> st.SearchStrategy[Column]:
    top = (1 << 8 * np.dtype(dtype).itemsize) - 1
    return st.lists(st.integers(0, top), max_size=9).map(lambda values: np.array(values, dtype))


tables = st.tuples(column("|u1"), column("<u2"), column("<u8"), st.integers(0, 5).map(lambda n: seeded_ids(n, n)))


def encode(header: dict[str, Any], table: tuple[Column, ...], version: int = 1) -> bytes:
    return encode_columns(MAGIC, version, header, list(zip(SPEC, table, strict=True)))


def decode(data: bytes | memoryview) -> tuple[dict[str, Any], dict[str, Column]]:
    return decode_columns(data, MAGIC, 1, SPEC)


SAMPLE = encode(
    HEADER, (np.arange(5, dtype="|u1"), np.arange(3, dtype="<u2"), np.arange(2, dtype="<u8"), seeded_ids(2, 1))
)


@given(headers, tables)
def test_decoding_gives_back_what_was_encoded(header: dict[str, Any], table: tuple[Column, ...]) -> None:
    payload = encode(header, table)
    found, columns = decode(payload)
    assert found == header
    assert list(columns) == list(SPEC)
    for given_column, (name, (dtype, _)) in zip(table, SPEC.items(), strict=True):
        assert columns[name].dtype == dtype
        assert np.array_equal(columns[name], given_column)
    assert encode(found, tuple(columns.values())) == payload
    assert len(payload) % 8 == 0


def test_columns_are_views_of_the_payload() -> None:
    _, columns = decode(SAMPLE)
    assert all(not found.flags.owndata for found in columns.values())


def test_a_strided_column_is_encoded_like_a_plain_one() -> None:
    table = (
        np.arange(10, dtype="|u1")[::2],
        np.arange(9, dtype="<u2")[::-3],
        np.arange(2, dtype="<u8"),
        seeded_ids(4, 1)[::2],
    )
    assert encode({}, table) == encode({}, tuple(found.copy() for found in table))


@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_the_content(at: int, bits: int) -> None:
    """Whatever is accepted has no second form."""
    damaged = bytearray(SAMPLE)
    damaged[at] ^= bits
    try:
        header, columns = decode(bytes(damaged))
    except (BadPayload, NewerFormat):
        return
    assert encode(header, tuple(columns.values())) == damaged


def test_every_truncation_and_extension_is_refused() -> None:
    for length in range(len(SAMPLE)):
        with pytest.raises(BadPayload):
            decode(SAMPLE[:length])
    for more in (b"\0", bytes(8), b"x"):
        with pytest.raises(BadPayload):
            decode(SAMPLE + more)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    for payload in (data, MAGIC + b"\1\0" + data, MAGIC + b"\1\0" + struct.pack("<II", len(data), 0) + data):
        with pytest.raises(BadPayload):
            decode(payload)


def test_the_smallest_payload() -> None:
    """What the hostile ones below differ from by one thing each."""
    assert decode(listing(*EMPTY))[0] == {}
    assert decode(with_header(NAMED))[0] == {"name": "x"}


@given(headers)
def test_any_header_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        decode(with_header(msgpack.packb(header)))


def with_header(raw: bytes, body: bytes = b"") -> bytes:
    return MAGIC + b"\1\0" + struct.pack("<II", len(raw), 0) + raw + bytes(-len(raw) % 8) + body


def listing(*rows: Any, body: bytes = b"") -> bytes:
    return with_header(msgpack.packb({"columns": list(rows)}), body)


EMPTY = [["small", "|u1", 0], ["even", "<u2", 0], ["wide", "<u8", 0], ["ids", "<u8", 0]]
NAMED = msgpack.packb({"name": "x", "columns": EMPTY})
HOSTILE: dict[str, Callable[[], bytes]] = {
    "no listing": lambda: with_header(msgpack.packb({"name": 1})),
    "an empty map": lambda: with_header(msgpack.packb({})),
    "a list": lambda: with_header(msgpack.packb([1])),
    "a number": lambda: with_header(b"\1"),
    "a listing that is a number": lambda: with_header(msgpack.packb({"columns": 4})),
    "rows that are numbers": lambda: listing(1, 2, 3, 4),
    "a number before the rows": lambda: listing(1, *EMPTY),
    "a number behind the rows": lambda: listing(*EMPTY, 1),
    "a row that is a text": lambda: listing("abc", *EMPTY[1:]),
    "a row too short": lambda: listing(["small", "|u1"], *EMPTY[1:]),
    "a row too long": lambda: listing(["small", "|u1", 0, 0], *EMPTY[1:]),
    "a row that is a map": lambda: listing({"small": "|u1"}, *EMPTY[1:]),
    "a missing column": lambda: listing(*EMPTY[:3]),
    "a column twice": lambda: listing(*EMPTY, EMPTY[3]),
    "another order": lambda: listing(*EMPTY[::-1]),
    "another type": lambda: listing(["small", "|i1", 0], *EMPTY[1:]),
    "a negative length": lambda: listing(["small", "|u1", -1], *EMPTY[1:]),
    "a length that is true": lambda: listing(["small", "|u1", True], *EMPTY[1:], body=bytes(8)),
    "a length that is a fraction": lambda: listing(["small", "|u1", 1.0], *EMPTY[1:], body=bytes(8)),
    "a length that is nothing": lambda: listing(["small", "|u1", None], *EMPTY[1:]),
    "a length beyond the payload": lambda: listing(*EMPTY[:3], ["ids", "<u8", 3], body=bytes(88)),
    "bytes behind the last column": lambda: listing(*EMPTY, body=bytes(8)),
    "a length beyond 64 bits": lambda: listing(*EMPTY[:3], ["ids", "<u8", (1 << 64) - 1]),
    "a length that overflows to 0": lambda: listing(*EMPTY[:3], ["ids", "<u8", 1 << 59]),
    "the listing not at the end": lambda: with_header(msgpack.packb({"columns": EMPTY, "name": "x"})),
    "a name that is bytes": lambda: with_header(msgpack.packb({b"columns": EMPTY})),
    "nested beyond reason": lambda: with_header(b"\x81\xa1a" + b"\x91" * 3000 + b"\1"),
    "nested as deep as msgpack reads": lambda: with_header(b"\x81\xa1a" + b"\x91" * 1020 + b"\1"),
    "a text that is not UTF-8": lambda: with_header(b"\x82\xa1a\xa1\xff\xa7columns\x90"),
    "a list of four billion": lambda: with_header(b"\x81\xa7columns\xdd\xff\xff\xff\xff"),
    "a map of four billion": lambda: with_header(b"\xdf\xff\xff\xff\xff"),
    "a text of four billion": lambda: with_header(b"\xdb\xff\xff\xff\xff"),
    "a time beyond time": lambda: with_header(b"\x81\xa1a\xc7\x0c\xff" + b"\xff" * 4 + bytes(8)),
    "a text in a longer form than needed": lambda: with_header(NAMED.replace(b"\xa1x", b"\xd9\1x")),
    "a key twice": lambda: with_header(b"\x83\xa4name\xa1y" + NAMED[1:]),
    "a header of no bytes": lambda: MAGIC + b"\1\0" + bytes(8),
    "a header beyond the payload": lambda: MAGIC + b"\1\0" + struct.pack("<II", 4000, 0) + b"\x80",
    "a header beyond the limit": lambda: with_header(msgpack.packb({"a": bytes(MAX_HEADER)})),
    "a header of four billion": lambda: MAGIC + b"\1\0" + b"\xff" * 4 + bytes(4) + b"\x80",
    "version zero": lambda: SAMPLE[:6] + b"\0" + SAMPLE[7:],
    "another magic": lambda: b"LADMAN" + SAMPLE[6:],
    "a reserved byte": lambda: SAMPLE[:7] + b"\1" + SAMPLE[8:],
    "a reserved word": lambda: SAMPLE[:12] + b"\1" + SAMPLE[13:],
    "padding that is not zero": lambda: SAMPLE.replace(b"\4\0\0\0", b"\4\0\0\1"),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_payloads_are_refused_before_memory_is_taken(make: Callable[[], bytes]) -> None:
    payload = make()
    tracemalloc.start()
    try:
        with pytest.raises(BadPayload) as caught:
            decode(payload)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.code == "bad-payload"


def test_a_newer_version_is_told_apart_from_damage() -> None:
    with pytest.raises(NewerFormat, match="format 2 of LADTST") as caught:
        decode(encode({}, (np.empty(0, "|u1"), np.empty(0, "<u2"), np.empty(0, "<u8"), ids_column(b"")), version=2))
    assert caught.value.code == "newer-format"


def test_a_header_that_no_reader_takes_is_not_written() -> None:
    with pytest.raises(ValueError, match="more than any reader takes"):
        encode_columns(MAGIC, 1, {"long": "x" * MAX_HEADER}, [])


def test_ids_keep_trailing_zeros() -> None:
    names = b"a" + bytes(31) + bytes(32)
    assert ids_column(names).tobytes() == names
    assert ids_column(b"").shape == (0, 4)
