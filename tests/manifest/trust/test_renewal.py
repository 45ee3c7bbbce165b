"""Signatures are renewed before they expire, by whoever holds the keys, and nobody who plays sees a gap."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from manifest.trust.draft import Draft
from manifest.trust.keyplan import KeyPlan
from manifest.trust.refusals import KeysMissing, MetadataExpired
from manifest.trust.renewal import Renewal, renew
from manifest.trust.roles import BINS, BUILDS, CHANNELS, DAY, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from manifest.trust.writing import put_root, sign_root
from tests.kit.signed import games_of
from tests.kit.signedgame import GAME, SignedGame, said

YEAR = 365 * DAY


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> SignedGame:
    """Ten builds, two of them in their bins; the player `old` looked once."""
    made = SignedGame.made(tmp_path_factory.mktemp("base") / "game", KeyPlan(build_keys=2, build_threshold=2))
    made.read("old")
    return made


@pytest.fixture
def game(base: SignedGame, tmp_path: Path) -> SignedGame:
    return base.copy(tmp_path / "game")


def refreshed(game: SignedGame, within: float | None = None) -> Renewal:
    return renew(game.pen, game.registry.newest(GAME), within)


def forget(game: SignedGame, *kinds: str) -> None:
    for key in game.pen.keyring.keys(GAME):
        if key.role in kinds:
            game.pen.keyring.forget(key)


def versions(game: SignedGame) -> dict[str, int]:
    return {role: json.loads(data)["signed"]["version"] for role, data in game.read("reader").metadata.items()}


def test_on_most_days_the_timestamp_alone_is_signed(game: SignedGame) -> None:
    before, objects = versions(game), game.objects()
    game.clock.advance(DAY)
    assert refreshed(game) == Renewal((TIMESTAMP,), ())
    assert versions(game) == {**before, TIMESTAMP: before[TIMESTAMP] + 1}
    assert [key for key, data in game.objects().items() if objects.get(key) != data] == [f"tuf/{GAME}/timestamp.json"]
    assert said(game.read("old")) == said(game.whole())


def test_what_is_signed_online_is_due_after_half_of_its_life(game: SignedGame) -> None:
    game.clock.advance(200 * DAY - 1)
    assert refreshed(game).renewed == (TIMESTAMP,)
    game.clock.advance(2)
    assert refreshed(game).renewed == (CHANNELS, SNAPSHOT, TIMESTAMP)
    game.clock.advance(1)
    assert refreshed(game).renewed == (TIMESTAMP,)


def test_a_timer_on_the_machine_of_the_publisher_keeps_a_game_alive_for_ever(game: SignedGame) -> None:
    """Ten years of a daily timer, of which it runs on some days: nothing else is published, and nothing expires."""
    found = set()
    for _ in range(10 * 365 // 80):
        game.clock.advance(80 * DAY)
        renewal = refreshed(game)
        found |= {*renewal.renewed}
        assert renewal.waiting == ()
    assert found >= {ROOT, TARGETS, BUILDS, CHANNELS, SNAPSHOT, TIMESTAMP}
    assert found & {*BINS}
    assert said(game.read("old")) == said(game.whole()) == said(game.read("new"))
    assert versions(game)[ROOT] == 4


def test_a_root_is_followed_by_a_timestamp(game: SignedGame) -> None:
    game.commit(channels={})
    forget(game, "builds")
    before = versions(game)
    assert refreshed(game, YEAR * 3 + DAY).renewed == (ROOT, TARGETS, CHANNELS, SNAPSHOT, TIMESTAMP)
    assert versions(game)[ROOT] == 2
    assert versions(game)[TIMESTAMP] == before[TIMESTAMP] + 1


def test_what_only_others_can_sign_is_named_and_keeps_nothing_waiting(game: SignedGame) -> None:
    forget(game, "root", "builds")
    bins = [name for name in BINS if name in versions(game)]
    for _ in range(3):
        game.clock.advance(YEAR - 20 * DAY)
        found = refreshed(game)
    assert found == Renewal((CHANNELS, SNAPSHOT, TIMESTAMP), (ROOT, TARGETS, BUILDS, *bins))
    assert said(game.read("old")) == said(game.whole())


def test_holders_of_one_key_of_builds_each_renew_them_together(game: SignedGame) -> None:
    other = replace(game, folder=game.copy(game.folder.parent / "other").folder)
    first, second = (key for key in game.pen.keyring.keys(GAME) if key.role == "builds")
    game.pen.keyring.forget(first)
    other.pen.keyring.forget(next(key for key in other.pen.keyring.keys(GAME) if key.keyid == second.keyid))
    for _ in range(3):
        game.clock.advance(YEAR - 20 * DAY)
        found = refreshed(game)
    assert BUILDS in found.waiting
    assert {*found.renewed} == {ROOT, TARGETS, CHANNELS, SNAPSHOT, TIMESTAMP}
    game.clock.advance(DAY)
    assert BUILDS in refreshed(game).waiting
    assert {*refreshed(other).renewed} == {*found.waiting, SNAPSHOT, TIMESTAMP}
    assert refreshed(game) == Renewal((TIMESTAMP,), ())
    assert said(game.read("old")) == said(game.whole())


def test_without_the_online_key_nothing_is_done(game: SignedGame) -> None:
    forget(game, "online")
    before = game.objects()
    with pytest.raises(KeysMissing):
        refreshed(game, 4 * YEAR)
    assert game.objects() == before


def test_what_expired_is_signed_again_by_whoever_accepts_it(game: SignedGame) -> None:
    game.clock.advance(500 * DAY)
    with pytest.raises(MetadataExpired):
        refreshed(game)
    games = games_of(game.store, game.folder / "publisher", game.clock, accept_stale=True)
    assert renew(game.pen, games.newest(GAME)).renewed == (CHANNELS, SNAPSHOT, TIMESTAMP)
    assert said(game.read("old")) == said(game.whole())


def test_a_renewal_that_was_killed_after_the_root_is_finished_by_the_next(game: SignedGame) -> None:
    """Nothing followed the root, so that the timestamp alone does not tell of it."""
    draft = Draft.of(state := game.whole())
    sign_root(game.pen, draft)
    put_root(game.pen, draft, state)
    assert ROOT in refreshed(game, 4 * YEAR).renewed
    assert versions(game)[ROOT] == 3
