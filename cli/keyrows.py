"""Keys as the result document shows them and as people read them: one form for every command.

The words of a signing command may hold secrets: only the program is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manifest.trust.keyfile import HeldKey
from manifest.trust.overview import KeysNamed

SHORT = 12
"""Digits of a key's id that tell it apart for people."""


def key_row(key: HeldKey, named: Mapping[str, KeysNamed] | None = None) -> dict[str, Any]:
    """A key of this machine. `named` are the keys that the game's metadata names, where it could be read."""
    kind = named.get(key.role) if named else None
    return {
        "game": key.game or None,
        "role": key.role,
        "keyid": key.keyid,
        "public": key.public.hex(),
        "path": str(key.path),
        "command": key.command[0] if key.command else None,
        "passphrase": key.encrypted,
        "backed_up": key.backed_up,
        "in_use": key.keyid in kind.ids if kind else None,
        "threshold": kind.threshold if kind else None,
        "keys": len(kind.ids) if kind else None,
    }


def key_line(row: Mapping[str, Any]) -> str:
    """A key on two lines: what it is, and where it lies."""
    said = [f"{row['role']:<8} {row['keyid'][:SHORT]}"]
    if row["in_use"] is not None:
        said.append(f"in use, {row['threshold']} of {row['keys']} sign" if row["in_use"] else "not in use")
    if row["command"]:
        said.append(f"signs by {row['command']}")
    else:
        said.append("backed up" if row["backed_up"] else "no backup")
        said += ["with a passphrase"] if row["passphrase"] else []
    name = row["game"] or "the registry"
    return f"{name}: {', '.join(said)}\n  {row['path']}"
