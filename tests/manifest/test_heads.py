"""A head comes back as it was written, stays small, and is refused by name when it is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.columns import NewerFormat
from manifest.heads import MAX_DIFFS, MAX_HEAD, BadHead, DiffRef, Head, decode_head, encode_head

ids = st.binary(min_size=32, max_size=32)
numbers = st.integers(0, (1 << 53) - 1)
refs = st.builds(DiffRef, ids, numbers, ids, numbers)
heads = st.builds(Head, ids, numbers, st.lists(refs, max_size=5).map(tuple))

ID = bytes(range(32))
REF = DiffRef(ID, 7, ID[::-1], 100)
HEAD = Head(ID, 1000, (REF, DiffRef(ID[::-1], 6, ID, 90)))


@given(heads)
def test_decoding_gives_back_what_was_encoded(head: Head) -> None:
    assert decode_head(encode_head(head)) == head


def test_what_is_not_known_yet_is_tolerated() -> None:
    value = msgpack.unpackb(encode_head(HEAD))
    value["more"] = {"a": [1]}
    value["placement"].append(1)
    value["diffs"][0] += [b"patch", 5]
    assert decode_head(msgpack.packb(value)) == HEAD


@pytest.mark.parametrize("bits", [1, 0x80, 0xFF])
def test_a_changed_byte_is_refused_or_makes_another_head(bits: int) -> None:
    data = encode_head(HEAD)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= bits
        try:
            found = decode_head(bytes(damaged))
        except (BadHead, NewerFormat):
            continue
        assert found != HEAD


def test_every_truncation_and_extension_is_refused() -> None:
    data = encode_head(HEAD)
    for length in range(len(data)):
        with pytest.raises(BadHead):
            decode_head(data[:length])
    with pytest.raises(BadHead):
        decode_head(data + b"\0")


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(data: bytes) -> None:
    for value in (data, encode_head(HEAD)[:60] + data):
        with pytest.raises(BadHead):
            decode_head(value)


def forge(**other: Any) -> bytes:
    return msgpack.packb({"v": 1, "placement": [ID, 5], "diffs": [], **other})


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a list": lambda: msgpack.packb([1]),
    "no version": lambda: msgpack.packb({"placement": [ID, 5], "diffs": []}),
    "version zero": lambda: forge(v=0),
    "a version that is a text": lambda: forge(v="1"),
    "no placement": lambda: msgpack.packb({"v": 1, "diffs": []}),
    "a placement that is an id": lambda: forge(placement=ID),
    "a placement without a size": lambda: forge(placement=[ID]),
    "a placement of another length": lambda: forge(placement=[ID[1:], 5]),
    "a placement that is a text": lambda: forge(placement=["x" * 32, 5]),
    "a negative size": lambda: forge(placement=[ID, -1]),
    "a size beyond all sizes": lambda: forge(placement=[ID, 1 << 53]),
    "a size that is true": lambda: forge(placement=[ID, True]),
    "a size that is a fraction": lambda: forge(placement=[ID, 5.0]),
    "diffs that are a map": lambda: forge(diffs={}),
    "a diff that is a number": lambda: forge(diffs=[1]),
    "a diff that is a map": lambda: forge(diffs=[{"a": 1}]),
    "a diff that is a text": lambda: forge(diffs=["abcd"]),
    "a diff that is nothing": lambda: forge(diffs=[None]),
    "a diff that is too short": lambda: forge(diffs=[[ID, 1, ID]]),
    "a diff from no id": lambda: forge(diffs=[["x", 1, ID, 1]]),
    "a diff of a negative build": lambda: forge(diffs=[[ID, -1, ID, 1]]),
    "nested beyond reason": lambda: b"\x91" * 20_000,
    "a key that is a list": lambda: b"\x81\x90\x01",
    "a time beyond time": lambda: b"\x81\xa1v\xc7\x0c\xff" + b"\xff" * 4 + bytes(8),
    "a text that is not UTF-8": lambda: b"\x81\xa1v\xa1\xff",
    "a web page": lambda: b"<!doctype html><title>404</title>",
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_head_is_refused(make: Callable[[], bytes]) -> None:
    with pytest.raises(BadHead) as caught:
        decode_head(make())
    assert caught.value.code == "bad-head"


def test_a_newer_head_is_told_apart_from_damage() -> None:
    """An older program must not take it for damaged, for damaged heads are replaced."""
    with pytest.raises(NewerFormat):
        decode_head(forge(v=2))


def test_diffs_are_found_by_their_origin() -> None:
    assert HEAD.diff_from(ID) == REF
    assert HEAD.diff_from(bytes(32)) is None


@given(st.lists(refs, max_size=6), refs)
def test_a_diff_takes_the_place_of_one_from_the_same_origin(known: list[DiffRef], ref: DiffRef) -> None:
    head = Head(ID, 1)
    for each in [*known, DiffRef(ref.origin, 1, bytes(32), 1), ref]:
        head = head.with_diff(each)
    expected = {each.origin: each for each in [*known, ref]}
    assert {each.origin: each for each in head.diffs} == expected
    assert len(head.diffs) == len(expected)
    assert [each.build for each in head.diffs] == sorted((each.build for each in expected.values()), reverse=True)


def test_a_head_stays_as_small_as_it_may_be() -> None:
    """A manifest that comes back again and again gains diffs from ever more origins; the oldest go."""
    head = Head(ID, (1 << 53) - 1)
    for number in range(MAX_DIFFS + 50):
        head = head.with_diff(DiffRef(number.to_bytes(32, "big"), (1 << 53) - 400 + number, ID, (1 << 53) - 1))
    assert len(head.diffs) == MAX_DIFFS
    assert head.diffs[0].origin == (MAX_DIFFS + 49).to_bytes(32, "big")
    assert len(encode_head(head)) <= MAX_HEAD
