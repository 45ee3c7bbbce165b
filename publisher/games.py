"""Making a game before its first build, so that its scope and the number of its keys can be chosen."""

from __future__ import annotations

from chunkstore.errors import Refused
from manifest.documents import GameMissing, GameState
from manifest.names import check_name
from manifest.registry import RegistryWriter
from manifest.trust.keyplan import KeyPlan
from manifest.trust.overview import keys_named


def create_game(
    registry: RegistryWriter, game: str, scope: str | None, plan: KeyPlan | None, *, dry_run: bool = False
) -> tuple[GameState, bool]:
    """Makes a game without builds; its state, and whether it is new. A scope that is not given is the game's own,
    `plan` says how many keys it gets: one of each kind if it does not say.

    Raises `BadName`, and `ScopeFixed` or `KeysFixed` if the game is there with another scope or other keys.
    """
    check_name(game, "game")
    try:
        state = registry.game(game)
    except GameMissing:
        if dry_run:
            return GameState(game=game, scope=check_name(scope or game, "scope")), True
        return registry.create(game, check_name(scope or game, "scope"), plan or KeyPlan()), True
    if scope not in (None, state.scope):
        raise ScopeFixed(f"the game {game} has the scope {state.scope}, not {scope}", where=game)
    for kind, named in keys_named(state.metadata).items():
        if plan is not None and plan.of(kind) != (len(named.ids), named.threshold):
            raise KeysFixed(f"{named.threshold} of {len(named.ids)} {kind} keys sign the game {game}", where=game)
    return state, False


class ScopeFixed(Refused):
    """A game's scope is settled when the game is made."""

    code = "scope-fixed"
    default_cause = "Chunks, download rights and sweeps of a game all lie in its scope."
    default_next = "Leave --scope out, or create another game."


class KeysFixed(Refused):
    """A game that is there has other keys than it would be made with."""

    code = "keys-fixed"
    default_cause = "Making a game settles how many keys it has and how many of them sign; later they are rotated."
    default_next = "Leave the numbers of keys out, or change them with `lading key rotate`."
