"""Which changes of keys there are, which are refused, and what is left when keys are lost."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from chunkstore.errors import LadingError
from manifest.keys import metadata_key
from manifest.trust.keyring import Keyring
from manifest.trust.refusals import BadSignature, KeysMissing, SignaturesMissing
from manifest.trust.roles import BUILDS, ROOT, TARGETS, TIMESTAMP
from manifest.trust.rotation import BadKeyChange, KeyChange, begin_anew, rotate
from manifest.trust.sealing import PassphraseWrong
from manifest.trust.writing import UnreadableState
from tests.kit.meddled import Killed, MeddledStore, die
from tests.kit.rotating import Change, keys_of, one_lost, one_new, root_version, signed_by, turn
from tests.kit.signedgame import GAME, SignedGame, said


def test_a_key_that_was_lost_below_the_threshold_is_replaced_by_the_others(game: SignedGame) -> None:
    change = one_lost("root")(game)
    turn(game, "root", change)
    assert len(game.keyids("root")) == 3
    listed = json.loads(game.read("old").metadata[ROOT])["signed"]["roles"][ROOT]
    assert {*listed["keyids"]} == game.keyids("root")
    assert listed["threshold"] == 2


def test_lost_online_keys_are_stood_in_for_while_they_are_replaced(game: SignedGame) -> None:
    """Between the two roots, what the lost key had signed holds still."""
    lost = game.keyids("online")
    state = turn(game, "online", one_lost("online")(game))
    assert root_version(state) == 3
    between = json.loads(game.store.get(metadata_key(GAME, ROOT, 2), limit=1 << 16).data)["signed"]["roles"]
    assert {*between[TIMESTAMP]["keyids"]} == lost | game.keyids("online")
    assert {*json.loads(state.metadata[ROOT])["signed"]["roles"][TIMESTAMP]["keyids"]} == game.keyids("online")


def test_the_threshold_alone(game: SignedGame) -> None:
    before = game.keyids("builds")
    turn(game, "builds", KeyChange(threshold=2))
    assert signed_by(game.read("old"))[BUILDS] == game.keyids("builds") == before
    named = json.loads(game.whole().metadata[TARGETS])["signed"]["delegations"]["roles"]
    assert [row["threshold"] for row in named if row["name"] == BUILDS] == [2]


def test_one_more_key_and_a_higher_threshold(game: SignedGame) -> None:
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
    "too many keys": ("root", lambda game: KeyChange(add=tuple(bytes([n]) * 32 for n in range(1, 15))), BadKeyChange),
    "half a key": ("root", lambda game: KeyChange(add=(bytes(16),)), BadKeyChange),
    "a key for which anybody signs": ("builds", lambda game: KeyChange(add=(bytes(32),)), BadKeyChange),
    "root keys that are elsewhere": ("root", lambda game: KeyChange(add=(b"a" * 32,), threshold=4), KeysMissing),
    "online keys that are elsewhere": ("online", lambda game: KeyChange(add=(b"a" * 32,), threshold=2), KeysMissing),
}


def test_what_every_reader_would_refuse_is_not_signed(game: SignedGame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manifest.trust.rotation.is_weak", lambda public: False)
    before = game.whole()
    for kind in ("root", "builds", "online"):
        with pytest.raises(UnreadableState, match="small order"):
            turn(game, kind, KeyChange(add=(bytes(32),)))
        assert said(game.read("old")) == said(game.registry.newest(GAME)) == said(before)


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


def test_beginning_anew_is_killed_and_begun_again(many_keys: SignedGame, tmp_path: Path) -> None:
    for moment in count():
        game = many_keys.copy(tmp_path / str(moment))
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
