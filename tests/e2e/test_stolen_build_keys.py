"""Keys that sign builds are stolen: alone, where two have to sign, and together with the online key.

Each story goes on until a good update of the same player works again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from manifest.trust.roles import BUILDS, CHANNELS, SNAPSHOT, TIMESTAMP
from tests.kit.cast import GAME, Cast, Player, Thief
from tests.kit.disks import unhurried_disk
from tests.kit.forge import Forge, compact
from tests.kit.published import isolate

__all__ = ["unhurried_disk"]

ENDLESS = 2**53 - 1
"""The highest number that a reader takes."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio whose builds take two of three keys: one is the studio's, with those of the root, one its partner's, and
    one lies in a vault. Build #2 is on `stable`, and a player has it."""
    cast = Cast(tmp_path_factory.mktemp("made") / "cast")
    with pytest.MonkeyPatch.context() as environment:
        isolate(environment, cast.folder)
        studio, partner, vault = cast.studio(), cast.studio("partner"), cast.studio("vault")
        studio.say("game", "create", GAME, "--build-keys", "3", "--build-threshold", "2")
        studio.publish("one")
        studio.publish("two")
        cast.player().install()
        _, second, third = studio.key_files("builds")
        studio.give(partner, second.stem, "online", "pin")
        studio.give(vault, third.stem)
        second.unlink()
        third.unlink()
    return cast.folder


@pytest.fixture
def cast(made: Path, isolated: Path, tmp_path: Path) -> Cast:
    """The same people, in a folder of this test."""
    shutil.copytree(made, tmp_path / "cast", symlinks=True)
    return Cast(tmp_path / "cast")


@pytest.fixture
def player(cast: Cast) -> Player:
    """Who has build #2."""
    return cast.player()


@pytest.fixture
def thief(cast: Cast) -> Thief:
    """Who stole all that the studio works with day by day: its key of builds and the online key."""
    return cast.thief(cast.studio(), "builds", "online")


def publish_together(cast: Cast, text: str) -> None:
    build = cast.studio().publish(text)
    assert (build["state"], build["signatures"]) == ("sealed", 1)
    assert cast.studio("partner").say("build", "sign", f"{GAME}@#{build['build']}")["state"] == "live"


def change_online_key(cast: Cast) -> None:
    cast.studio().say("key", "rotate", GAME, "--role", "online")
    cast.studio().give(cast.studio("partner"), "online")


# One of two signatures


def test_one_key_of_two_makes_nothing_live(cast: Cast, thief: Thief, player: Player) -> None:
    """What the thief leaves behind in the store gets no second signature by accident."""
    assert thief.publish("of the thief")["state"] == "sealed"
    assert thief.say("build", "withdraw", f"{GAME}@#2")["changed"] is False
    assert thief.say("channel", "set", GAME, "beta", "--build", "1")["changed"] is True
    assert player.finds_nothing_new()

    publish_together(cast, "of us both")
    player.update()
    assert player.has == "of us both"
    builds = cast.studio().say("build", "list", GAME)["builds"]
    assert [(row["build"], row["state"]) for row in builds] == [(1, "live"), (2, "live"), (3, "sealed"), (4, "live")]


def signs_alone(thief: Thief) -> None:
    thief.tools().serve([BUILDS])


def signs_twice(thief: Thief) -> None:
    forge = thief.tools()
    forge.write(BUILDS, by=forge.keys["builds"] * 2)
    forge.serve()


def signs_with_the_online_key(thief: Thief) -> None:
    forge = thief.tools()
    forge.write(BUILDS, by=forge.keys["builds"] + forge.keys["online"])
    forge.serve()


def signs_under_another_name(thief: Thief) -> None:
    """The signature of the stolen key is shown as that of each key that counts."""
    forge = thief.tools()
    (hand,) = forge.keys["builds"]
    document = forge.documents[BUILDS]
    named = document["signed"]["delegations"]["succinct_roles"]["keyids"]
    forge.signed(BUILDS)["version"] += 1
    seal = hand.sign(document["signed"])
    document["signatures"] = [{**seal, "keyid": keyid} for keyid in named]
    forge.list(BUILDS, compact(document))
    forge.serve()


@pytest.mark.parametrize(
    "attempt", [signs_alone, signs_twice, signs_with_the_online_key, signs_under_another_name], ids=lambda f: f.__name__
)
def test_one_key_of_two_signs_nothing_that_players_take(
    cast: Cast, thief: Thief, player: Player, attempt: Callable[[Thief], None]
) -> None:
    kept = cast.keep("kept")
    attempt(thief)
    assert player.refuses() in ((6, "bad-signature"), (6, "bad-metadata"))
    cast.put_back(kept)
    change_online_key(cast)
    publish_together(cast, "three")
    player.update()
    assert player.has == "three"


def test_the_stolen_key_is_dropped(cast: Cast, thief: Thief, player: Player) -> None:
    """The one from the vault takes its place. The partner leaves a signature; whoever has the root key ends it."""
    studio, partner = cast.studio(), cast.studio("partner")
    (stolen,) = [file.stem.removeprefix("builds-") for file in studio.key_files("builds")]
    drop = ["key", "rotate", GAME, "--role", "builds", "--drop", stolen[:12]]
    mine = ["key", "rotate", GAME, "--role", "builds", "--threshold", "1"]
    assert thief.refused(*mine, "--store", thief.store) == (9, "signatures-missing")
    assert player.finds_nothing_new()
    cast.studio("vault").give(studio, "builds")
    assert partner.refused(*drop, "--store", partner.store) == (9, "signatures-missing")
    roles = studio.say(*drop)["roles"]
    assert (roles["builds"]["dropped"], roles["builds"]["threshold"]) == ([stolen], 2)

    studio.lose("builds", stolen)
    publish_together(cast, "three")
    player.update()
    assert player.has == "three"
    assert thief.cannot("build", "withdraw", f"{GAME}@#2") == (4, "keys-missing")
    kept = cast.keep("kept")
    signs_alone(thief)
    assert player.refuses() == (6, "bad-signature")
    cast.put_back(kept)
    change_online_key(cast)
    publish_together(cast, "four")
    player.update()
    assert player.has == "four"


# Numbers without end


@pytest.fixture
def alone(isolated: Path, tmp_path: Path) -> Cast:
    """A studio that signs alone, whose build #2 a player has."""
    cast = Cast(tmp_path / "alone")
    cast.studio().publish("one")
    cast.studio().publish("two")
    cast.player().install()
    return cast


def everything_stolen(cast: Cast) -> Thief:
    return cast.thief(cast.studio(), "builds", "online")


def to_the_end(role: str) -> Callable[[Forge], None]:
    def forward(forge: Forge) -> None:
        forge.signed(role)["version"] = ENDLESS - 2
        forge.serve([role] if role in (BUILDS, CHANNELS) else [])

    return forward


def all_to_the_end(forge: Forge) -> None:
    for role in (BUILDS, CHANNELS, SNAPSHOT, TIMESTAMP):
        forge.signed(role)["version"] = ENDLESS - 1
    forge.serve([BUILDS, CHANNELS])


ROLES = (BUILDS, CHANNELS, SNAPSHOT, TIMESTAMP)


@pytest.mark.parametrize("forward", [*map(to_the_end, ROLES), all_to_the_end], ids=[*ROLES, "all"])
def test_versions_that_a_thief_brought_to_their_end_begin_anew(alone: Cast, forward: Callable[[Forge], None]) -> None:
    """Players who saw them follow a change of all keys, and so does the studio, which may not have noticed at once."""
    studio, player, newcomer = alone.studio(), alone.player(), alone.player("newcomer")
    forward(everything_stolen(alone).tools())
    assert player.finds_nothing_new()
    if forward is not all_to_the_end:
        studio.publish("three")
        player.update()

    studio.say("key", "rotate", GAME)
    assert player.finds_nothing_new()
    for text in ("four", "five"):
        studio.publish(text)
        player.update()
        assert player.has == text
    newcomer.install(trust=studio.pin())
    assert newcomer.has == "five"
    assert max(row["version"] for row in player.result("trust", "show", GAME)["trusted"][0]["roles"].values()) < 100


def test_a_game_whose_versions_are_used_up_says_so(alone: Cast) -> None:
    studio, player = alone.studio(), alone.player()
    forge = everything_stolen(alone).tools()
    forge.signed(TIMESTAMP)["version"] = ENDLESS - 1
    forge.serve()
    assert studio.cannot("channel", "set", GAME, "beta", "--build", "1") == (7, "unreadable-state")
    assert player.finds_nothing_new()
    studio.say("key", "rotate", GAME)
    studio.say("channel", "set", GAME, "stable", "--build", "1")
    player.update()
    assert player.has == "one"


@pytest.mark.parametrize("withdrawn_first", [True, False])
def test_a_build_whose_number_is_the_last_is_taken_back(alone: Cast, withdrawn_first: bool) -> None:
    """Numbers go on where they were, and what players saw of the thief's build counts no more."""
    studio, player, thief = alone.studio(), alone.player(), everything_stolen(alone)
    forge = thief.tools()
    targets = forge.signed(BUILDS)["targets"]
    targets[f"{GAME}/builds/{ENDLESS}"] = deepcopy(targets[f"{GAME}/builds/1"])
    forge.target(BUILDS, f"builds/{ENDLESS}").update(number=ENDLESS, version="newest", rollback_to=ENDLESS)
    forge.target(BUILDS, "builds/newest")["number"] = ENDLESS
    forge.target(CHANNELS, "channels/stable").update(build=ENDLESS, previous=2)
    forge.serve([BUILDS, CHANNELS])
    assert player.update()["build"] == ENDLESS

    steps = (["build", "withdraw", f"{GAME}@#{ENDLESS}"], ["key", "rotate", GAME])
    for step in steps if withdrawn_first else reversed(steps):
        studio.say(*step)
        player.update()
    assert player.has == "two"
    assert [studio.publish(text)["build"] for text in ("three", "four")] == [3, 4]
    player.update()
    assert player.has == "four"
    kept = alone.keep("kept")
    forge = alone.thief(studio, "online").tools()
    forge.target(CHANNELS, "channels/stable")["build"] = 2
    forge.serve([CHANNELS])
    assert player.refuses() == (6, "rollback-refused")
    alone.put_back(kept)
    studio.say("key", "rotate", GAME, "--role", "online")
    studio.publish("five")
    player.update()
    assert player.has == "five"
