"""Taking a build back: nobody installs it any more, and whoever has it may leave it.

The build's document is signed anew with the lower build that its players may go to; channels that point to it go there.
Where no channel has to go back, nobody is allowed to.
"""

from __future__ import annotations

from dataclasses import replace

from chunkstore.errors import Refused
from manifest.documents import FULL_ROLLOUT, Channel, GameState
from manifest.registry import RegistryWriter
from publisher.channels import change_game


def withdraw(registry: RegistryWriter, game: str, number: int) -> tuple[GameState, bool]:
    """Withdraws a build; the state afterwards, and whether it was not withdrawn before.

    Raises `BuildMissing`, `NothingToFallBackTo`, `KeysMissing`, `SignaturesMissing`.
    """
    return change_game(registry, game, lambda state: _without(state, number))


def _without(state: GameState, number: int) -> GameState:
    if state.build(number).withdrawn:
        return state
    builds = {**state.builds, number: replace(state.builds[number], withdrawn=True)}
    left = [other for other, build in builds.items() if not build.withdrawn]
    channels = {name: _moved(channel, number, left) for name, channel in state.channels.items()}
    fallen = [channels[name].build for name, before in state.channels.items() if channels[name].build < before.build]
    if fallen:
        for other in [each for each in builds if each >= number]:
            builds[other] = replace(builds[other], rollback_to=min(builds[other].rollback_to, *fallen))
    return replace(state, channels=channels, builds=builds)


def _moved(channel: Channel, number: int, left: list[int]) -> Channel:
    """The channel without the build: back to the one before, else to the newest below."""
    if number not in _names(channel):
        return channel
    if channel.build != number:  # only players outside the rollout would get it
        return replace(channel, previous=0, rollout=FULL_ROLLOUT, sequence=channel.sequence + 1)
    below = [other for other in left if other < number]
    back = channel.previous if channel.previous in below else max(below, default=0)
    if not back:
        raise NothingToFallBackTo(
            f"channel {channel.name} points to build #{number}, and there is no earlier build that is not withdrawn",
            data={"channel": channel.name, "build": number},
        )
    return replace(
        channel,
        build=back,
        previous=0,
        rollout=FULL_ROLLOUT,
        minimum=min(channel.minimum, back),
        sequence=channel.sequence + 1,
    )


def _names(channel: Channel) -> tuple[int, int]:
    return channel.build, channel.previous


class NothingToFallBackTo(Refused):
    """A build cannot be withdrawn because a channel would have none left."""

    code = "nothing-to-fall-back-to"
    default_cause = "A channel has to point to a build that can be installed."
    default_next = "Publish a better build first, or delete the channel with `lading channel delete`."
