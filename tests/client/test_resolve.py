"""Which build is meant: by channel, rollout, label or number; and which of its depots."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from client.resolve import BuildWithdrawn, choose_depots, rolled_out
from manifest.documents import Build, BuildMissing, Channel, ChannelMissing, DepotMissing, DepotRef
from manifest.trust.reading import RollbackRefused
from publisher.candidates import Release
from publisher.channels import ChannelChange, set_channel
from publisher.withdrawal import withdraw
from tests.kit.game import Entry
from tests.kit.rig import GAME, Rig

PLAYERS = [number.to_bytes(16, "big").hex() for number in range(1000)]


def reached(rollout: int, build: int = 7) -> set[str]:
    """The players to whom the channel shows its new build."""
    channel = Channel("stable", build, sequence=2, previous=5, rollout=rollout)
    shown = {player: rolled_out(channel, player) for player in PLAYERS}
    assert set(shown.values()) <= {5, build}
    return {player for player, number in shown.items() if number == build}


def test_a_rollout_reaches_its_share_and_takes_nobody_back() -> None:
    """Widening it only adds players; another build draws another lot."""
    shares = [reached(basis_points) for basis_points in (0, 100, 2500, 5000, 10_000)]
    assert all(fewer <= more for fewer, more in pairwise(shares))
    sizes = [len(share) for share in shares]
    assert (sizes[0], sizes[-1]) == (0, len(PLAYERS))
    assert 200 < sizes[2] < 300
    assert reached(2500, build=8) != reached(2500, build=7)


def test_without_an_earlier_build_a_rollout_reaches_all() -> None:
    assert rolled_out(Channel("stable", 1, sequence=1, rollout=1), PLAYERS[0]) == 1


def test_a_rollout_leaves_nobody_below_the_minimum() -> None:
    """Contract: a channel's minimum is a forced update."""
    channel = Channel("stable", 7, sequence=2, previous=5, rollout=0)
    for minimum, shown in ((0, 5), (5, 5), (6, 7), (7, 7)):
        assert {rolled_out(replace(channel, minimum=minimum), player) for player in PLAYERS} == {shown}


def ref(platform: str = "any", *, optional: bool = False) -> DepotRef:
    return DepotRef("00" * 32, 0, 0, 0, 0, platform, optional=optional)


BUILD = Build(1, "1", {"main": ref(), "win": ref("windows"), "lin": ref("linux"), "hd": ref(optional=True)}, 0)


@pytest.mark.parametrize(
    ("asked", "system", "chosen"),
    [
        ([], "linux", ["lin", "main"]),
        ([], "windows", ["main", "win"]),
        ([], "macos", ["main"]),
        (["hd", "main", "hd"], "linux", ["hd", "main"]),
        (["win"], "linux", ["win"]),
    ],
)
def test_depots(asked: list[str], system: str, chosen: list[str]) -> None:
    """Contract: install takes every depot that is not optional and fits this system, unless some are named."""
    assert choose_depots(BUILD, asked, system) == chosen


def test_depots_that_are_not_there() -> None:
    with pytest.raises(DepotMissing):
        choose_depots(BUILD, ["main", "uhd"], "linux")
    with pytest.raises(DepotMissing):
        choose_depots(Build(1, "1", {"win": ref("windows")}, 0), [], "linux")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Builds 1 to 3 on `stable`, 4 on `beta`; build 2 is called `two`."""
    rig = Rig(tmp_path)
    for number, (version, channel) in enumerate(
        [(None, "stable"), ("two", "stable"), (None, "stable"), (None, "beta")]
    ):
        rig.publish({"file": Entry(b"%d" % (number + 1))}, release=Release(version, channel))
    return rig


def test_a_channel_is_kept_and_a_single_build_is_not(rig: Rig) -> None:
    """Contract: --channel switches for good, --version and --build apply once."""
    player = rig.player()
    assert player.install().build.number == 3
    assert player.update(channel="beta").build.number == 4
    assert not player.update().changed
    assert player.update(build=1).build.number == 1
    assert player.update(version="two").build.number == 2
    assert player.update().build.number == 4
    assert player.tree() == {"file": Entry(b"4")}
    record = player.status().record
    assert record is not None
    assert (record.channel, record.build, record.previous, record.version) == ("beta", 4, 2, "4")


def test_what_is_not_there_is_named_and_nothing_changes(rig: Rig) -> None:
    player = rig.player()
    with pytest.raises(ChannelMissing):
        player.install(channel="nightly")
    assert not player.root.exists()
    player.install()
    for aim in ({"build": 9}, {"version": "nine"}):
        with pytest.raises(BuildMissing):
            player.update(**aim)
    with pytest.raises(ChannelMissing):
        player.update(channel="nightly")
    assert not player.update().changed


def test_a_build_that_was_withdrawn_is_left_and_not_come_back_to(rig: Rig) -> None:
    """Whoever has it follows the channel back; asked for by number or label it is refused, and nothing changes."""
    player = rig.player()
    assert player.install().build.number == 3
    withdraw(rig.registry(), GAME, 3)
    for aim in ({"build": 3}, {"version": "3"}):
        with pytest.raises(BuildWithdrawn):
            player.update(**aim)
    assert player.tree() == {"file": Entry(b"3")}
    assert player.update().build.number == 2
    assert player.tree() == {"file": Entry(b"2")}
    with pytest.raises(BuildWithdrawn):
        rig.player("another").install(build=3)


def test_a_channel_that_went_back_further_than_was_allowed_is_not_followed(rig: Rig) -> None:
    """A publish allows one step back; who has seen more refuses, and a build that is named is a choice of its own."""
    player = rig.player()
    player.install()
    registry = rig.registry()
    before = registry.whole(GAME)
    stable = replace(before.channels["stable"], build=1, sequence=4)
    registry.commit(before, replace(before, channels={**before.channels, "stable": stable}), lambda: None)
    with pytest.raises(RollbackRefused):
        player.update()
    assert player.tree() == {"file": Entry(b"3")}
    assert player.update(build=1).build.number == 1
    assert rig.player("newcomer").install().build.number == 1


def test_a_build_that_came_by_its_number_is_no_mark(tmp_path: Path) -> None:
    """Nobody saw it on the channel, which is made later and points to an older one."""
    rig = Rig(tmp_path)
    for text in (b"one", b"two", b"three"):
        rig.publish({"a": Entry(text)}, channel=None)
    player = rig.player()
    player.install(build=3)
    set_channel(rig.registry(), GAME, "stable", ChannelChange(build=1))
    assert player.update().build.number == 1


def test_where_all_marks_are_lost_what_is_installed_is_one(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for text in (b"one", b"two"):
        rig.publish({"a": Entry(text)})
    older = rig.copy(tmp_path / "older")
    rig.publish({"a": Entry(b"three")})
    player = rig.player()
    player.install()
    shutil.rmtree(player.state)
    player.store = older.store
    with pytest.raises(RollbackRefused):
        player.update()
