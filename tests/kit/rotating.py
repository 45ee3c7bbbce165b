"""Keys of a signed game that change: what is asked for, and who signed what afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable

from chunkstore.store import ObjectStore
from manifest.documents import GameState
from manifest.trust.keyfile import HeldKey
from manifest.trust.keyplan import KeyPlan
from manifest.trust.roles import ROOT
from manifest.trust.rotation import KeyChange, rotate
from tests.kit.signedgame import GAME, SignedGame

PLAN = KeyPlan(root_keys=3, root_threshold=2, build_keys=2, build_threshold=1)

Change = Callable[[SignedGame], KeyChange]


def keys_of(game: SignedGame, kind: str) -> list[HeldKey]:
    """The keys of a kind that lie on the publisher's machine."""
    return [key for key in game.pen.keyring.keys(GAME) if key.role == kind]


def one_new(kind: str) -> Change:
    """One key is exchanged for one that is made beforehand."""

    def change(game: SignedGame) -> KeyChange:
        old = keys_of(game, kind)[0].keyid
        return KeyChange(add=(game.pen.keyring.new(GAME, kind).public,), drop=(old,))

    return change


def one_lost(kind: str) -> Change:
    """The same, and the file of the old key is lost."""

    def change(game: SignedGame) -> KeyChange:
        found = one_new(kind)(game)
        game.pen.keyring.forget(next(key for key in keys_of(game, kind) if key.keyid in found.drop))
        return found

    return change


def turn(game: SignedGame, kind: str, change: KeyChange, store: ObjectStore | None = None) -> GameState:
    """The rotation as a command makes it, over this way to the store."""
    registry = game.registry_on(store or game.store)
    return rotate(registry.pen, registry.newest(GAME), kind, change)


def signed_by(state: GameState) -> dict[str, set[str]]:
    """The ids of the keys that signed each role."""
    return {role: {row["keyid"] for row in json.loads(data)["signatures"]} for role, data in state.metadata.items()}


def root_version(state: GameState) -> int:
    """The version of the root that a state was verified by."""
    return json.loads(state.metadata[ROOT])["signed"]["version"]
