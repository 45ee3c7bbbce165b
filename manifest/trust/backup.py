"""Keys in one encrypted document, to be kept where this machine's end is not theirs.

Canonical JSON: what this is, and `sealed`, the files of the keyring under a passphrase, bound to the words beside it. A
key with a passphrase of its own keeps it inside. A key that a command reaches is not here: its private half is not this
machine's to keep.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from chunkstore.errors import Corrupt, NotFound
from manifest.documents import BadDocument, canonical_json, natural, parse_json
from manifest.trust.keyfile import BadKeyFile, HeldKey
from manifest.trust.keyring import Keyring
from manifest.trust.sealing import PassphraseWrong, seal, unseal

FORMAT = 1
KIND = "lading key backup"


def backup(
    keyring: Keyring,
    games: Sequence[str],
    passphrase: bytes,
    *,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """The private keys of these games that lie here, their pins, the registry's own key. Raises `NothingToBackUp`."""
    header = {"kind": KIND, "format": FORMAT}
    contents = canonical_json(_contents(keyring, games))
    return canonical_json({**header, "sealed": seal(contents, passphrase, canonical_json(header), random_bytes)})


def restore(keyring: Keyring, data: bytes, passphrase: bytes) -> list[HeldKey]:
    """Puts all keys and pins of a backup into the keyring, or none; what is there already and equal stays.

    Raises `BadBackup`, `PassphraseWrong`, `KeyExists`.
    """
    keys, pins = _read_contents(_open(data, passphrase))
    try:
        return keyring.add(keys, pins)
    except BadKeyFile as error:
        raise BadBackup(f"a key in the backup cannot be used: {error.message}") from error


def _contents(keyring: Keyring, games: Sequence[str]) -> dict[str, Any]:
    held = {game: keyring.keys(game) for game in games}
    registry = keyring.registry_key()
    missing = [game for game in games if not held[game]]
    if missing or not (held or registry):
        raise NothingToBackUp(
            f"there are no keys of {', '.join(missing) or 'any game'} here", where=str(keyring.folder)
        )
    keys = [key for found in held.values() for key in found] + ([registry] if registry else [])
    return {
        "keys": [keyring.document(key) for key in keys if not key.command],
        "pins": {game: pin for game in games if (pin := keyring.pin(game))},
    }


def _read_contents(data: bytes) -> tuple[list[dict[str, Any]], dict[str, str]]:
    with suppress(BadDocument):  # a decoder's error would hold the keys
        match parse_json(data, "backup"):
            case {"keys": list(keys), "pins": dict(pins)} if all(isinstance(key, dict) for key in keys):
                return keys, pins
    raise BadBackup("the backup holds something that is no key")


def _open(data: bytes, passphrase: bytes) -> bytes:
    """What a backup seals. Raises `BadBackup`, `PassphraseWrong`."""
    try:
        document = parse_json(data, "backup")
        if document.get("kind") != KIND:
            raise BadBackup("this is not a backup of keys")
        _check_format(document)
        sealed = document.pop("sealed", None)
        return unseal(sealed, passphrase, canonical_json(document))
    except (BadDocument, UnicodeError) as error:
        raise BadBackup("the backup is damaged or malformed") from error
    except PassphraseWrong as error:
        raise PassphraseWrong("the passphrase does not open the backup") from error


def _check_format(header: Mapping[str, Any]) -> None:
    if natural(header, "format") > FORMAT:
        raise BadBackup(
            "the backup has a newer format",
            cause="A newer version of Lading made it.",
            next="Install a newer version of Lading.",
        )


class BadBackup(Corrupt):
    """A backup of keys is damaged, or none."""

    code = "bad-backup"
    default_cause = "The file was cut short, changed on its way, or is another file."
    default_next = "Nothing was changed. Take another copy of the backup."


class NothingToBackUp(NotFound):
    """There are no keys of a game to back up."""

    code = "nothing-to-back-up"
    default_cause = "The name of the game is misspelt, or its keys lie on another machine."
    default_next = "Run `lading key list` to see what lies here."
