"""A game's pointer and its state: what was committed is read, one winner at a time, and damage has its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.ids import digest_of
from chunkstore.store import Conflict, KeyMissing, NotListable, ObjectTooLarge
from chunkstore.stores.memory import MemoryStore
from chunkstore.wrappers.fault import FaultyStore, fail_before
from manifest import plain
from manifest.documents import (
    BadDocument,
    Build,
    Channel,
    DepotRef,
    GameMissing,
    GameState,
    build_to_json,
    canonical_json,
    channel_to_json,
)
from manifest.keys import claim_key, state_key, timestamp_key
from manifest.names import BadName
from manifest.plain import (
    PointerLost,
    TooManyBuilds,
    UnreadableState,
    claim_number,
    find_game,
    list_games,
    read_game,
    write_game,
)
from tests.kit.clock import FakeClock

REF = DepotRef("ab" * 32, 10, 1, 1, 5)
BUILDS = {number: Build(number, f"{number}.0", {"main": REF}, 1000 + number) for number in (1, 2)}
STATE = GameState("game", "shared", builds=BUILDS, channels={"stable": Channel("stable", 2, 3, previous=1)})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock())


def test_what_is_committed_is_read(store: MemoryStore) -> None:
    written = write_game(store, STATE)
    assert written == replace(STATE, version=1, tag=written.tag)
    assert read_game(store, "game") == written
    again = write_game(store, replace(written, channels={}))
    assert read_game(store, "game") == again
    assert again.version == 2


def test_of_two_who_start_from_the_same_state_one_wins(store: MemoryStore) -> None:
    first = write_game(store, STATE)
    won = write_game(store, replace(first, channels={}))
    with pytest.raises(Conflict):
        write_game(store, first)
    with pytest.raises(Conflict):
        write_game(store, STATE)
    assert read_game(store, "game") == won


def test_no_object_changes_but_the_pointer(store: MemoryStore) -> None:
    state = write_game(store, STATE)
    before = {entry.key: store.get(entry.key, limit=1 << 20).data for entry in store.list("")}
    write_game(store, state)
    after = {entry.key: store.get(entry.key, limit=1 << 20).data for entry in store.list("")}
    assert {key for key in after if after[key] != before.get(key)} == {timestamp_key("game"), *(after.keys() - before)}
    assert before.keys() <= after.keys()


def test_a_state_that_no_reader_takes_is_not_written(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MAX_STATE", 500)
    with pytest.raises(TooManyBuilds) as caught:
        write_game(store, STATE)
    assert caught.value.code == "too-many-builds"
    assert list(store.list("")) == []


def test_a_state_that_every_reader_refuses_is_not_written(store: MemoryStore) -> None:
    """A clock before 1970 dates a build so."""
    early = {1: replace(BUILDS[1], published_at=-1)}
    with pytest.raises(UnreadableState, match="published_at"):
        write_game(store, GameState("game", "shared", builds=early))
    assert list(store.list("")) == []


def test_numbers_are_claimed_once(store: MemoryStore) -> None:
    assert [claim_number(store, STATE) for _ in range(3)] == [3, 4, 5]
    store.put(claim_key("game", 7), b"{}")
    assert [claim_number(store, STATE) for _ in range(2)] == [6, 8]
    assert claim_number(store, GameState("other", "other")) == 1


def test_games_are_listed_by_their_pointers(store: MemoryStore) -> None:
    for game in ("b", "a.2", "a"):
        write_game(store, GameState(game, "s"))
    store.put("tuf/draft/state/x.json", b"{}")
    store.put("tuf/a/b/timestamp.json", b"{}")
    store.put("tuf/README", b"hello")
    store.put("tufa/timestamp.json", b"{}")
    assert list_games(store) == ["a", "a.2", "b"]


@pytest.fixture
def lost(store: MemoryStore) -> MemoryStore:
    """A store whose game changed twice, and then lost its pointer."""
    write_game(store, replace(write_game(store, STATE), channels={}))
    store.delete(timestamp_key("game"))
    return store


def test_a_game_whose_pointer_is_lost_is_not_taken_for_a_new_one(lost: MemoryStore) -> None:
    with pytest.raises(PointerLost) as caught:
        find_game(lost, "game")
    assert caught.value.where == "memory:/tuf/game/timestamp.json"
    assert list_games(lost) == ["game"]
    with pytest.raises(GameMissing):
        find_game(lost, "gam")


def test_a_first_publish_that_was_killed_leaves_no_game(store: MemoryStore) -> None:
    claim_number(store, STATE)
    write_game(store, STATE)
    store.delete(timestamp_key("game"))
    with pytest.raises(GameMissing):
        find_game(store, "game")
    assert list_games(store) == []


@pytest.mark.parametrize("data", [b"<html>", b"{}", b'{"version": 2'])
def test_a_state_that_cannot_be_read_proves_no_game(store: MemoryStore, data: bytes) -> None:
    store.put(state_key("game", "00"), data)
    with pytest.raises(GameMissing):
        find_game(store, "game")


def test_finding_a_game_lists_nothing(store: MemoryStore) -> None:
    state = write_game(store, STATE)
    counted = FaultyStore(store, ())
    assert find_game(counted, "game") == state
    assert (counted.calls("get"), counted.calls("list")) == (2, 0)


def test_where_nothing_can_be_listed_a_game_without_pointer_is_missing(lost: MemoryStore) -> None:
    web = FaultyStore(lost, [fail_before("list", 1, NotListable("a web host lists nothing"))])
    with pytest.raises(GameMissing):
        find_game(web, "game")
    web.assert_exhausted()


def test_a_game_that_is_made_while_it_is_looked_for_is_found(store: MemoryStore) -> None:
    made = write_game(store, replace(write_game(store, STATE), channels={}))
    late = FaultyStore(store, [fail_before("get", 1, KeyMissing("not yet"))])
    assert find_game(late, "game") == made


def test_a_game_that_is_not_there(store: MemoryStore) -> None:
    with pytest.raises(GameMissing) as caught:
        read_game(store, "game")
    assert caught.value.where == "memory:"
    with pytest.raises(BadName):
        read_game(store, "../game")


def test_a_state_that_is_lost(store: MemoryStore) -> None:
    write_game(store, STATE)
    for entry in list(store.list("tuf/game/state/")):
        store.delete(entry.key)
    with pytest.raises(KeyMissing):
        read_game(store, "game")


def put_state(store: MemoryStore, data: bytes, **pointer: Any) -> str:
    """Makes these bytes the state that the pointer names; the key of the state."""
    digest = digest_of(data).hex()
    store.put(state_key("game", digest), data)
    store.put(timestamp_key("game"), canonical_json({"version": 1, "state": digest, "size": len(data), **pointer}))
    return state_key("game", digest)


DOCUMENT: dict[str, Any] = {
    "game": "game",
    "scope": "shared",
    "version": 1,
    "builds": [build_to_json(BUILDS[number]) for number in (1, 2)],
    "channels": {"stable": channel_to_json(STATE.channels["stable"])},
}


def test_the_document_that_the_hostile_ones_differ_from_is_fine(store: MemoryStore) -> None:
    put_state(store, canonical_json(DOCUMENT))
    assert read_game(store, "game") == replace(STATE, version=1, tag=store.stat(timestamp_key("game")).etag)


CHANNEL = DOCUMENT["channels"]["stable"]
HOSTILE: dict[str, dict[str, Any]] = {
    "another game": {"game": "other"},
    "no scope": {"scope": None},
    "a scope that is a path": {"scope": "../../x"},
    "another version": {"version": 2},
    "a version that is true": {"version": True},
    "a version beyond all versions": {"version": 1 << 60},
    "builds that are a map": {"builds": {}},
    "a build that is a number": {"builds": [1], "channels": {}},
    "a build twice": {"builds": [DOCUMENT["builds"][0]] * 2, "channels": {}},
    "channels that are a list": {"channels": []},
    "a channel that is a number": {"channels": {"stable": 1}},
    "a channel of another name": {"channels": {"St able": CHANNEL}},
    "a channel to a build that is not there": {"channels": {"stable": {**CHANNEL, "build": 3}}},
    "a channel to no build": {"channels": {"stable": {**CHANNEL, "build": 0}}},
    "a channel from a build that is not there": {"channels": {"stable": {**CHANNEL, "previous": 9}}},
}


@pytest.mark.parametrize("other", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_state_is_damage_at_its_place(store: MemoryStore, other: dict[str, Any]) -> None:
    key = put_state(store, canonical_json({**DOCUMENT, **other}))
    with pytest.raises(BadDocument) as caught:
        read_game(store, "game")
    assert caught.value.where == f"memory:/{key}"


POINTERS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "no document": lambda _: b"<html>",
    "a list": lambda _: b"[]",
    "no state": lambda pointer: canonical_json({**pointer, "state": None}),
    "a state that is a path": lambda pointer: canonical_json({**pointer, "state": "../../../etc/passwd"}),
    "no size": lambda pointer: canonical_json({**pointer, "size": 0}),
    "a negative size": lambda pointer: canonical_json({**pointer, "size": -1}),
    "a size that is a text": lambda pointer: canonical_json({**pointer, "size": "5"}),
    "a size beyond the limit": lambda pointer: canonical_json({**pointer, "size": plain.MAX_STATE + 1}),
    "no version": lambda pointer: canonical_json({**pointer, "version": None}),
}


@pytest.mark.parametrize("change", POINTERS.values(), ids=POINTERS)
def test_a_hostile_pointer_is_damage_at_its_place(
    store: MemoryStore, change: Callable[[dict[str, Any]], bytes]
) -> None:
    state = write_game(store, STATE)
    present = store.get(timestamp_key("game"), limit=4096).data
    changed = change(json.loads(present))
    store.replace(
        timestamp_key("game"), changed if isinstance(changed, bytes) else canonical_json(changed), match=state.tag
    )
    with pytest.raises(BadDocument) as caught:
        read_game(store, "game")
    assert caught.value.where == "memory:/tuf/game/timestamp.json"


def test_a_size_that_is_not_that_of_the_state_is_refused(store: MemoryStore) -> None:
    data = canonical_json(DOCUMENT)
    put_state(store, data, size=len(data) + 1)
    with pytest.raises(BadDocument):
        read_game(store, "game")


def test_a_pointer_beyond_the_limit_is_not_read(store: MemoryStore) -> None:
    store.put(timestamp_key("game"), bytes(plain.MAX_TIMESTAMP + 1))
    with pytest.raises(ObjectTooLarge):
        read_game(store, "game")


@given(st.data())
def test_a_changed_byte_anywhere_is_refused(draw: st.DataObject) -> None:
    store = MemoryStore(FakeClock())
    write_game(store, STATE)
    key = draw.draw(st.sampled_from([entry.key for entry in store.list("")]))
    found = store.get(key, limit=1 << 20)
    damaged = bytearray(found.data)
    damaged[draw.draw(st.integers(0, len(damaged) - 1))] ^= draw.draw(st.integers(1, 255))
    store.replace(key, damaged, match=found.etag)
    with pytest.raises((BadDocument, KeyMissing, ObjectTooLarge)):
        read_game(store, "game")
