"""Keys are stolen: what the thief can do with them, what players refuse, and how a rotation ends it.

Each story goes on until a good update of the same player works again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from manifest.trust.roles import BUILDS, CHANNELS, SNAPSHOT
from tests.kit.cast import DAY, GAME, Cast, Refusal, Thief
from tests.kit.disks import unhurried_disk
from tests.kit.published import isolate

__all__ = ["unhurried_disk"]

ENDLESS = 2**53 - 2
"""The highest number but one that a reader takes."""

SIGNATURE = (6, "bad-signature")
ROLLBACK = (6, "metadata-rollback")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio with three builds on `stable`, and a player who has the third; a copy of the store of a build before."""
    cast = Cast(tmp_path_factory.mktemp("made") / "cast")
    with pytest.MonkeyPatch.context() as environment:
        isolate(environment, cast.folder)
        cast.studio().publish("one")
        cast.studio().publish("two")
        cast.keep("yesterday")
        cast.studio().publish("three")
        cast.player().install()
    return cast.folder


@pytest.fixture
def cast(made: Path, isolated: Path, tmp_path: Path) -> Cast:
    """The same people, in a folder of this test."""
    shutil.copytree(made, tmp_path / "cast", symlinks=True)
    return Cast(tmp_path / "cast")


# The online key


def invents_a_build(thief: Thief) -> None:
    forge = thief.tools()
    targets = forge.signed(BUILDS)["targets"]
    targets[f"{GAME}/builds/4"] = deepcopy(targets[f"{GAME}/builds/3"])
    forge.target(BUILDS, "builds/4").update(number=4, version="4")
    forge.target(BUILDS, "builds/newest")["number"] = 4
    forge.target(CHANNELS, "channels/stable")["build"] = 4
    forge.write(BUILDS, by=forge.keys["online"])
    forge.serve([CHANNELS])


def changes_a_build(thief: Thief) -> None:
    forge = thief.tools()
    forge.target(BUILDS, "builds/3")["depots"] = deepcopy(forge.target(BUILDS, "builds/1")["depots"])
    forge.write(BUILDS, by=forge.keys["online"])
    forge.serve()


def leads_back(thief: Thief) -> None:
    """To a build that the publisher does not let those go back to who have the third."""
    forge = thief.tools()
    forge.target(CHANNELS, "channels/stable")["build"] = 1
    forge.serve([CHANNELS])


def serves_older_builds(thief: Thief) -> None:
    """Signed by their publisher, long ago."""
    forge = thief.tools()
    store = Path(thief.store, "tuf", GAME)
    version = forge.signed(BUILDS)["version"]
    forge.signed(BUILDS)["version"] = version - 1
    forge.list(BUILDS, (store / f"{version - 1}.{BUILDS}.json").read_bytes())
    forge.serve()


def serves_older_channels(thief: Thief) -> None:
    forge = thief.tools()
    store = Path(thief.store, "tuf", GAME)
    version = forge.signed(CHANNELS)["version"]
    forge.signed(CHANNELS)["version"] = version - 1
    forge.list(CHANNELS, (store / f"{version - 1}.{CHANNELS}.json").read_bytes())
    forge.serve()


def deletes_history(thief: Thief) -> None:
    forge = thief.tools()
    del forge.signed(SNAPSHOT)["meta"][f"{BUILDS}.json"]
    forge.serve()


def deletes_the_channel(thief: Thief) -> None:
    thief.say("channel", "delete", GAME, "stable")


def points_to_nothing(thief: Thief) -> None:
    forge = thief.tools()
    forge.target(CHANNELS, "channels/stable")["build"] = 4
    forge.serve([CHANNELS])


def serves_yesterday(thief: Thief) -> None:
    shutil.copy(Path(thief.store).parent / "yesterday/tuf" / GAME / "timestamp.json", Path(thief.store, "tuf", GAME))


ATTEMPTS: dict[Callable[[Thief], None], Refusal] = {
    invents_a_build: SIGNATURE,
    changes_a_build: SIGNATURE,
    leads_back: (6, "rollback-refused"),
    serves_older_builds: ROLLBACK,
    serves_older_channels: ROLLBACK,
    deletes_history: (6, "bad-metadata"),
    deletes_the_channel: (5, "channel-missing"),
    points_to_nothing: (5, "build-missing"),
    serves_yesterday: ROLLBACK,
}


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.__name__)
def test_what_the_online_key_cannot_do(cast: Cast, attempt: Callable[[Thief], None]) -> None:
    """And after it was changed it can do nothing more; whoever kept a copy of the store puts it back."""
    studio, player, thief = cast.studio(), cast.player(), cast.thief(cast.studio(), "online")
    kept = cast.keep("kept")

    attempt(thief)
    assert player.refuses() == ATTEMPTS[attempt]
    assert player.refuses() == ATTEMPTS[attempt], "asking again makes it no better"

    cast.put_back(kept)
    studio.say("key", "rotate", GAME, "--role", "online")
    assert player.finds_nothing_new()
    studio.publish("four")
    player.update()
    assert player.has == "four"


SAID_BY_THE_PROGRAM = (
    ["build", "withdraw", f"{GAME}@#3"],
    ["channel", "set", GAME, "stable", "--build", "1"],
    ["channel", "set", GAME, "fresh", "--build", "9"],
    ["key", "rotate", GAME],
    ["key", "rotate", GAME, "--role", "online"],
)


def test_the_program_does_not_help_a_thief(cast: Cast) -> None:
    thief = cast.thief(cast.studio(), "online")
    said = [thief.cannot(*words) for words in SAID_BY_THE_PROGRAM]
    assert said == [(4, "keys-missing")] * 2 + [(5, "build-missing")] + [(4, "keys-missing")] * 2
    thief.publish("of the thief", "--candidate")
    assert thief.cannot("build", "sign", f"{GAME}@#4") == (4, "keys-missing")
    assert cast.player().finds_nothing_new()


def allowed_one_step_back(thief: Thief) -> None:
    thief.say("channel", "set", GAME, "stable", "--build", "2")


def allowed_a_build_for_testers(thief: Thief) -> None:
    thief.say("channel", "set", GAME, "stable", "--build", "4")


@pytest.mark.parametrize(
    ("deed", "text"), [(allowed_one_step_back, "two"), (allowed_a_build_for_testers, "for testers")]
)
def test_what_the_online_key_can_do_until_it_is_changed(cast: Cast, deed: Callable[[Thief], None], text: str) -> None:
    """It hands out what the publisher signed: a step back, as far as every build allows, or one meant for others."""
    studio, player, thief = cast.studio(), cast.player(), cast.thief(cast.studio(), "online")
    studio.publish("for testers", "--channel", "beta")
    deed(thief)
    player.update()
    assert player.has == text

    studio.say("key", "rotate", GAME, "--role", "online")
    studio.say("channel", "set", GAME, "stable", "--build", "4")
    player.update()
    assert player.has == "for testers"
    kept = cast.keep("kept")
    assert thief.cannot("channel", "set", GAME, "stable", "--build", "3") == (4, "keys-missing")
    forge = thief.tools()
    forge.target(CHANNELS, "channels/stable")["build"] = 3
    forge.serve([CHANNELS])
    assert player.refuses() == SIGNATURE
    cast.put_back(kept)
    studio.publish("five")
    player.update()
    assert player.has == "five"


def test_a_thief_holds_updates_back_until_the_key_is_changed(cast: Cast) -> None:
    """An old state that is dated anew is nothing new to players, for as long as the publisher's signatures last."""
    studio, thief, held = cast.studio(), cast.thief(cast.studio(), "online"), cast.keep("held")
    player = cast.player(store=str(held))
    studio.publish("four")
    for _ in range(3):
        cast.clock.advance(190 * DAY)
        thief.refresh(str(held))
        assert player.finds_nothing_new()
        studio.refresh()

    studio.say("key", "rotate", GAME, "--role", "online")
    for root in Path(studio.store, "tuf", GAME).glob("*.root.json"):  # whoever shows them to players ends it himself
        shutil.copy(root, held / "tuf" / GAME)
    cast.clock.advance(DAY)  # when nothing is new, roots are looked for once a day
    assert player.refuses() == SIGNATURE
    player = cast.player()
    player.update()
    assert player.has == "four"
    player.store = str(held)
    assert player.refuses() == SIGNATURE


def test_who_has_no_key_holds_updates_back_until_they_expire(cast: Cast) -> None:
    studio, held = cast.studio(), cast.keep("held")
    player = cast.player(store=str(held))
    studio.publish("four")
    cast.clock.advance(399 * DAY)
    studio.refresh()
    assert player.finds_nothing_new()
    cast.clock.advance(2 * DAY)
    assert player.refuses() == (6, "metadata-expired")
    player = cast.player()
    player.update()
    assert player.has == "four"
    player.store = str(held)
    assert player.refuses("--accept-stale") == ROLLBACK
