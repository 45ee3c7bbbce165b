"""Changing the keys of a game as a command does it: whose keys are meant, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.keyrows import SHORT
from cli.rows import table
from cli.words import Usage
from manifest.documents import GameState
from manifest.trust.keyfile import ROLES_OF_KEYS, HeldKey
from manifest.trust.overview import KeysNamed, keys_named, newest_root
from manifest.trust.pins import RootPin
from manifest.trust.rotation import KeyChange, begin_anew, rotate
from manifest.trust.writing import Pen

FEWEST_DIGITS = 8
"""So many digits of a key's id are taken for it."""


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """The keys before and after, by kind, those that were made here, and the pin of the newest root."""

    before: Mapping[str, KeysNamed]
    after: Mapping[str, KeysNamed]
    made: Sequence[HeldKey]
    pin: RootPin

    def added(self, kind: str) -> list[str]:
        """The ids of keys that are trusted now and were not before."""
        return sorted({*self.after[kind].ids} - {*self.before[kind].ids})

    def dropped(self, kind: str) -> list[str]:
        """The ids of keys that are trusted no more."""
        return sorted({*self.before[kind].ids} - {*self.after[kind].ids})


def change_keys(pen: Pen, state: GameState, kinds: Sequence[str], change: KeyChange) -> KeysChanged:
    """Makes a change for each of these kinds of keys. `state` is whole."""
    before, held = keys_named(state.metadata), _ids(pen, state.game)
    for kind in kinds:
        state = rotate(pen, state, kind, change)
    return KeysChanged(before, keys_named(state.metadata), _made(pen, state.game, held), newest_root(state.metadata))


def replace_all(pen: Pen, state: GameState) -> KeysChanged:
    """Makes every key anew, without those of the root. `state` is whole."""
    before, held = keys_named(state.metadata), _ids(pen, state.game)
    pin = begin_anew(pen, state)
    made = _made(pen, state.game, held)
    after = {
        kind: KeysNamed(tuple(key.keyid for key in made if key.role == kind), before[kind].threshold)
        for kind in ROLES_OF_KEYS
    }
    return KeysChanged(before, after, made, pin)


def full_id(state: GameState, kind: str, digits: str) -> str:
    """The id of the key of this kind that begins with these digits; the digits themselves if there is no such key.

    A few digits, or the nothing of a variable that is not set, name no key.
    """
    if len(digits) < FEWEST_DIGITS:
        raise Usage(f"{digits!r:.70} names no key", next=f"Give at least {FEWEST_DIGITS} digits of its id.")
    found = [keyid for keyid in keys_named(state.metadata)[kind].ids if keyid.startswith(digits)]
    return found[0] if len(found) == 1 else digits


def _ids(pen: Pen, game: str) -> set[str]:
    return {key.keyid for key in pen.keyring.keys(game)}


def _made(pen: Pen, game: str, before: set[str]) -> list[HeldKey]:
    return [key for key in pen.keyring.keys(game) if key.keyid not in before]


def change_row(changed: KeysChanged) -> dict[str, Any]:
    """What became of the keys, as the result document shows it."""
    roles = {
        kind: {
            "keys": list(after.ids),
            "threshold": after.threshold,
            "added": changed.added(kind),
            "dropped": changed.dropped(kind),
        }
        for kind, after in changed.after.items()
    }
    return {"pin": str(changed.pin), "roles": roles}


def change_text(game: str, changed: KeysChanged, *, lost_root: bool, dry_run: bool) -> str:
    """The same for people, with what is to be done next."""
    pairs = [(kind, f"{after.threshold} of {len(after.ids)} sign") for kind, after in changed.after.items()]
    pairs += [(f"new {key.role}", key.keyid[:SHORT] if dry_run else str(key.path)) for key in changed.made]
    pairs += [(f"no more {kind}", keyid[:SHORT]) for kind in changed.after for keyid in changed.dropped(kind)]
    lines = [f"{'Would change' if dry_run else 'Changed'} the keys of {game}:", table(pairs)]
    if changed.made and not dry_run:
        lines.append(f"Save the new ones: lading key backup {game} --to FILE")
    if lost_root:
        lines.append("Nobody who has the game follows by themselves. Its players need the new pin:")
        lines.append(f"  --trust {changed.pin}")
    return "\n".join(lines)
