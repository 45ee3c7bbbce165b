"""Clocks that are wrong: a player's, or the studio's, by a month or by fifteen years. The world's goes on as it should.

Whoever has a wrong clock is told by how much, as far as anybody can know it, and all is well once it is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cast import DAY, GAME, Cast, Person, Player
from tests.kit.clock import FakeClock
from tests.kit.disks import unhurried_disk
from tests.kit.webhost import web_host

__all__ = ["unhurried_disk"]

MONTH = 30 * DAY
TO_2040 = 5475 * DAY


@pytest.fixture
def cast(isolated: Path, tmp_path: Path) -> Cast:
    """A studio with two builds."""
    cast = Cast(tmp_path / "cast")
    cast.studio().publish("one")
    cast.studio().publish("two")
    return cast


@pytest.fixture(params=["folder", "web host"])
def player(cast: Cast, request: pytest.FixtureRequest) -> Iterator[Player]:
    """Who has build #1 and a clock of their own, which is right so far."""
    with web_host(cast.store, cast.clock) as host:
        player = cast.player(store=host.url if request.param == "web host" else "")
        player.clock = FakeClock(cast.clock.now())
        player.install("--build", "1")
        yield player


def updates(player: Player) -> list[str]:
    """The warning of an update, which ends well, if there is one."""
    done = player("update", str(player.game), "--store", player.store)
    assert done.exit == 0
    said = [line for line in done.stderr.splitlines() if line.startswith("warning[")]
    assert len(said) <= 1
    return said


def is_set_right(cast: Cast, player: Player) -> None:
    """With a clock that is right again the player goes on, and has every build that comes."""
    player.clock.advance(cast.clock.now() - player.clock.now())
    assert updates(player) == []
    cast.clock.advance(DAY)
    player.clock.advance(DAY)
    cast.studio().publish("three")
    assert updates(player) == []
    assert player.has == "three"


def test_a_month_ahead(cast: Cast, player: Player) -> None:
    """Nothing expires so fast that it would matter."""
    player.clock.advance(MONTH)
    assert updates(player) == []
    assert player.has == "two"
    is_set_right(cast, player)


def test_a_month_behind(cast: Cast, player: Player) -> None:
    player.clock.advance(-MONTH)
    (warning,) = updates(player)
    assert warning.startswith("warning[clock-behind]: the clock of this machine is at least 30 days behind")
    assert player.has == "two"
    assert "30 days" in updates(player)[0], "also if nothing is new"
    is_set_right(cast, player)


def test_in_2040(cast: Cast, player: Player) -> None:
    """A host that tells the date shows that it is the clock; a folder shows how long ago all has expired."""
    told = player.store.startswith("http")
    player.clock.advance(TO_2040)
    assert player.refuses() == ((7, "clock-wrong") if told else (6, "metadata-expired"))
    error = player("update", str(player.game), "--store", player.store).document["error"]
    if told:
        assert "5475 days ahead" in error["message"]
        assert error["data"]["ahead_seconds"] == TO_2040
    else:
        assert "5075 days ago" in error["message"]
        assert error["data"]["expires"] == cast.clock.now() + 400 * DAY
    is_set_right(cast, player)


def test_in_2040_by_demand(cast: Cast, player: Player) -> None:
    player.clock.advance(TO_2040)
    player.update("--accept-stale")
    assert player.has == "two"
    assert player.refuses()[1] in ("clock-wrong", "metadata-expired"), "once is not for ever"
    is_set_right(cast, player)


@pytest.fixture
def studio(cast: Cast) -> Person:
    """With a clock of its own."""
    studio = cast.studio()
    studio.clock = FakeClock(cast.clock.now())
    return studio


def test_a_studio_that_was_ahead_for_once(cast: Cast, player: Player, studio: Person) -> None:
    """Players are told once of a difference, by what they cannot know whose fault it is, and take its builds."""
    studio.clock.advance(300 * DAY)
    studio.publish("three")
    (warning,) = updates(player)
    assert "300 days behind" in warning
    assert player.has == "three"
    studio.clock.advance(-300 * DAY)
    studio.publish("four")
    updates(player)
    assert player.has == "four"
    cast.clock.advance(2 * DAY)
    is_set_right(cast, player)


def test_a_studio_that_was_so_far_behind_that_all_had_expired(cast: Cast, player: Player, studio: Person) -> None:
    """It is told when it publishes; the next renewal makes it good."""
    studio.clock.advance(-500 * DAY)
    done = studio("channel", "set", GAME, "beta", "--build", "1", "--store", studio.store)
    assert (done.exit, "500 days behind" in done.stderr) == (0, True)
    assert player.refuses() == (6, "metadata-expired")
    studio.clock.advance(500 * DAY)
    studio.refresh("", "--accept-stale")
    assert updates(player) == []
    assert player.has == "two"
    is_set_right(cast, player)
