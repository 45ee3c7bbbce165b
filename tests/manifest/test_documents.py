"""Builds and channels come back as they were written; hostile documents are refused as damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.errors import Corrupt
from manifest.documents import (
    FULL_ROLLOUT,
    BadDocument,
    Build,
    BuildMissing,
    Channel,
    ChannelMissing,
    DepotRef,
    GameState,
    build_from_json,
    build_to_json,
    canonical_json,
    channel_from_json,
    channel_to_json,
    found_at,
    parse_json,
)

ID = "ab" * 32

numbers = st.integers(0, (1 << 53) - 1)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,5}", fullmatch=True)
labels = st.text(min_size=1, max_size=8).filter(
    lambda text: text.isprintable() and "/" not in text and text[0] not in "#@"
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
ids = st.binary(min_size=32, max_size=32).map(bytes.hex)
refs = st.builds(DepotRef, ids, numbers, numbers, numbers, numbers, texts, texts, st.booleans())
builds = st.builds(
    Build,
    number=st.integers(1, (1 << 53) - 1),
    version=labels,
    depots=st.dictionaries(names, refs, min_size=1, max_size=3),
    published_at=numbers,
    notes=texts,
    notes_id=ids | st.just(""),
    critical=st.booleans(),
    rollback_to=numbers,
)
channels = st.builds(Channel, names, numbers, numbers, numbers, st.integers(0, FULL_ROLLOUT), numbers)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(builds)
def test_a_build_comes_back(build: Build) -> None:
    assert build_from_json(parse_json(canonical_json(build_to_json(build)), "build")) == build


@given(channels)
def test_a_channel_comes_back(channel: Channel) -> None:
    assert channel_from_json(channel.name, parse_json(canonical_json(channel_to_json(channel)), "channel")) == channel


@given(st.dictionaries(texts, values, max_size=4))
def test_canonical_json_is_one_form_of_a_value(value: dict[str, Any]) -> None:
    written = canonical_json(value)
    assert parse_json(written, "value") == value
    assert canonical_json(dict(reversed(value.items()))) == written
    assert canonical_json(parse_json(json.dumps(value, indent=2).encode(), "value")) == written


BUILD = build_to_json(Build(3, "1.2", {"main": DepotRef(ID, 10, 1, 1, 5)}, 1_700_000_000))


def test_what_is_not_known_yet_is_tolerated() -> None:
    build = build_from_json({**BUILD, "more": [1], "depots": {"main": {**BUILD["depots"]["main"], "more": 1}}})
    assert build_to_json(build) == BUILD
    assert channel_from_json("x", {**channel_to_json(Channel("x", 1, 1)), "more": 1}) == Channel("x", 1, 1)


WRONG: list[Any] = [None, True, -1, 1 << 53, 1.0, "1", "\ud800", [], {}]


@given(st.sampled_from(sorted(BUILD)), st.sampled_from(WRONG) | values)
def test_any_value_in_any_field_is_refused_or_understood(field: str, value: Any) -> None:
    try:
        build = build_from_json({**BUILD, field: value})
    except BadDocument:
        return
    assert canonical_json(build_to_json(build)[field]) == canonical_json(value)


@given(st.sampled_from(sorted(BUILD["depots"]["main"])), st.sampled_from(WRONG) | values)
def test_any_value_in_any_field_of_a_depot_is_refused_or_understood(field: str, value: Any) -> None:
    try:
        build = build_from_json({**BUILD, "depots": {"main": {**BUILD["depots"]["main"], field: value}}})
    except BadDocument:
        return
    assert canonical_json(build_to_json(build)["depots"]["main"][field]) == canonical_json(value)


@pytest.mark.parametrize("field", sorted(BUILD))
def test_a_missing_field_is_refused_by_name(field: str) -> None:
    with pytest.raises(BadDocument, match=field):
        build_from_json({name: value for name, value in BUILD.items() if name != field})


REFUSED_BUILDS: dict[str, dict[str, Any]] = {
    "a number that is true": {"number": True},
    "critical as a number": {"critical": 1},
    "no number": {"number": 0},
    "no depots": {"depots": {}},
    "a depot of another name": {"depots": {"../main": BUILD["depots"]["main"]}},
    "a depot that is a list": {"depots": {"main": []}},
    "a manifest that is no id": {"depots": {"main": {**BUILD["depots"]["main"], "manifest": "../../etc/passwd"}}},
    "a manifest in capitals": {"depots": {"main": {**BUILD["depots"]["main"], "manifest": ID.upper()}}},
    "a version like a number": {"version": "#3"},
    "an unprintable version": {"version": "1\x1b[2J"},
    "notes that are no id": {"notes_id": "../x"},
    "notes that are no Unicode": {"notes": "\udc80"},
    "a platform that is no Unicode": {"depots": {"main": {**BUILD["depots"]["main"], "platform": "\ud8ff"}}},
}


@pytest.mark.parametrize("other", REFUSED_BUILDS.values(), ids=REFUSED_BUILDS)
def test_what_was_read_is_damage_and_not_a_mistake_of_the_reader(other: dict[str, Any]) -> None:
    """`BadName` tells a person to choose another name; nobody here chose one."""
    with pytest.raises(BadDocument) as caught:
        build_from_json({**BUILD, **other})
    assert isinstance(caught.value, Corrupt)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Stable", channel_to_json(Channel("x", 1, 1))),
        ("stable", []),
        ("stable", None),
        ("stable", {**channel_to_json(Channel("x", 1, 1)), "rollout": FULL_ROLLOUT + 1}),
        ("stable", {**channel_to_json(Channel("x", 1, 1)), "build": "1"}),
        ("stable", {"build": 1}),
    ],
)
def test_a_channel_that_is_none_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadDocument):
        channel_from_json(name, value)


NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"1",
    "a web page": b"<!doctype html><title>404</title>",
    "a fraction": b'{"a":1.0}',
    "an exponent": b'{"a":1e3}',
    "not a number": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "a key twice": b'{"a":1,"a":1}',
    "a key twice further in": b'{"a":{"b":1,"b":2}}',
    "cut short": b'{"a":1',
    "two documents": b"{}{}",
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-32": '{"a":1}'.encode("utf-32-le"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a raw control character": b'{"a":"\x00"}',
    "nested beyond reason": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of many digits": b'{"a":' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(BadDocument, match="the thing") as caught:
        parse_json(data, "thing")
    assert caught.value.code == "bad-document"


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    with suppress(BadDocument):
        assert isinstance(parse_json(data, "thing"), dict)


def ref(manifest: str) -> dict[str, DepotRef]:
    return {"main": DepotRef(manifest * 64, 1, 1, 1, 1)}


STATE = GameState(
    "game",
    "game",
    builds={
        1: Build(1, "1.0", ref("a"), 0),
        2: Build(2, "beta", {**ref("b"), "extra": DepotRef("e" * 64, 1, 1, 1, 1)}, 0),
        5: Build(5, "1.0", ref("a"), 0),
        6: Build(6, "2", ref("c"), 0),
    },
    channels={"stable": Channel("stable", 5, 1), "beta": Channel("beta", 2, 1)},
)


@pytest.mark.parametrize(
    ("selector", "number"), [("#1", 1), ("#06", 6), ("@stable", 5), ("@beta", 2), ("1.0", 5), ("beta", 2), ("2", 6)]
)
def test_a_selector_names_a_build(selector: str, number: int) -> None:
    assert STATE.select(selector).number == number


@pytest.mark.parametrize(
    ("selector", "error"),
    [
        ("#3", BuildMissing),
        ("#", BuildMissing),
        ("#-1", BuildMissing),
        ("#x", BuildMissing),
        ("#²", BuildMissing),
        ("#" + "9" * 5000, BuildMissing),
        ("3.0", BuildMissing),
        ("", BuildMissing),
        ("@", ChannelMissing),
        ("@test", ChannelMissing),
        ("@" + "x" * 5000, ChannelMissing),
    ],
)
def test_a_selector_of_nothing_is_not_found(selector: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        STATE.select(selector)


def test_a_missing_channel_names_those_that_there_are() -> None:
    with pytest.raises(ChannelMissing) as caught:
        STATE.channel("test")
    assert "beta, stable" in caught.value.next
    with pytest.raises(ChannelMissing, match="game has no channel"):
        GameState("game", "game").channel("stable")


def test_the_newest_manifests_are_distinct_and_counted_from_their_latest_build() -> None:
    assert STATE.newest_manifests("main") == [(6, "c" * 64), (5, "a" * 64), (2, "b" * 64)]
    assert STATE.newest_manifests("extra") == [(2, "e" * 64)]
    assert STATE.newest_manifests("other") == []


@pytest.mark.parametrize(
    ("make", "where"), [(lambda: BadDocument("x"), "here"), (lambda: BadDocument("x", where="there"), "there")]
)
def test_damage_says_where_it_lies(make: Callable[[], BadDocument], where: str) -> None:
    with pytest.raises(BadDocument) as caught, found_at("here"):
        raise make()
    assert caught.value.where == where
