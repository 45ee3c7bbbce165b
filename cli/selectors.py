"""`GAME` and `GAME@SEL`: how words name a game and one of its builds."""

from __future__ import annotations

from collections.abc import Iterable

from manifest.documents import Build, BuildMissing, DepotMissing, GameState
from manifest.names import check_name
from manifest.registry import RegistryReader

STABLE = "stable"
"""The channel that is meant where none is named."""


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


def depots_of(build: Build, names: Iterable[str]) -> list[str]:
    """These depots of a build, or all of them, sorted. Raises `DepotMissing`."""
    wanted = sorted(set(names)) or sorted(build.depots)
    for name in wanted:
        if name not in build.depots:
            known = ", ".join(sorted(build.depots))
            raise DepotMissing(f"build #{build.number} has no depot {name}", next=f"Its depots are {known}.")
    return wanted
