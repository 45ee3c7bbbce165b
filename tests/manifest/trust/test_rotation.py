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
from manifest.keys import metadata_key, timestamp_key
from manifest.trust.refusals import BadSignature, KeysMissing
from manifest.trust.roles import BINS, BUILDS, CHANNELS, DAY, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from manifest.trust.rotation import KeyChange
from manifest.trust.seen import MetadataRollback
from tests.kit.forge import Forge
from tests.kit.meddled import Killed, MeddledStore, die
from tests.kit.rotating import Change, one_lost, one_new, root_version, signed_by, turn
from tests.kit.signedgame import GAME, SignedGame, said

ROLES = {"root": (ROOT, TARGETS), "builds": (BUILDS,), "online": (CHANNELS, SNAPSHOT, TIMESTAMP)}


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


def all_new(game: SignedGame) -> KeyChange:
    return KeyChange()


CASES: list[tuple[str, Change]] = [
    ("root", all_new),
    ("root", one_lost("root")),
    ("builds", all_new),
    ("online", all_new),
    ("online", one_new("online")),
    ("online", one_lost("online")),
]


@pytest.mark.parametrize(("kind", "change"), CASES)
def test_a_killed_rotation_leaves_a_game_that_everybody_reads(
    many_keys: SignedGame, tmp_path: Path, kind: str, change: Change
) -> None:
    """At each of its calls; running it again goes through, and then a publish does."""
    for moment in count():
        game = many_keys.copy(tmp_path / str(moment))
        wanted = change(game)
        try:
            turn(game, kind, wanted, MeddledStore(game.store, moment, die))
        except Killed:
            pass
        else:
            break
        for player in ("old", "new"):
            assert said(game.read(player)) == said(many_keys.whole())
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


def test_two_programs_of_one_user_at_once(game: SignedGame) -> None:
    """The one that was first to ask for the timestamp is second to look at what the machine has seen."""
    lagging = LaggingStore(game.store, game.store.get(timestamp_key(GAME), limit=1 << 16))
    game.publish()
    game.read("old")
    assert said(game.read("old", lagging)) == said(game.whole())


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
def test_a_publish_in_the_middle_of_a_rotation(
    many_keys: SignedGame, tmp_path: Path, kind: str, same_machine: bool
) -> None:
    """At each call of it. Whoever publishes is refused by name if at all, and nobody who plays notices."""
    for moment in count():
        game = many_keys.copy(tmp_path / str(moment))
        publisher = replace(game, folder=game.folder if same_machine else many_keys.copy(game.folder / "other").folder)
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
