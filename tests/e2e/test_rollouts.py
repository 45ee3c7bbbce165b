"""A build is rolled out to a share of players, by the word of its channel and the id of each installation."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from chunkstore.stores.folder import FolderStore
from client.resolve import Wish, choose_build
from manifest.bare import BareReader
from manifest.documents import GameState
from manifest.trust.roles import CHANNELS
from tests.kit.cast import GAME, Cast, Person, Player
from tests.kit.disks import unhurried_disk
from tests.kit.signed import games_of

__all__ = ["unhurried_disk"]

INSTALLATIONS = [f"{number:032x}" for number in range(1000)]


@pytest.fixture
def cast(isolated: Path, tmp_path: Path) -> Cast:
    """A studio with build #1 on `stable`, and three later ones on `beta`."""
    cast = Cast(tmp_path / "cast")
    cast.studio().publish("one")
    for text in ("two", "three", "four"):
        cast.studio().publish(text, "--channel", "beta")
    return cast


@pytest.fixture
def studio(cast: Cast) -> Person:
    return cast.studio()


class EachByItself(BareReader):
    """What a thousand machines read, none of which has seen anything of the game before."""

    def admit(self, state: GameState, channel: str, number: int, installed: int) -> None:
        """There is no mark."""


def roll_out(cast: Cast, percent: float, *words: str) -> set[str]:
    """The installations that get build #4 from now on; the others get build #1."""
    cast.studio().say("channel", "set", GAME, "stable", "--build", "4", "--rollout", str(percent), *words)
    store = FolderStore(cast.store)
    registry = EachByItself(store, games_of(store, cast.folder / "reader", cast.clock))
    state = registry.game(GAME)
    chosen = {each: choose_build(registry, state, Wish("stable"), each, 0).number for each in INSTALLATIONS}
    assert set(chosen.values()) <= {1, 4}
    return {each for each, number in chosen.items() if number == 4}


def installs(player: Player, monkeypatch: pytest.MonkeyPatch, installation: str, folder: str = "game") -> int:
    """The build that an installation of this id gets."""
    with monkeypatch.context() as patch:
        patch.setattr("secrets.token_bytes", lambda size: bytes.fromhex(installation)[:size])
        into = ["--into", str(player.home / folder), "--trust", "first-use"]
        build: int = player.say("install", GAME, *into)["build"]
    return build


def test_a_share_of_all_installations_gets_it_and_keeps_it_while_the_share_grows(cast: Cast) -> None:
    """250 of 1,000, give or take four standard deviations."""
    shares = [roll_out(cast, percent) for percent in (0, 1, 25, 25.5, 60, 100)]
    assert all(fewer <= more for fewer, more in pairwise(shares))
    assert (len(shares[0]), len(shares[-1])) == (0, 1000)
    assert 195 <= len(shares[2]) <= 305
    assert 540 <= len(shares[4]) <= 660


def test_another_build_draws_another_lot(cast: Cast, studio: Person) -> None:
    """Nobody is always among the first."""
    first = roll_out(cast, 25)
    studio.say("channel", "set", GAME, "stable", "--build", "3", "--rollout", "25")
    registry = EachByItself(FolderStore(cast.store), games_of(FolderStore(cast.store), cast.folder / "r", cast.clock))
    state = registry.game(GAME)
    second = {each for each in INSTALLATIONS if choose_build(registry, state, Wish("stable"), each, 0).number == 3}
    assert 30 <= len(first & second) <= 100


@pytest.mark.parametrize("minimum", ["2", "4"])
def test_a_minimum_leaves_nobody_behind(cast: Cast, minimum: str) -> None:
    assert len(roll_out(cast, 25, "--minimum", minimum)) == 1000
    assert 195 <= len(roll_out(cast, 25, "--minimum", "1")) <= 305


def test_players_get_it_one_after_the_other_and_back(
    cast: Cast, studio: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = roll_out(cast, 25)
    early, late = cast.player("early"), cast.player("late")
    assert installs(early, monkeypatch, min(inside)) == 4
    assert installs(late, monkeypatch, min({*INSTALLATIONS} - inside)) == 1
    assert (early.finds_nothing_new(), late.finds_nothing_new()) == (True, True)
    studio.say("channel", "set", GAME, "stable", "--rollout", "0")
    assert (early.update()["build"], late.finds_nothing_new()) == (1, True)
    studio.say("channel", "set", GAME, "stable", "--rollout", "100")
    assert (early.update()["build"], late.update()["build"]) == (4, 4)


def test_whoever_installs_it_again_is_not_sent_back(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new installation draws a lot of its own; what the machine has seen weighs more."""
    inside = roll_out(cast, 25)
    player = cast.player()
    assert installs(player, monkeypatch, min(inside)) == 4
    assert installs(player, monkeypatch, min({*INSTALLATIONS} - inside), "again") == 4
    assert installs(cast.player("other"), monkeypatch, min({*INSTALLATIONS} - inside)) == 1
    player.forget()
    assert player.finds_nothing_new()


def test_a_thief_of_the_online_key_calls_nobody_back(
    cast: Cast, studio: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollout to nobody is no way around what the publisher allows: whoever has the build keeps it."""
    inside = roll_out(cast, 25)
    player = cast.player()
    installs(player, monkeypatch, min(inside))
    thief = cast.thief(studio, "online")
    assert thief.cannot("channel", "set", GAME, "stable", "--rollout", "0") == (4, "keys-missing")
    forge = thief.tools()
    forge.target(CHANNELS, "channels/stable")["rollout"] = 0
    forge.serve([CHANNELS])
    assert player.finds_nothing_new()
    forge.target(CHANNELS, "channels/stable").update(build=2, previous=1)
    forge.serve([CHANNELS])
    assert player.refuses() == (6, "rollback-refused")
    studio.say("key", "rotate", GAME, "--role", "online")
    studio.publish("five")
    player.update()
    assert player.has == "five"
