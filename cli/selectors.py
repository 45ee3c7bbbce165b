"""`GAME` and `GAME@SEL`: how words name a game and one of its builds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from manifest.documents import Build, BuildMissing, DepotMissing, GameState
from manifest.events import EventSink
from manifest.names import check_name
from manifest.registry import RegistryReader, RegistryWriter

if TYPE_CHECKING:
    from publisher.candidates import Candidate

STABLE = "stable"
"""The channel that is meant where none is named."""

_NUMBER = re.compile(r"#[0-9]{1,16}")


def build_of(registry: RegistryReader, words: str) -> tuple[GameState, Build]:
    """The game and the build that `GAME@SEL` names. Without SEL: the stable channel's, else the newest.

    Raises `BadName`, `GameMissing`, `BuildMissing`, `ChannelMissing`.
    """
    name, _, selector = words.partition("@")
    state = registry.game(check_name(name, "game"))
    if not selector and state.builds and STABLE not in state.channels:
        return state, state.build(max(state.builds))
    selector = selector or f"@{STABLE}"
    try:
        return state, state.select(selector)
    except BuildMissing:  # the newest are read first
        state = registry.whole(state.game)
        return state, state.select(selector)


def any_build(registry: RegistryWriter, words: str, sink: EventSink) -> tuple[GameState, Build, Candidate | None]:
    """As `build_of`, also of the builds that wait to be signed: such a one is as it would be if it were signed now.

    With its candidate. Raises what `build_of` raises.
    """
    from publisher.candidates import live_as, read_candidate, waiting
    from publisher.commit import planned_build

    try:
        return *build_of(registry, words), None
    except BuildMissing:
        game, _, selector = words.partition("@")
        state = registry.whole(game)
        if _NUMBER.fullmatch(selector):
            number = int(selector[1:])
            candidate = read_candidate(registry, game, number)
        else:
            labelled = [row for row in waiting(registry, state, sink) if row[1].release.version == selector]
            if not labelled:
                raise
            number, candidate = labelled[-1]
    became = live_as(state, number, candidate)
    return (state, became, None) if became else (state, planned_build(state, candidate, number), candidate)


def live_build(registry: RegistryWriter, words: str, sink: EventSink) -> tuple[GameState, Build]:
    """As `build_of`, with every build of the game, and a better word for one that waits to be signed."""
    state, found, candidate = any_build(registry, words, sink)
    if candidate is not None:
        raise BuildMissing(
            f"build #{found.number} of {state.game} is not live",
            where=state.game,
            cause="It was sealed, and waits for its publisher's signature.",
            next=f"Run `lading build sign {state.game}@#{found.number}` where the keys are.",
        )
    return registry.whole(state.game), found


def depots_of(build: Build, names: Iterable[str]) -> list[str]:
    """These depots of a build, or all of them, sorted. Raises `DepotMissing`."""
    wanted = sorted(set(names)) or sorted(build.depots)
    for name in wanted:
        if name not in build.depots:
            known = ", ".join(sorted(build.depots))
            raise DepotMissing(f"build #{build.number} has no depot {name}", next=f"Its depots are {known}.")
    return wanted
