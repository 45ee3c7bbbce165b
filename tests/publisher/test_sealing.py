"""Sealed builds: what is sealed is read, numbers are taken once and may have gaps, and nothing in one is trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.ids import digest_of
from chunkstore.store import NotListable
from chunkstore.wrappers.fault import FaultyStore, fail_before
from manifest.bare import BareRegistry
from manifest.documents import MAX_INLINE_NOTES, BadDocument, Build, BuildMissing, DepotRef, GameState
from manifest.events import Collector, WarningEvent
from manifest.keys import candidate_key
from manifest.registry import MAX_CANDIDATE
from manifest.trust.keyplan import KeyPlan
from publisher.candidates import (
    Candidate,
    Release,
    candidate_of,
    decode_candidate,
    encode_candidate,
    is_free,
    read_candidate,
    same_candidate,
    seal_candidate,
    waiting,
)
from tests.kit.rig import Rig

REF = DepotRef("ab" * 32, 10, 1, 1, 5)
RELEASE = Release("1.0", "stable", "notes", parent=3)
CANDIDATE = Candidate("main", REF, RELEASE, 1000)


def game(*numbers: int, **versions: str) -> GameState:
    """Builds of these numbers, labelled by them but for those that are named as `b3="1.0"`."""
    builds = {n: Build(n, versions.get(f"b{n}", str(n)), {"main": REF}, 0) for n in numbers}
    return GameState("toy", "toy", builds=builds)


candidates = st.builds(
    Candidate,
    depot=st.sampled_from(["main", "dlc-1"]),
    ref=st.builds(
        DepotRef,
        manifest=st.binary(min_size=32, max_size=32).map(bytes.hex),
        payload_size=st.integers(0, (1 << 53) - 1),
        files=st.integers(0, 1 << 22),
        chunks=st.integers(0, 1 << 26),
        installed_size=st.integers(0, (1 << 53) - 1),
        platform=st.sampled_from(["any", "linux"]),
        language=st.sampled_from(["", "de"]),
        optional=st.booleans(),
    ),
    release=st.builds(
        Release,
        version=st.none() | st.sampled_from(["1.0", "2"]),
        channel=st.none() | st.sampled_from(["stable", "beta"]),
        notes=st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_INLINE_NOTES // 4),
        critical=st.booleans(),
        parent=st.none() | st.integers(0, 1 << 40),
    ),
    sealed_at=st.integers(0, 1 << 40),
    notes_id=st.just("") | st.binary(min_size=32, max_size=32).map(bytes.hex),
)


@given(candidates)
def test_what_is_encoded_is_decoded(candidate: Candidate) -> None:
    data = encode_candidate(candidate)
    assert decode_candidate(data, "here") == candidate
    assert len(data) < MAX_CANDIDATE


def test_the_longest_candidate_can_be_read() -> None:
    release = Release("v" * 64, "c" * 64, "\x00" * MAX_INLINE_NOTES, critical=True, parent=(1 << 53) - 1)
    candidate = Candidate("d" * 64, replace(REF, language="x" * 64), release, (1 << 53) - 1, "ab" * 32)
    assert len(encode_candidate(candidate)) < MAX_CANDIDATE
    assert decode_candidate(encode_candidate(candidate), "here") == candidate


def test_long_notes_lie_beside_it() -> None:
    short, long = "n" * MAX_INLINE_NOTES, "é" * (MAX_INLINE_NOTES // 2) + "n"
    assert candidate_of("main", REF, replace(RELEASE, notes=short), 5).release.notes == short
    candidate = candidate_of("main", REF, replace(RELEASE, notes=long), 5)
    assert (candidate.release.notes, candidate.notes_id) == ("", digest_of(long.encode()).hex())
    assert candidate.release == replace(RELEASE, notes="")


def in_release(**other: Any) -> dict[str, Any]:
    return {"release": {**asdict(RELEASE), **other}}


def in_ref(**other: Any) -> dict[str, Any]:
    return {"ref": {**asdict(REF), **other}}


HOSTILE: dict[str, dict[str, Any]] = {
    "a depot that is a path": {"depot": "../main"},
    "no depot": {"depot": None},
    "no reference": {"ref": None},
    "a manifest that is a path": in_ref(manifest="../../x"),
    "a size that is negative": in_ref(payload_size=-1),
    "a size that is true": in_ref(chunks=True),
    "no release": {"release": 5},
    "a version that is a number": in_release(version=1),
    "a version of two lines": in_release(version="1\n2"),
    "a channel that is a path": in_release(channel="../x"),
    "notes that are none": in_release(notes=None),
    "notes that are too long": in_release(notes="n" * (MAX_INLINE_NOTES + 1)),
    "notes that are no text": in_release(notes="\ud800"),
    "critical by a text": in_release(critical="yes"),
    "a parent below nothing": in_release(parent=-1),
    "a parent that is a text": in_release(parent="1"),
    "a moment before all": {"sealed_at": -1},
    "a moment that is none": {"sealed_at": None},
    "notes that are a path": {"notes_id": "../x"},
    "no word of notes": {"notes_id": None},
}


@pytest.mark.parametrize("other", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_candidate_is_damage_at_its_place(other: dict[str, Any]) -> None:
    good = asdict(CANDIDATE)
    assert decode_candidate(json.dumps(good).encode(), "here") == CANDIDATE
    with pytest.raises(BadDocument) as caught:
        decode_candidate(json.dumps({**good, **other}).encode(), "here")
    assert caught.value.where == "here"


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b"{}", b'{"depot":"a","depot":"b"}'])
def test_what_is_no_candidate(data: bytes) -> None:
    with pytest.raises(BadDocument):
        decode_candidate(data, "here")


@pytest.fixture
def registry(tmp_path: Path) -> BareRegistry:
    registry = Rig(tmp_path).registry()
    registry.create("toy", "toy", KeyPlan())
    return registry


def test_numbers_are_taken_once_and_may_have_gaps(registry: BareRegistry) -> None:
    assert [seal_candidate(registry, game(1, 2), CANDIDATE) for _ in range(3)] == [3, 4, 5]
    registry.seal("toy", 7, b"{}")
    assert [seal_candidate(registry, game(1, 2), CANDIDATE) for _ in range(2)] == [6, 8]
    assert seal_candidate(registry, game(20), CANDIDATE) == 21
    assert seal_candidate(registry, GameState("other", "other"), CANDIDATE) == 1
    assert registry.candidates("toy") == [3, 4, 5, 6, 7, 8, 21]


def test_a_number_that_would_be_anothers_label_is_left_out(registry: BareRegistry) -> None:
    unlabelled = replace(CANDIDATE, release=replace(RELEASE, version=None))
    state = game(1, 2, b1="3", b2="5")
    assert seal_candidate(registry, state, unlabelled) == 4
    assert seal_candidate(registry, state, unlabelled) == 6
    assert seal_candidate(registry, state, CANDIDATE) == 3
    assert [is_free(state, RELEASE, number) for number in range(1, 6)] == [False, False, True, True, True]
    assert [is_free(state, unlabelled.release, number) for number in range(1, 6)] == [False, False, False, True, False]


def test_a_candidate_is_read_by_its_number(registry: BareRegistry) -> None:
    number = seal_candidate(registry, game(), CANDIDATE)
    assert read_candidate(registry, "toy", number) == CANDIDATE
    with pytest.raises(BuildMissing, match="#9"):
        read_candidate(registry, "toy", 9)
    registry.seal("toy", 10, b"<html>")
    with pytest.raises(BadDocument) as caught:
        read_candidate(registry, "toy", 10)
    assert "#10" in caught.value.where


@pytest.mark.parametrize(
    ("lose", "code"),
    [
        (lambda registry: registry.seal("toy", 9, b"<html>"), "bad-document"),
        (lambda registry: registry.seal("toy", 9, bytes(MAX_CANDIDATE + 1)), "object-too-large"),
        (
            lambda registry: registry.seal(
                "toy", 9, encode_candidate(replace(CANDIDATE, release=replace(RELEASE, parent=77)))
            ),
            "build-missing",
        ),
    ],
    ids=["no candidate", "endless", "a parent that is not there"],
)
def test_what_waits_is_told_and_what_nobody_can_sign_hides_no_other(
    registry: BareRegistry, lose: Callable[[BareRegistry], object], code: str
) -> None:
    state = game(3, 8)
    for number in (3, 7, 10):
        registry.seal("toy", number, encode_candidate(CANDIDATE))
    lose(registry)
    told = Collector()
    assert [number for number, _ in waiting(registry, state, told)] == [7, 10]
    assert [event.code for event in told.events if isinstance(event, WarningEvent)] == [code]


def test_where_nothing_can_be_listed_nothing_waits(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.store.put(candidate_key("toy", 1), encode_candidate(CANDIDATE))
    web = FaultyStore(rig.store, [fail_before("list", 1, NotListable("a web host lists nothing"))])
    assert list(waiting(rig.registry(web), game(), Collector())) == []
    web.assert_exhausted()


ROWS = {
    1: CANDIDATE,
    2: replace(CANDIDATE, ref=replace(REF, manifest="cd" * 32)),
    3: replace(CANDIDATE, release=replace(RELEASE, version=None)),
    4: replace(CANDIDATE, depot="dlc"),
    5: replace(CANDIDATE, release=replace(RELEASE, channel="beta")),
    6: replace(CANDIDATE, release=replace(RELEASE, parent=None)),
}


@pytest.mark.parametrize(
    ("wanted", "among", "if_changed", "same"),
    [
        (ROWS[1], [1, 2, 3], False, 1),
        (ROWS[1], [2, 3], False, None),
        (ROWS[1], [4, 5, 6], False, None),
        (ROWS[3], [1, 3], False, None),  # without a label each is wanted
        (ROWS[3], [1, 3], True, 3),
        (ROWS[3], [3, 2], True, None),  # another content came after it
        (ROWS[3], [2, 1], True, 1),
        (ROWS[4], [1, 4, 2], True, 4),
    ],
)
def test_the_same_is_sealed_once(wanted: Candidate, among: Sequence[int], if_changed: bool, same: int | None) -> None:
    assert same_candidate([(number, ROWS[number]) for number in among], wanted, if_changed=if_changed) == same
