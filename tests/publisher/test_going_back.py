"""How far players may be led back: by a withdrawal, by a channel that is moved, by a rollout that shrinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from manifest.documents import FULL_ROLLOUT, Build, Channel, DepotRef, GameState
from manifest.registry import RegistryWriter
from publisher.candidates import Candidate, Release
from publisher.channels import BadChannelChange, ChannelChange, set_channel
from publisher.commit import planned_build
from publisher.withdrawal import NothingToFallBackTo, withdraw

DEPOT = DepotRef("0" * 64, 1, 1, 1, 1)


@dataclass
class Desk:
    """A registry that makes every change live at once."""

    state: GameState

    def whole(self, game: str) -> GameState:
        return self.state

    def commit(self, before: GameState, after: GameState, signed: Callable[[], object]) -> GameState:
        assert before == self.state
        self.state = after
        return after


def game(*channels: Channel, **rollback_to: int) -> GameState:
    """Builds 1 to 6, each of which allows to go back to the one before, but for those that are named as `b3=1`."""
    builds = {
        number: Build(number, str(number), {"main": DEPOT}, 0, rollback_to=rollback_to.get(f"b{number}", number - 1))
        for number in range(1, 7)
    }
    return GameState("toy", "toy", builds=builds, channels={each.name: each for each in channels})


def allowed(state: GameState) -> list[int]:
    """`rollback_to` of all builds."""
    return [state.builds[number].rollback_to for number in sorted(state.builds)]


def withdrawn(state: GameState, *numbers: int) -> GameState:
    desk = Desk(state)
    for number in numbers:
        withdraw(cast(RegistryWriter, desk), "toy", number)
    return desk.state


def moved(state: GameState, **change: Any) -> GameState:
    return set_channel(cast(RegistryWriter, Desk(state)), "toy", "stable", ChannelChange(**change))[0]


def test_a_withdrawal_that_moves_no_channel_lets_nobody_go_back() -> None:
    before = game(Channel("stable", 6, 1, previous=5), b5=1)
    after = withdrawn(before, 4)
    assert after.builds[4].withdrawn
    assert (allowed(after), after.channels) == (allowed(before), before.channels)
    assert after.builds == {**before.builds, 4: replace(before.builds[4], withdrawn=True)}


def test_channels_go_back_to_the_build_before_and_no_further() -> None:
    state = game(Channel("stable", 5, 3, previous=3, minimum=5), Channel("beta", 6, 1), Channel("old", 2, 1))
    after = withdrawn(state, 5)
    assert after.channels["stable"] == Channel("stable", 3, 4, previous=0, minimum=3)
    assert (after.channels["beta"], after.channels["old"]) == (state.channels["beta"], state.channels["old"])
    assert allowed(after) == [0, 1, 2, 3, 3, 3]  # whoever saw 6 on the channel, before it was set back to 5, follows


def test_without_a_build_before_the_newest_below_counts_that_is_not_withdrawn() -> None:
    after = withdrawn(game(Channel("stable", 5, 3, previous=4)), 3, 4, 5)
    assert (after.channels["stable"].build, after.channels["stable"].previous) == (2, 0)
    assert allowed(after) == [0, 1, 2, 3, 2, 2]
    with pytest.raises(NothingToFallBackTo):
        withdrawn(game(Channel("stable", 1, 1)), 1)


def test_a_rollout_ends_when_either_of_its_builds_is_withdrawn() -> None:
    halfway = game(Channel("stable", 6, 3, previous=5, rollout=1000))
    forward, back = withdrawn(halfway, 5), withdrawn(halfway, 6)
    assert forward.channels["stable"] == Channel("stable", 6, 4)
    assert allowed(forward) == allowed(halfway)
    assert back.channels["stable"] == Channel("stable", 5, 4)
    assert allowed(back) == allowed(halfway)


def test_a_channel_that_is_moved_back_may_be_followed() -> None:
    state = game(Channel("stable", 5, 3, previous=4))
    assert allowed(moved(state, build=4)) == allowed(state)
    assert allowed(moved(state, build=2)) == [0, 1, 2, 2, 2, 2]
    assert allowed(moved(state, build=6)) == allowed(state)


def test_whoever_saw_the_newest_follows_step_by_step() -> None:
    """A mark stays where it was: the next step back has to be allowed from there."""
    state = game(Channel("stable", 6, 3, previous=5))
    for build in (5, 4, 3, 2, 1):
        state = moved(state, build=build)
        assert state.builds[6].rollback_to <= build
    state = moved(withdrawn(game(Channel("stable", 6, 3, previous=5)), 6), build=4)
    assert state.builds[6].rollback_to == 4


def test_a_channel_does_not_point_to_a_withdrawn_build() -> None:
    state = withdrawn(game(Channel("stable", 5, 3)), 4)
    with pytest.raises(BadChannelChange):
        moved(state, build=4)


@pytest.mark.parametrize(
    ("channel", "change", "expected"),
    [
        # the channel was at build 5 for everybody, and the others have build 2
        (Channel("stable", 5, 3, previous=2), {"rollout": 1000}, [0, 1, 2, 2, 2, 2]),
        # a share of players has build 5; nobody leaves it
        (Channel("stable", 5, 3, previous=2, rollout=1000), {"rollout": 5000}, None),
        (Channel("stable", 5, 3, previous=2, rollout=1000), {"minimum": 1}, None),
        (Channel("stable", 5, 3, previous=2, rollout=1000), {"rollout": FULL_ROLLOUT}, None),
        # some of them leave it
        (Channel("stable", 5, 3, previous=2, rollout=5000), {"rollout": 1000}, [0, 1, 2, 2, 2, 2]),
        # those who have build 5 and are outside of the new rollout
        (Channel("stable", 5, 3, previous=2, rollout=5000), {"build": 6, "rollout": 10}, [0, 1, 2, 2, 2, 2]),
        (Channel("stable", 5, 3, previous=2), {"build": 6, "rollout": 10}, None),
    ],
)
def test_whoever_a_rollout_leaves_behind_may_go_back(
    channel: Channel, change: dict[str, int], expected: list[int] | None
) -> None:
    state = game(channel)
    assert allowed(moved(state, **change)) == (expected or allowed(state))


@pytest.mark.parametrize(
    ("channel", "parent", "expected"),
    [
        ("stable", None, 3),
        ("stable", 0, 3),
        ("stable", 1, 3),
        (None, None, 6),
        (None, 0, 6),
        (None, 1, 6),
        ("new", 0, 6),
    ],
)
def test_a_new_build_allows_what_players_had_before(channel: str | None, parent: int | None, expected: int) -> None:
    """Whatever it inherits: a build without a parent is no way back to all that ever was."""
    candidate = Candidate("main", DEPOT, Release("2.0", channel, parent=parent), 0)
    assert planned_build(game(Channel("stable", 3, 1)), candidate, 7).rollback_to == expected
