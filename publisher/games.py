"""Making a game before its first build, so that its scope can be chosen."""

from __future__ import annotations

from chunkstore.errors import Refused
from manifest.documents import GameMissing, GameState
from manifest.names import check_name
from manifest.registry import RegistryWriter
from manifest.trust.keyplan import KeyPlan


def create_game(
    registry: RegistryWriter, game: str, scope: str | None, plan: KeyPlan, *, dry_run: bool = False
) -> tuple[GameState, bool]:
    """Makes a game without builds; its state, and whether it is new. A scope that is not given is the game's own,
    `plan` says how many keys it gets.

    Raises `BadName`, and `ScopeFixed` if the game is there with another scope.
    """
    check_name(game, "game")
    try:
        state = registry.game(game)
    except GameMissing:
        if dry_run:
            return GameState(game=game, scope=check_name(scope or game, "scope")), True
        return registry.create(game, check_name(scope or game, "scope"), plan), True
    if scope not in (None, state.scope):
        raise ScopeFixed(f"the game {game} has the scope {state.scope}, not {scope}", where=game)
    return state, False


class ScopeFixed(Refused):
    """A game's scope is settled when the game is made."""

    code = "scope-fixed"
    default_cause = "Chunks, download rights and sweeps of a game all lie in its scope."
    default_next = "Leave --scope out, or create another game."
