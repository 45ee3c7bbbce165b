"""How a channel moves: what stays, what is reset, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chunkstore.store import Conflict
from chunkstore.wrappers.fault import FaultyStore, fail_before
from manifest.documents import FULL_ROLLOUT, Build, BuildMissing, Channel, ChannelMissing, DepotRef, GameState
from manifest.trust.keyplan import KeyPlan
from publisher.channels import BadChannelChange, ChannelChange, changed, delete_channel, pointed, set_channel
from tests.kit.rig import Rig

DEPOT = DepotRef("0" * 64, 1, 1, 1, 1)
BUILDS = {number: Build(number, str(number), {"main": DEPOT}, 0) for number in (1, 2, 3)}
STATE = GameState("toy", "toy", builds=BUILDS, channels={"stable": Channel("stable", build=2, sequence=4, previous=1)})


def test_another_build_is_for_everybody_and_the_one_before_is_remembered() -> None:
    halfway = replace(STATE.channels["stable"], rollout=1000, minimum=1)
    assert pointed(STATE.channels["stable"], "stable", 3) == Channel("stable", 3, 5, previous=2)
    assert pointed(halfway, "stable", 3) == Channel("stable", 3, 5, previous=1, minimum=1)
    assert pointed(None, "new", 3) == Channel("new", 3, 1)
    assert pointed(halfway, "stable", 2) == halfway


def test_what_is_not_named_stays() -> None:
    channel = changed(STATE, "stable", ChannelChange(rollout=2500))
    assert channel == Channel("stable", build=2, sequence=5, previous=1, rollout=2500)
    assert changed(STATE, "stable", ChannelChange(minimum=2)).rollout == FULL_ROLLOUT
    assert changed(STATE, "stable", ChannelChange()) == STATE.channels["stable"]
    both = changed(STATE, "stable", ChannelChange(build=3, rollout=500))
    assert (both.build, both.previous, both.rollout, both.sequence) == (3, 2, 500, 5)


def test_naming_the_build_that_is_rolled_out_ends_the_rollout() -> None:
    halfway = replace(STATE, channels={"stable": replace(STATE.channels["stable"], rollout=1000)})
    assert changed(halfway, "stable", ChannelChange(build=2)) == Channel("stable", build=2, sequence=5, previous=1)
    assert changed(halfway, "stable", ChannelChange(build=2, rollout=1000)) == halfway.channels["stable"]
    assert changed(halfway, "stable", ChannelChange(minimum=1)).rollout == 1000


@pytest.mark.parametrize(
    ("name", "change", "error"),
    [
        ("stable", ChannelChange(build=9), BuildMissing),
        ("beta", ChannelChange(rollout=10), ChannelMissing),
        ("beta", ChannelChange(build=3, rollout=10), BadChannelChange),
        ("stable", ChannelChange(minimum=3), BadChannelChange),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, change: ChannelChange, error: type[Exception]) -> None:
    with pytest.raises(error):
        changed(STATE, name, change)


def test_a_change_is_made_on_top_of_what_somebody_else_did(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    made = rig.registry().create("toy", "toy", KeyPlan())
    rig.registry().commit(made, replace(made, builds=BUILDS, channels=STATE.channels), lambda: None)
    faulty = FaultyStore(rig.store, [fail_before("replace", 1, Conflict("somebody else"))])
    state, moved = set_channel(rig.registry(faulty), "toy", "beta", ChannelChange(build=1))
    assert moved
    assert state == rig.registry().whole("toy")
    assert set(state.channels) == {"stable", "beta"}
    faulty.assert_exhausted()
    assert set_channel(rig.registry(), "toy", "beta", ChannelChange(build=1)) == (state, False)


def test_a_channel_is_deleted_and_another_stays(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    made = rig.registry().create("toy", "toy", KeyPlan())
    channels = {**STATE.channels, "beta": Channel("beta", 3, 1)}
    before = rig.registry().commit(made, replace(made, builds=BUILDS, channels=channels), lambda: None)
    after = delete_channel(rig.registry(), "toy", "beta")
    assert (after.channels, after.builds, after.version) == (STATE.channels, BUILDS, before.version + 1)
    assert after == rig.registry().whole("toy")
    with pytest.raises(ChannelMissing):
        delete_channel(rig.registry(), "toy", "beta")
    assert rig.registry().whole("toy") == after


def test_a_race_that_is_never_won_is_a_named_conflict(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    made = rig.registry().create("toy", "toy", KeyPlan())
    before = rig.registry().commit(made, replace(made, builds=BUILDS, channels=STATE.channels), lambda: None)
    faulty = FaultyStore(rig.store, [fail_before("replace", call, Conflict("somebody else")) for call in range(1, 40)])
    with pytest.raises(Conflict):
        set_channel(rig.registry(faulty), "toy", "beta", ChannelChange(build=1))
    assert 1 < faulty.calls("replace") < 39
    assert rig.registry().whole("toy") == before
