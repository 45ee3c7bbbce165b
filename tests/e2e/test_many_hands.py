"""Builds that machines without keys make and several people sign, from the source folder to the player."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.cast import GAME, Cast, Person, Player
from tests.kit.disks import unhurried_disk

__all__ = ["unhurried_disk"]

DEPOTS = ("data", "main", "voices")


@pytest.fixture
def cast(isolated: Path, tmp_path: Path) -> Cast:
    """A studio and a partner who have to sign builds together, and a player who has the first of three depots."""
    cast = Cast(tmp_path / "cast")
    studio, partner = cast.studio(), cast.studio("partner")
    studio.say("game", "create", GAME, "--build-keys", "2", "--build-threshold", "2")
    for depot in DEPOTS:
        studio.publish("first", "--no-channel", depot=depot)
    studio.say("build", "promote", f"{GAME}@#3", "stable")
    _, second = studio.key_files("builds")
    studio.give(partner, second.stem, "online", "pin")
    second.unlink()
    cast.player().install(trust=studio.pin())
    return cast


@pytest.fixture
def player(cast: Cast) -> Player:
    return cast.player()


def job(cast: Cast, name: str) -> Person:
    """A machine that is made for one job and has nothing."""
    machine = cast.studio(f"job {name}")
    assert not machine.state.exists()
    return machine


def signed(person: Person, build: int) -> dict[str, Any]:
    return person.say("build", "sign", f"{GAME}@#{build}")


def texts(player: Player) -> dict[str, str]:
    return {depot: (player.game / f"{depot}.txt").read_text() for depot in DEPOTS}


def test_three_jobs_build_three_depots_that_two_people_sign(cast: Cast, player: Player) -> None:
    """Each is a build that has all depots; players see none before the last is promoted, and then that one whole."""
    studio, partner = cast.studio(), cast.studio("partner")
    sealed = []
    for depot in DEPOTS:
        done = job(cast, depot).publish("second", "--candidate", "--no-channel", depot=depot)
        assert (done["state"], done["created"]) == ("sealed", True)
        sealed.append(done["build"])
    assert sealed == [4, 5, 6]
    assert player.finds_nothing_new()

    for build in sealed:
        assert studio.say("build", "show", f"{GAME}@#{build}")["state"] == "sealed"
        assert signed(studio, build)["state"] == "sealed"
        assert signed(partner, build)["state"] == "live"
        assert player.finds_nothing_new()
    partner.say("build", "promote", f"{GAME}@#6", "stable")
    player.update()
    assert texts(player) == dict.fromkeys(DEPOTS, "second")


def test_whoever_signs_ahead_signs_again_what_others_overtook(cast: Cast, player: Player) -> None:
    """A signature is for a build on top of what was live; the second time it fits."""
    studio, partner = cast.studio(), cast.studio("partner")
    for depot in ("data", "main"):
        job(cast, depot).publish("second", "--candidate", depot=depot)
    assert [signed(studio, build)["state"] for build in (4, 5)] == ["sealed", "sealed"]
    assert signed(partner, 4)["state"] == "live"
    assert signed(partner, 5)["signatures"] == 1
    assert signed(studio, 5)["state"] == "live"
    player.update()
    assert texts(player) == {"data": "second", "main": "second", "voices": "first"}


def test_each_of_several_changes_can_be_completed(cast: Cast, player: Player) -> None:
    """What one leaves waiting keeps no other change from being signed, by whatever words it is made."""
    studio, partner = cast.studio(), cast.studio("partner")
    job(cast, "a").publish("second", "--candidate")
    job(cast, "b").publish("third", "--candidate")
    for build in (4, 5):
        signed(studio, build)
    assert studio.say("build", "withdraw", f"{GAME}@#3")["changed"] is False
    assert signed(partner, 5)["state"] == "live"
    player.update()
    assert texts(player)["main"] == "third"
    assert studio.say("build", "withdraw", f"{GAME}@#5")["changed"] is False
    assert partner.say("build", "withdraw", f"{GAME}@#5")["changed"] is True
    player.update()
    assert texts(player)["main"] == "first"
    signed(studio, 4)
    assert signed(partner, 4)["state"] == "live"
    player.update()
    assert texts(player)["main"] == "second"


def test_a_job_can_neither_sign_nor_overwrite(cast: Cast, player: Player) -> None:
    """Somebody who took it over can leave candidates, and nothing else."""
    machine = job(cast, "taken over")
    refused = [
        machine.cannot("publish", str(cast.studio().home / "source" / "main"), GAME, "--version", "9"),
        machine.cannot("build", "promote", f"{GAME}@#1", "stable"),
        machine.cannot("build", "withdraw", f"{GAME}@#3"),
        machine.cannot("channel", "delete", GAME, "stable"),
        machine.cannot("key", "rotate", GAME),
    ]
    assert refused == [(4, "keys-missing")] * 5
    machine.publish("of somebody else", "--candidate")
    assert machine.cannot("build", "sign", f"{GAME}@#4") == (4, "keys-missing")
    assert player.finds_nothing_new()
    shown = cast.studio().say("build", "show", f"{GAME}@#4")
    assert shown["state"] == "sealed"
    assert shown["changes"]["changed"] == 1
