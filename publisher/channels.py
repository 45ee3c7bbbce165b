"""Channels: how a pointer to a build moves, whether a publish moves it or a person does.

Rules over values, and the one loop that makes a change live by compare-and-set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chunkstore.errors import Refused
from chunkstore.store import Conflict
from manifest.documents import FULL_ROLLOUT, Channel, GameState
from manifest.names import check_name
from manifest.registry import RegistryWriter

_TRIES = 10


@dataclass(frozen=True, slots=True)
class ChannelChange:
    """What is wanted of a channel; None leaves a field as it is, but a build that is named is for everybody.

    `rollout` is in basis points, as in `Channel`.
    """

    build: int | None = None
    rollout: int | None = None
    minimum: int | None = None


def pointed(before: Channel | None, name: str, build: int) -> Channel:
    """The channel when it points to `build`, for everybody. A rollout that never ended leaves no trace."""
    if before is None:
        return Channel(name=name, build=build, sequence=1)
    if before.build == build:
        return before
    previous = before.build if before.rollout == FULL_ROLLOUT else before.previous
    return replace(before, build=build, sequence=before.sequence + 1, previous=previous, rollout=FULL_ROLLOUT)


def changed(state: GameState, name: str, change: ChannelChange) -> Channel:
    """The channel after a change. Raises `ChannelMissing`, `BuildMissing`, `BadChannelChange`."""
    before = state.channels.get(check_name(name, "channel"))
    build = state.build(state.channel(name).build if change.build is None else change.build)
    if build.withdrawn:
        raise BadChannelChange(
            f"build #{build.number} was withdrawn: channel {name} cannot point to it",
            where=state.game,
            cause="Nobody installs a build that was withdrawn.",
            next="Choose another build; `lading build list GAME` shows them all.",
        )
    after = pointed(before, name, build.number)
    rollout = after.rollout if change.build is None else FULL_ROLLOUT
    after = replace(
        after,
        rollout=rollout if change.rollout is None else change.rollout,
        minimum=after.minimum if change.minimum is None else change.minimum,
    )
    if after.rollout < FULL_ROLLOUT and not after.previous:
        raise BadChannelChange(
            f"channel {name} has no earlier build for the players outside a rollout",
            where=state.game,
            cause="Whoever is outside the rollout stays on the build that the channel had before.",
            next="Point the channel to a first build for everybody, and roll out the next one.",
        )
    if after.minimum > after.build:
        raise BadChannelChange(
            f"channel {name} cannot demand build #{after.minimum} while it points to #{after.build}",
            where=state.game,
            next=f"Choose a minimum of at most {after.build}, or 0 for none.",
        )
    if before is not None and after != before and after.sequence == before.sequence:
        after = replace(after, sequence=before.sequence + 1)
    return after


def set_channel(registry: RegistryWriter, game: str, name: str, change: ChannelChange) -> tuple[GameState, bool]:
    """Makes a change live; the game's state afterwards, and whether there was anything to change.

    Going back further than the publisher allowed so far allows it, which takes the keys of builds.
    """

    def wanted(state: GameState) -> GameState:
        after = changed(state, name, change)
        return allowing(replace(state, channels={**state.channels, name: after}), state.channels.get(name))

    return change_game(registry, game, wanted)


def delete_channel(registry: RegistryWriter, game: str, name: str) -> GameState:
    """Removes a channel; the game's state afterwards. Raises `ChannelMissing`.

    Players who saw it keep their mark: a channel of this name that is made again may only lead them forward.
    """

    def wanted(state: GameState) -> GameState:
        gone = state.channel(name).name
        return replace(state, channels={key: each for key, each in state.channels.items() if key != gone})

    return change_game(registry, game, wanted)[0]


def allowing(state: GameState, before: Channel | None) -> GameState:
    """`state`, in which whoever saw `before` may follow the channel to where it sends them now.

    Newer builds are of no account unless the channel came back from them: it takes no key to go back from beneath them.
    """
    if before is None:
        return state
    after = state.channels[before.name]
    back = after.build if after.rollout == FULL_ROLLOUT else after.previous
    shrank = after.build != before.build or after.rollout < before.rollout
    if back >= before.build or not shrank:
        return state
    highest = max(before.build, before.previous)
    seen = [build for build in state.builds.values() if build.number <= highest or build.withdrawn]
    if all(build.number <= back or build.rollback_to <= back for build in seen):
        return state
    return replace(
        state,
        builds={
            number: replace(build, rollback_to=back) if number > back and build.rollback_to > back else build
            for number, build in state.builds.items()
        },
    )


def change_game(
    registry: RegistryWriter, game: str, wanted: Callable[[GameState], GameState]
) -> tuple[GameState, bool]:
    """Makes what `wanted` makes of the present state live, tried again when somebody else was first.

    The state afterwards, and whether there was anything to change. Raises `KeysMissing`, `SignaturesMissing`.
    """
    for attempt in range(_TRIES):
        state = registry.whole(game)
        after = wanted(state)
        if after == state:
            return state, False
        try:
            return registry.commit(state, after, lambda: None), True
        except Conflict:
            if attempt == _TRIES - 1:
                raise
    raise RuntimeError("unreachable: the last try returns or raises")


class BadChannelChange(Refused):
    """A channel would point, roll out or demand something that makes no sense for its players."""

    code = "bad-channel-change"
    default_cause = "A minimum build lies at or below the channel's build."
    default_next = "Run `lading channel show GAME CHANNEL --store STORE` and choose other values."
