"""A game is made with the keys that were asked for, by whoever is first, and a making that was killed is finished."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from chunkstore.errors import LadingError
from chunkstore.store import Conflict, ObjectStore
from chunkstore.stores.memory import MemoryStore
from manifest.documents import GameMissing, GameState
from manifest.keys import metadata_key
from manifest.store_document import init_store
from manifest.trust.creation import GameTaken
from manifest.trust.guard import check
from manifest.trust.keyplan import BadKeyPlan, KeyPlan
from manifest.trust.pins import RootPin
from manifest.trust.roles import BUILDS, CHANNELS, LADING, LIMITS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Binding
from tests.kit.clock import FakeClock
from tests.kit.forge import overwrite
from tests.kit.meddled import Killed, MeddledStore, die
from tests.kit.signedgame import GAME, REGISTRY, SignedGame

PLAN = KeyPlan(root_keys=3, root_threshold=2, build_keys=2, build_threshold=2)


@pytest.fixture
def place(tmp_path: Path) -> SignedGame:
    return empty(tmp_path / "first")


def empty(folder: Path) -> SignedGame:
    """A store without games, and a publisher's machine without keys."""
    found = SignedGame(folder, MemoryStore(FakeClock()), FakeClock())
    init_store(found.store, REGISTRY)
    return found


def elsewhere(place: SignedGame) -> SignedGame:
    """The same store seen from another publisher's machine."""
    return SignedGame(place.folder / "elsewhere", place.store, place.clock)


def make(place: SignedGame, plan: KeyPlan = PLAN, store: ObjectStore | None = None) -> GameState:
    return place.registry_on(store or place.store).create(GAME, "shared", plan)


def first_root(place: SignedGame) -> bytes:
    return place.store.get(metadata_key(GAME, ROOT, 1), limit=LIMITS[ROOT]).data


def keys_in(place: SignedGame) -> dict[str, int]:
    return {kind: len(place.keyids(kind)) for kind in ("root", "builds", "online")}


def test_a_game_gets_the_keys_that_were_asked_for(place: SignedGame) -> None:
    state = make(place)
    assert keys_in(place) == {"root": 3, "builds": 2, "online": 1}
    root, targets = (json.loads(state.metadata[role])["signed"] for role in (ROOT, TARGETS))
    rows = {**root["roles"], **{row["name"]: row for row in targets["delegations"]["roles"]}}
    assert {name: (len(row["keyids"]), row["threshold"]) for name, row in rows.items()} == {
        ROOT: (3, 2),
        TARGETS: (3, 2),
        BUILDS: (2, 2),
        CHANNELS: (1, 1),
        SNAPSHOT: (1, 1),
        TIMESTAMP: (1, 1),
    }
    kinds = [set(row["keyids"]) for row in (rows[ROOT], rows[BUILDS], rows[SNAPSHOT])]
    assert kinds == [place.keyids(kind) for kind in ("root", "builds", "online")]


def test_a_new_game_is_empty_and_read_by_its_pin(place: SignedGame) -> None:
    state = make(place)
    assert (state.game, state.scope, state.registry) == (GAME, "shared", REGISTRY.hex())
    assert (state.version, state.builds, state.channels) == (1, {}, {})
    pin = RootPin.of(first_root(place), 1)
    assert place.pen.keyring.pin(GAME) == str(pin)
    assert place.read("player", pin=pin) == state


def test_every_role_says_whose_it_is(place: SignedGame) -> None:
    for role, data in make(place).metadata.items():
        words = check(role, data, Binding(REGISTRY.hex(), GAME), role)[LADING]
        assert (words["registry"], words["game"]) == (REGISTRY.hex(), GAME)


def test_keys_that_lie_here_are_used(place: SignedGame) -> None:
    brought = {kind: place.pen.keyring.new(GAME, kind).keyid for kind in ("root", "builds", "online")}
    make(place)
    assert keys_in(place) == {"root": 3, "builds": 2, "online": 1}
    assert all(keyid in place.keyids(kind) for kind, keyid in brought.items())


def test_a_making_that_was_killed_is_finished_with_its_root_and_its_keys(tmp_path: Path) -> None:
    """At each call, by the machine whose keys it has, also when time has passed; nobody sees half a game."""
    for moment in count():
        place = empty(tmp_path / str(moment))
        try:
            make(place, store=MeddledStore(place.store, moment, die))
        except Killed:
            pass
        else:
            break
        if moment:
            root = first_root(place)
            with pytest.raises(GameMissing):
                place.read("player")
        place.clock.advance(1000)
        state = make(place)
        assert not moment or state.metadata[ROOT] == root
        assert keys_in(place) == {"root": 3, "builds": 2, "online": 1}
        assert place.read("newcomer") == state
    assert moment > 6


@pytest.mark.parametrize("same_machine", [True, False])
def test_two_make_a_game_at_once(tmp_path: Path, same_machine: bool) -> None:
    """One of them, and whoever comes second is told, at whichever call that is."""
    for moment in count():
        place = empty(tmp_path / str(moment))
        other = place if same_machine else elsewhere(place)
        met = MeddledStore(place.store, moment, partial(ended, other))
        refused = ended(place, met)
        if met.left >= 0:
            break
        assert {refused, met.ended} in ({None, Conflict}, {None, GameTaken}, {None})
        assert refused is None or met.ended is None
        assert place.read("player").version >= 1
    assert moment > 6


def ended(place: SignedGame, store: ObjectStore | None = None) -> type[LadingError] | None:
    try:
        make(place, store=store)
    except LadingError as error:
        return type(error)
    return None


def without_signatures(place: SignedGame) -> bytes:
    return json.dumps({**json.loads(first_root(place)), "signatures": []}).encode()


@pytest.mark.parametrize("damage", [lambda place: b"", lambda place: first_root(place)[:-1], without_signatures])
def test_a_first_root_that_is_damaged_is_nobodys(place: SignedGame, damage: Callable[[SignedGame], bytes]) -> None:
    with pytest.raises(Killed):
        make(place, store=MeddledStore(place.store, 1, die))
    overwrite(place.store, metadata_key(GAME, ROOT, 1), damage(place))
    before = place.objects()
    with pytest.raises(GameTaken, match="damaged"):
        make(place)
    assert place.objects() == before


def test_somebody_elses_beginning_is_not_gone_on_with(place: SignedGame) -> None:
    with pytest.raises(Killed):
        make(place, store=MeddledStore(place.store, 1, die))
    before = place.objects()
    with pytest.raises(GameTaken, match="somebody else"):
        make(elsewhere(place))
    assert place.objects() == before


@pytest.mark.parametrize(
    "numbers", [(0, 0, 1, 1), (1, 2, 1, 1), (17, 1, 1, 1), (2, 0, 1, 1), (1, 1, 0, 0), (1, 1, 1, 2), (1, 1, 17, 1)]
)
def test_numbers_of_keys_that_cannot_sign(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(BadKeyPlan):
        KeyPlan(*numbers)
