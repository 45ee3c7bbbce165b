"""A game's timestamp and what it leads to: what is committed is read, one winner a time, and damage has its place."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.errors import LadingError
from chunkstore.store import Conflict, KeyMissing, NotListable
from chunkstore.stores.memory import MemoryStore
from chunkstore.wrappers.fault import FaultyStore, fail_before
from manifest.bare import BareRegistry
from manifest.documents import Build, BuildMissing, Channel, DepotRef, GameMissing, GameState
from manifest.keys import bundle_key, candidate_key, metadata_key, timestamp_key
from manifest.names import BadName
from manifest.store_document import init_store
from manifest.trust.keyplan import KeyPlan
from manifest.trust.refusals import PointerLost
from manifest.trust.roles import BUILDS, CHANNELS, LIMITS, ROOT, SNAPSHOT, TARGETS
from manifest.trust.writing import UnreadableState
from tests.kit.clock import FakeClock
from tests.kit.forge import Forge, overwrite
from tests.kit.signed import reader_of, registry_of
from tests.kit.stores import objects_of

REF = DepotRef("ab" * 32, 10, 1, 1, 5)
MANY = 30


def build(number: int, **other: Any) -> Build:
    return replace(Build(number, f"{number}.0", {"main": REF}, 1000 + number), **other)


STABLE = Channel("stable", 2, 3, previous=1)
TWO = {number: build(number) for number in (1, 2)}


@dataclass
class Place:
    """A store, and the machine of a publisher."""

    store: MemoryStore
    state: Path
    clock: FakeClock

    @staticmethod
    def at(folder: Path) -> Place:
        place = Place(MemoryStore(FakeClock()), folder / "state", FakeClock())
        init_store(place.store, bytes(range(32)))
        return place

    def registry(self, store: Any = None) -> BareRegistry:
        return registry_of(store or self.store, self.state, self.clock)

    def read(self, game: str = "game") -> GameState:
        """The game as a machine sees it that never saw it before."""
        with tempfile.TemporaryDirectory() as folder:
            return reader_of(self.store, Path(folder), self.clock).whole(game)

    def create(self, game: str = "game") -> GameState:
        return self.registry().create(game, "shared", KeyPlan())

    def commit(self, before: GameState, **other: Any) -> GameState:
        return self.registry().commit(before, replace(before, **other), lambda: None)

    def forge(self) -> Forge:
        return Forge(self.store, self.registry().pen.keyring, "game")

    def objects(self) -> dict[str, bytes]:
        return objects_of(self.store)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.at(tmp_path)


@pytest.fixture
def made(place: Place) -> GameState:
    """Two builds and a channel, just written."""
    return place.commit(place.create(), builds=TWO, channels={"stable": STABLE})


def test_what_is_committed_is_read(place: Place) -> None:
    empty = place.create()
    assert (empty.builds, empty.channels, empty.scope, empty.version) == ({}, {}, "shared", 1)
    written = place.commit(empty, builds=TWO, channels={"stable": STABLE})
    assert written == replace(empty, builds=TWO, channels={"stable": STABLE}, version=2, tag=written.tag)
    assert place.registry().whole("game") == place.registry().game("game") == place.read() == written
    again = place.commit(written, channels={})
    assert place.registry().whole("game") == place.read() == again
    assert again.version == 3


def test_builds_go_to_their_bins_and_none_is_lost(place: Place) -> None:
    """All are there after each commit, and a reader of the newest finds the others one by one."""
    state = place.create()
    for number in range(1, MANY + 1):
        state = place.commit(state, builds={**state.builds, number: build(number)})
    assert set(place.read().builds) == set(range(1, MANY + 1))
    registry = place.registry()
    newest = registry.game("game")
    assert set(newest.builds) == set(range(MANY - 7, MANY + 1))
    for number in range(1, MANY + 1):
        assert registry.build(newest, number) == build(number)
    with pytest.raises(BuildMissing):
        registry.build(newest, MANY + 1)


def test_of_two_who_start_from_the_same_state_one_wins(place: Place, made: GameState) -> None:
    won = place.commit(made, channels={})
    with pytest.raises(Conflict):
        place.commit(made, builds={**TWO, 3: build(3)})
    with pytest.raises(Conflict):
        place.commit(made, channels={"beta": replace(STABLE, name="beta")})
    assert place.registry().whole("game") == place.read() == won
    after = place.commit(won, builds={**TWO, 4: build(4)})
    assert place.registry().whole("game") == place.read() == after


def test_no_object_changes_but_the_timestamp(place: Place, made: GameState) -> None:
    before = place.objects()
    place.commit(made, builds={**TWO, 3: build(3)}, channels={})
    after = place.objects()
    assert {key for key in after if after[key] != before.get(key)} == {timestamp_key("game"), *(after.keys() - before)}
    assert before.keys() <= after.keys()


UNREADABLE: dict[str, dict[str, Any]] = {
    "a clock before 1970 dates a build so": {"builds": {**TWO, 3: build(3, published_at=-1)}},
    "a build without depots": {"builds": {**TWO, 3: build(3, depots={})}},
    "a label that is none": {"builds": {**TWO, 3: build(3, version="a b\n")}},
    "notes that are no text": {"builds": {**TWO, 3: build(3, notes="\udcff")}},
    "a manifest that is a path": {"builds": {**TWO, 3: build(3, depots={"main": replace(REF, manifest="../x")})}},
    "a rollout above 100 %": {"channels": {"stable": replace(STABLE, rollout=10_001)}},
    "a number beyond all numbers": {"channels": {"stable": replace(STABLE, minimum=1 << 53)}},
}


@pytest.mark.parametrize("other", UNREADABLE.values(), ids=UNREADABLE)
def test_what_every_reader_refuses_is_not_signed(place: Place, made: GameState, other: dict[str, Any]) -> None:
    before = place.objects()
    with pytest.raises(UnreadableState) as caught:
        place.commit(made, **other)
    assert caught.value.code == "unreadable-state"
    assert place.objects() == before


def test_metadata_that_no_reader_takes_does_not_go_live(
    place: Place, made: GameState, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = {f"c{number}": replace(STABLE, name=f"c{number}") for number in range(40)}
    monkeypatch.setattr("manifest.trust.writing.LIMITS", {**LIMITS, CHANNELS: 8000})
    with pytest.raises(UnreadableState, match="channels would have"):
        place.commit(made, channels=channels)
    assert place.read() == made
    monkeypatch.setattr("manifest.trust.writing.LIMITS", LIMITS)
    assert place.commit(made, channels=channels) == place.read()


def test_games_are_listed_by_their_timestamps(place: Place) -> None:
    for game in ("b", "a.2", "a"):
        place.create(game)
    place.store.put("tuf/draft/1.root.json", b"{}")
    place.store.put("tuf/a/b/timestamp.json", b"{}")
    place.store.put("tuf/README", b"hello")
    place.store.put("tufa/timestamp.json", b"{}")
    assert place.registry().games() == ["a", "a.2", "b"]


@pytest.fixture
def lost(place: Place, made: GameState) -> Place:
    """A store whose game had builds, and then lost its timestamp."""
    place.store.put(candidate_key("game", 1), b"{}")
    place.store.delete(timestamp_key("game"))
    return place


def test_a_game_whose_timestamp_is_lost_is_not_taken_for_a_new_one(lost: Place) -> None:
    before = lost.objects()
    for read in (lost.registry().game, lost.registry().whole):
        with pytest.raises(PointerLost) as caught:
            read("game")
        assert (caught.value.code, caught.value.where) == ("pointer-lost", "memory:/tuf/game/timestamp.json")
    with pytest.raises(PointerLost):
        lost.create()
    assert lost.registry().games() == ["game"]
    with pytest.raises(GameMissing):
        lost.registry().whole("gam")
    assert lost.objects() == before


def test_a_making_that_was_killed_leaves_no_game(place: Place) -> None:
    place.create()
    place.store.delete(timestamp_key("game"))
    with pytest.raises(GameMissing):
        place.registry().whole("game")
    assert place.registry().games() == []


def test_finding_a_game_lists_nothing(place: Place, made: GameState) -> None:
    for gets in (4, 2):  # timestamp and root, and at the first time whether there is a next root, and the bundle
        counted = FaultyStore(place.store, ())
        assert place.registry(counted).whole("game") == made
        assert (counted.calls("get"), counted.calls("list")) == (gets, 0)


def test_where_nothing_can_be_listed_a_game_without_timestamp_is_missing(lost: Place) -> None:
    web = FaultyStore(lost.store, [fail_before("list", 1, NotListable("a web host lists nothing"))])
    with pytest.raises(GameMissing):
        lost.registry(web).whole("game")
    web.assert_exhausted()


def test_a_game_that_is_made_while_it_is_looked_for_is_found(place: Place, made: GameState) -> None:
    place.store.put(candidate_key("game", 1), b"{}")
    late = FaultyStore(place.store, [fail_before("get", 1, KeyMissing("not yet"))])
    assert place.registry(late).whole("game") == made
    late.assert_exhausted()


def test_a_game_that_is_not_there(place: Place) -> None:
    with pytest.raises(GameMissing) as caught:
        place.registry().whole("game")
    assert caught.value.where == "memory:"
    with pytest.raises(BadName):
        place.registry().whole("../game")


@pytest.mark.parametrize("role", [SNAPSHOT, TARGETS, BUILDS, CHANNELS])
def test_metadata_that_is_lost(place: Place, made: GameState, role: str) -> None:
    """A bundle that is lost costs requests, and one of its files nothing; both are named."""
    forge = place.forge()
    bundle = bundle_key("game", forge.signed(SNAPSHOT)["version"])
    for key in (bundle, forge.key(role)):
        data = place.store.get(key, limit=1 << 20).data
        place.store.delete(key)
        assert place.read() == made
        place.store.put(key, data)
    place.store.delete(bundle)
    place.store.delete(forge.key(role))
    with pytest.raises(LadingError) as caught:
        place.read()
    assert caught.value.code == "metadata-missing"
    place.store.delete(metadata_key("game", ROOT, 1))
    with pytest.raises(LadingError):
        place.read()


@pytest.fixture(scope="module")
def written_once() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        place = Place.at(Path(folder))
        place.commit(place.create(), builds=TWO, channels={"stable": STABLE})
        yield place


@given(draw=st.data())
def test_a_changed_byte_anywhere_is_refused_or_changes_nothing(written_once: Place, draw: st.DataObject) -> None:
    whole = written_once.read()
    key = draw.draw(st.sampled_from(sorted(written_once.objects())))
    before = written_once.store.get(key, limit=1 << 20).data
    damaged = bytearray(before)
    damaged[draw.draw(st.integers(0, len(damaged) - 1))] ^= draw.draw(st.integers(1, 255))
    overwrite(written_once.store, key, bytes(damaged))
    try:
        found = written_once.read()
    except LadingError:
        return
    finally:
        overwrite(written_once.store, key, before)
    assert replace(found, tag=None) == replace(whole, tag=None)
