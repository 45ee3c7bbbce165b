"""Keys change while players look and publishers publish: at every instant everybody believes the same, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from chunkstore.errors import LadingError
from chunkstore.store import Buffer, Conflict, Fetched, ObjectStore
from chunkstore.wrappers.forward import ForwardingStore
from manifest.documents import GameState
from manifest.keys import metadata_key, timestamp_key
from manifest.trust.keyfile import HeldKey
from manifest.trust.keyplan import KeyPlan, SignaturesMissing
from manifest.trust.keyring import Keyring
from manifest.trust.roles import BINS, BUILDS, CHANNELS, DAY, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from manifest.trust.rotation import BadKeyChange, KeyChange, begin_anew, rotate
from manifest.trust.sealing import PassphraseWrong
from manifest.trust.seen import MetadataRollback
from manifest.trust.walk import BadSignature
from manifest.trust.writing import KeysMissing
from tests.kit.forge import Forge
from tests.kit.meddled import MeddledStore
from tests.kit.signedgame import GAME, SignedGame, said

ROLES = {"root": (ROOT, TARGETS), "builds": (BUILDS,), "online": (CHANNELS, SNAPSHOT, TIMESTAMP)}
PLAN = KeyPlan(root_keys=3, root_threshold=2, build_keys=2, build_threshold=1)

Change = Callable[[SignedGame], KeyChange]


class Killed(BaseException):
    """The process is gone."""


def die() -> None:
    raise Killed


class LaggingStore(ForwardingStore):
    """Answers the first question for the timestamp with an old one."""

    def __init__(self, inner: ObjectStore, old: Fetched) -> None:
        super().__init__(inner)
        self.old: Fetched | None = old

    def get(self, key: str, *, limit: int) -> Fetched:
        if key == timestamp_key(GAME) and self.old is not None:
            old, self.old = self.old, None
            return old
        return super().get(key, limit=limit)


class FollowedStore(ForwardingStore):
    """Somebody else is next as soon as a timestamp was written."""

    def __init__(self, inner: ObjectStore, follow: Callable[[], object]) -> None:
        super().__init__(inner)
        self.follow = follow

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        tag = super().replace(key, data, match=match)
        if key == timestamp_key(GAME):
            self.follow()
        return tag


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> SignedGame:
    """Ten builds, two of them in their bins; the player `old` looked once."""
    made = SignedGame.made(tmp_path_factory.mktemp("base") / "game", PLAN)
    made.read("old")
    return made


@pytest.fixture
def game(base: SignedGame, tmp_path: Path) -> SignedGame:
    return base.copy(tmp_path / "game")


def keys_of(game: SignedGame, kind: str) -> list[HeldKey]:
    return [key for key in game.pen.keyring.keys(GAME) if key.role == kind]


def all_new(game: SignedGame) -> KeyChange:
    return KeyChange()


def one_new(kind: str) -> Change:
    """One key is exchanged for one that is made beforehand."""

    def change(game: SignedGame) -> KeyChange:
        old = keys_of(game, kind)[0].keyid
        return KeyChange(add=(game.pen.keyring.new(GAME, kind).public,), drop=(old,))

    return change


def one_lost(kind: str) -> Change:
    """The same, and the file of the old key is lost."""

    def change(game: SignedGame) -> KeyChange:
        found = one_new(kind)(game)
        game.pen.keyring.forget(next(key for key in keys_of(game, kind) if key.keyid in found.drop))
        return found

    return change


CASES: list[tuple[str, Change]] = [
    ("root", all_new),
    ("root", one_lost("root")),
    ("builds", all_new),
    ("online", all_new),
    ("online", one_new("online")),
    ("online", one_lost("online")),
]


def turn(game: SignedGame, kind: str, change: KeyChange, store: ObjectStore | None = None) -> GameState:
    registry = game.registry_on(store or game.store)
    return rotate(registry.pen, registry.newest(GAME), kind, change)


def signed_by(state: GameState) -> dict[str, set[str]]:
    """The ids of the keys that signed each role."""
    return {role: {row["keyid"] for row in json.loads(data)["signatures"]} for role, data in state.metadata.items()}


def root_version(state: GameState) -> int:
    return json.loads(state.metadata[ROOT])["signed"]["version"]


@pytest.mark.parametrize(("kind", "change"), CASES)
def test_a_killed_rotation_leaves_a_game_that_everybody_reads(
    base: SignedGame, tmp_path: Path, kind: str, change: Change
) -> None:
    """At each of its calls; running it again goes through, and then a publish does."""
    for moment in count():
        game = base.copy(tmp_path / str(moment))
        wanted = change(game)
        try:
            turn(game, kind, wanted, MeddledStore(game.store, moment, die))
        except Killed:
            pass
        else:
            break
        for player in ("old", "new"):
            assert said(game.read(player)) == said(base.whole())
        turn(game, kind, wanted)
        assert game.publish() == 11
        for player in ("old", "new", "newest"):
            assert game.read(player).channel("stable").build == 11
    assert moment > 5


@pytest.mark.parametrize("kind", ROLES)
def test_afterwards_the_new_keys_alone_have_signed(game: SignedGame, kind: str) -> None:
    before = game.keyids(kind)
    state = turn(game, kind, KeyChange())
    new = game.keyids(kind) - before
    assert len(new) == len(before)
    assert state == game.whole()
    signers = signed_by(game.read("new"))
    roles = [*ROLES[kind], *(name for name in BINS if name in signers)] if kind == "builds" else ROLES[kind]
    assert {role: signers[role] for role in roles if role != ROOT} == {role: new for role in roles if role != ROOT}
    assert len(roles) > 1 or kind != "builds"


def test_each_root_is_signed_by_those_before_and_its_own(game: SignedGame) -> None:
    """TUF 6.1; versions of roots never skip."""
    sets = [game.keyids("root")]
    for version in (2, 3, 4):
        before = game.keyids("root")
        turn(game, "root", KeyChange())
        sets.append(game.keyids("root") - before)
        root = json.loads(game.store.get(metadata_key(GAME, ROOT, version), limit=1 << 16).data)
        assert {row["keyid"] for row in root["signatures"]} == sets[-2] | sets[-1]
    assert root_version(game.read("old")) == 4


def test_three_roots_and_new_keys_for_builds_between_two_looks(game: SignedGame) -> None:
    for kind in ("root", "online", "root", "builds"):
        turn(game, kind, KeyChange())
    game.publish()
    assert root_version(state := game.read("old")) == 4
    assert said(state) == said(game.whole())


@pytest.mark.parametrize("kind", ROLES)
def test_who_asked_for_the_timestamp_before_and_for_the_rest_after(game: SignedGame, kind: str) -> None:
    lagging = LaggingStore(game.store, game.store.get(timestamp_key(GAME), limit=1 << 16))
    turn(game, kind, KeyChange())
    assert said(game.read("old", lagging)) == said(game.whole())
    assert lagging.old is None


@pytest.mark.parametrize(("kind", "role"), [("root", TARGETS), ("builds", BUILDS), ("online", TIMESTAMP)])
def test_a_key_that_was_dropped_signs_nothing_more(game: SignedGame, kind: str, role: str) -> None:
    dropped = game.keyids(kind)
    turn(game, kind, KeyChange())
    game.read("old")
    forge = Forge(game.store, game.pen.keyring, GAME)
    old = [hand for hand in forge.keys[kind] if hand.keyid in dropped]
    if role == TIMESTAMP:
        forge.serve_timestamp(old)
    else:
        forge.serve([role], old)
    for player in ("old", "new"):
        with pytest.raises(BadSignature):
            game.read(player)


def test_old_root_keys_make_no_root(game: SignedGame) -> None:
    dropped = game.keyids("root")
    turn(game, "root", KeyChange())
    forge = Forge(game.store, game.pen.keyring, GAME)
    forge.next_root()
    forge.serve_root([hand for hand in forge.keys["root"] if hand.keyid in dropped])
    game.clock.advance(2 * DAY)
    for player in ("old", "new"):
        with pytest.raises(BadSignature):
            game.read(player)


@pytest.mark.parametrize("kind", ROLES)
@pytest.mark.parametrize("same_machine", [True, False])
def test_a_publish_in_the_middle_of_a_rotation(base: SignedGame, tmp_path: Path, kind: str, same_machine: bool) -> None:
    """At each call of it. Whoever publishes is refused by name if at all, and nobody who plays notices."""
    for moment in count():
        game = base.copy(tmp_path / str(moment))
        publisher = replace(game, folder=game.folder if same_machine else base.copy(game.folder / "other").folder)
        meddled = MeddledStore(game.store, moment, partial(attempt, publisher.publish))
        assert attempt(partial(turn, game, kind, KeyChange(), meddled)) in (None, Conflict)
        if meddled.left >= 0:
            break
        assert meddled.ended in (None, Conflict, *(() if same_machine else (KeysMissing,)))
        for player in ("old", "new"):
            assert 10 <= game.read(player).channel("stable").build <= 11
        turn(game, kind, KeyChange())
        game.publish()
        for player in ("old", "new"):
            assert said(game.read(player)) == said(game.whole())
    assert moment > 5


def test_two_rotations_at_once(game: SignedGame) -> None:
    """The second signed targets without the keys of the root that the first was about to write."""
    with pytest.raises(Conflict):
        turn(game, "root", KeyChange(), FollowedStore(game.store, partial(turn, game, "builds", KeyChange())))
    for player in ("old", "new"):
        assert root_version(game.read(player)) == 1
    assert root_version(turn(game, "root", KeyChange())) == 2


def attempt(work: Callable[[], object]) -> type[LadingError] | None:
    """How it was refused, if it was."""
    try:
        work()
    except LadingError as error:
        return type(error)
    return None


def test_lost_online_keys_are_stood_in_for_while_they_are_replaced(game: SignedGame) -> None:
    """Between the two roots, what the lost key had signed holds still."""
    lost = game.keyids("online")
    state = turn(game, "online", one_lost("online")(game))
    assert root_version(state) == 3
    between = json.loads(game.store.get(metadata_key(GAME, ROOT, 2), limit=1 << 16).data)["signed"]["roles"]
    assert {*between[TIMESTAMP]["keyids"]} == lost | game.keyids("online")
    assert {*json.loads(state.metadata[ROOT])["signed"]["roles"][TIMESTAMP]["keyids"]} == game.keyids("online")


def test_new_keys_end_what_a_stolen_one_had_said_of_versions(game: SignedGame) -> None:
    """A25, TUF 5.3.11: a player was shown versions without end, and believes the true ones after the rotation."""
    thief = game.copy(game.folder.parent / "thief")
    forge = Forge(thief.store, thief.pen.keyring, GAME)
    forge.signed(SNAPSHOT)["version"] = forge.signed(TIMESTAMP)["version"] = (1 << 53) - 10
    forge.serve()
    assert said(game.read("old", thief.store)) == said(game.whole())
    game.publish()
    with pytest.raises(MetadataRollback):
        game.read("old")
    turn(game, "online", KeyChange())
    assert game.read("old").channel("stable").build == 11


def test_a_key_that_was_lost_below_the_threshold_is_replaced_by_the_others(game: SignedGame) -> None:
    change = one_lost("root")(game)
    turn(game, "root", change)
    assert len(game.keyids("root")) == 3
    listed = json.loads(game.read("old").metadata[ROOT])["signed"]["roles"][ROOT]
    assert {*listed["keyids"]} == game.keyids("root")
    assert listed["threshold"] == 2


def test_only_the_threshold_of_one_more_key(game: SignedGame) -> None:
    key = game.pen.keyring.new(GAME, "builds")
    turn(game, "builds", KeyChange(add=(key.public,), threshold=3))
    assert signed_by(game.read("new"))[BUILDS] == game.keyids("builds")
    assert len(game.keyids("builds")) == 3


def test_a_rotation_that_is_done_is_done_again_without_another_root(game: SignedGame) -> None:
    change = one_new("online")(game)
    turn(game, "online", change)
    assert root_version(turn(game, "online", change)) == 2


def test_keys_of_builds_on_two_machines(game: SignedGame) -> None:
    """Each signs the same change; it is live with the second."""
    other = replace(game, folder=game.copy(game.folder.parent / "other").folder)
    dropped, kept = keys_of(game, "builds")
    key = other.pen.keyring.new(GAME, "builds")
    other.pen.keyring.forget(next(each for each in keys_of(other, "builds") if each.keyid == kept.keyid))
    change = KeyChange(add=(key.public,), drop=(dropped.keyid,), threshold=2)
    with pytest.raises(SignaturesMissing):
        turn(game, "builds", change)
    assert said(game.read("old")) == said(game.whole())
    turn(other, "builds", change)
    assert signed_by(game.read("old"))[BUILDS] == {key.keyid, kept.keyid}


def test_new_keys_have_the_passphrase_of_the_old(game: SignedGame) -> None:
    keyring = game.pen.keyring
    plain = keys_of(game, "builds")
    keyring.new(GAME, "builds", game.passphrase())
    locked = next(key for key in keys_of(game, "builds") if key.encrypted)
    turn(game, "builds", KeyChange(add=(locked.public,), drop=tuple(key.keyid for key in plain)))
    turn(game, "builds", KeyChange())
    (made,) = [key for key in keys_of(game, "builds") if key not in (locked, *plain)]
    assert made.encrypted
    state = game.whole()
    with pytest.raises(PassphraseWrong):
        rotate(replace(game.pen, keyring=Keyring(keyring.folder)), state, "builds", KeyChange())
    assert game.whole() == state


def lowest(game: SignedGame, kind: str, number: int) -> tuple[str, ...]:
    return tuple(sorted(game.keyids(kind))[:number])


REFUSED: dict[str, tuple[str, Change, type[LadingError]]] = {
    "a key of nobody is dropped": ("root", lambda game: KeyChange(drop=("ab" * 32,)), BadKeyChange),
    "a key of another kind is dropped": ("root", lambda game: KeyChange(drop=lowest(game, "online", 1)), BadKeyChange),
    "the last keys are dropped": ("builds", lambda game: KeyChange(drop=lowest(game, "builds", 2)), BadKeyChange),
    "fewer keys than have to sign": ("root", lambda game: KeyChange(drop=lowest(game, "root", 2)), BadKeyChange),
    "a threshold of none": ("root", lambda game: KeyChange(threshold=0), BadKeyChange),
    "a threshold above the keys": ("root", lambda game: KeyChange(threshold=4), BadKeyChange),
    "too many keys": ("root", lambda game: KeyChange(add=tuple(bytes([n]) * 32 for n in range(14))), BadKeyChange),
    "half a key": ("root", lambda game: KeyChange(add=(bytes(16),)), BadKeyChange),
    "root keys that are elsewhere": ("root", lambda game: KeyChange(add=(b"a" * 32,), threshold=4), KeysMissing),
    "online keys that are elsewhere": ("online", lambda game: KeyChange(add=(b"a" * 32,), threshold=2), KeysMissing),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_change_that_is_refused_leaves_no_trace(game: SignedGame, what: str) -> None:
    kind, change, error = REFUSED[what]
    before, held = game.objects(), game.pen.keyring.keys(GAME)
    with pytest.raises(error):
        turn(game, kind, change(game))
    assert game.objects() == before
    assert game.pen.keyring.keys(GAME) == held


@pytest.mark.parametrize(
    ("kind", "gone"),
    [("root", "root"), ("builds", "root"), ("online", "root"), ("root", "online"), ("builds", "online")],
)
def test_keys_that_have_to_sign_and_are_not_here(game: SignedGame, kind: str, gone: str) -> None:
    for key in keys_of(game, gone)[: 1 if gone == "online" else 2]:
        game.pen.keyring.forget(key)
    before, held = game.objects(), game.pen.keyring.keys(GAME)
    with pytest.raises(KeysMissing) as refused:
        turn(game, kind, KeyChange())
    assert refused.value.data["kind"] == gone
    assert game.objects() == before
    assert game.pen.keyring.keys(GAME) == held


@pytest.mark.parametrize("lost", [("root",), ("root", "builds", "online")])
def test_all_root_keys_are_lost(game: SignedGame, lost: tuple[str, ...]) -> None:
    """Whoever trusted the game refuses, and says why; whoever is told the new pin goes on."""
    for key in game.pen.keyring.keys(GAME):
        if key.role in lost:
            game.pen.keyring.forget(key)
    old = {key.keyid for key in game.pen.keyring.keys(GAME)}
    pin = begin_anew(game.pen, game.registry.newest(GAME))
    assert game.pen.keyring.pin(GAME) == str(pin)
    with pytest.raises(BadSignature, match="root") as refused:
        game.read("old")
    assert "new pin" in refused.value.next
    assert said(state := game.read("old", pin=pin)) == said(game.whole())
    assert not old & set().union(*signed_by(state).values())
    assert root_version(state) == pin.version == 3
    assert game.publish() == 11
    assert game.read("old", pin=pin).channel("stable").build == 11


def test_beginning_anew_is_killed_and_begun_again(base: SignedGame, tmp_path: Path) -> None:
    for moment in count():
        game = base.copy(tmp_path / str(moment))
        for key in keys_of(game, "root"):
            game.pen.keyring.forget(key)
        try:
            begin_anew(replace(game.pen, store=MeddledStore(game.store, moment, die)), game.registry.newest(GAME))
        except Killed:
            pin = begin_anew(game.pen, game.registry.newest(GAME))
            game.publish()
            assert game.read("new", pin=pin).channel("stable").build == 11
        else:
            break
    assert moment > 5
