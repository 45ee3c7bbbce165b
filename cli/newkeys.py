"""What has to be said when a game was made with new keys: where they lie, how to keep them, what players know it by."""

from __future__ import annotations

from collections.abc import Mapping

from manifest.bare import BareRegistry


def new_keys(registry: BareRegistry, game: str) -> dict[str, str]:
    """The folder of the keys of a game that was just made, and its pin."""
    return {"keys": str(registry.pen.keyring.folder / game), "pin": str(registry.pin(game))}


def new_keys_text(game: str, keys: Mapping[str, str]) -> str:
    """The same for people."""
    return "\n".join(
        [
            f"Its keys were made now and lie in {keys['keys']}.",
            f"Without them nobody can publish {game} any more: keep a copy elsewhere, with",
            f"  lading key backup {game} --to FILE",
            "Give players this pin, so that they know the game from any other:",
            f"  {keys['pin']}",
        ]
    )
