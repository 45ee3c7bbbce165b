"""Keys in one encrypted document, to be kept where this machine's end is not theirs.

Canonical JSON: the parameters of scrypt and a nonce in the open; `sealed`, the files of the keyring under AES-256-GCM
with the key that scrypt makes of a passphrase, bound to the words in the open; `sha256` of all else, so that damage is
not taken for a wrong passphrase. A key with a passphrase of its own keeps it inside. A key that a command reaches is
not here: its private half is not this machine's to keep.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from chunkstore.errors import Corrupt, NotFound
from manifest.documents import BadDocument, canonical_json, natural, parse_json
from manifest.trust.keyring import BadKeyFile, HeldKey, Keyring, PassphraseWrong

FORMAT = 1
KIND = "lading key backup"

MAX_SCRYPT_MEMORY = 512 * 1024 * 1024
"""Bytes of memory, times passes over it, that a backup may ask of whoever opens it."""

_COST = {"n": 1 << 17, "r": 8, "p": 1}  # 128 MiB for each passphrase that somebody tries
_SALT = re.compile(r"[0-9a-f]{32}")
_NONCE = re.compile(r"[0-9a-f]{24}")


def backup(
    keyring: Keyring,
    games: Sequence[str],
    passphrase: bytes,
    *,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """The private keys of these games that lie here, their pins, the registry's own key. Raises `NothingToBackUp`."""
    header = {"kind": KIND, "format": FORMAT, **_COST, "salt": random_bytes(16).hex(), "nonce": random_bytes(12).hex()}
    contents = canonical_json(_contents(keyring, games))
    cipher, nonce, bound = _cipher(header, passphrase)
    sealed = cipher.encrypt(nonce, contents, bound)
    document = {**header, "sealed": base64.b64encode(sealed).decode()}
    return canonical_json({**document, "sha256": _digest_of(document)})


def restore(keyring: Keyring, data: bytes, passphrase: bytes) -> list[HeldKey]:
    """Puts all keys and pins of a backup into the keyring, or none; what is there already and equal stays.

    Raises `BadBackup`, `PassphraseWrong`, `KeyExists`.
    """
    header, sealed = _unpack(data)
    cipher, nonce, bound = _cipher(header, passphrase)
    try:
        contents = cipher.decrypt(nonce, sealed, bound)
    except InvalidTag as error:
        raise PassphraseWrong("the passphrase does not open the backup") from error
    keys, pins = _read_contents(contents)
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


def _unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    """What a backup says in the open, and what it seals. Raises `BadBackup`."""
    try:
        document = parse_json(data, "backup")
        digest = document.pop("sha256", None)
        if document.get("kind") != KIND:
            raise BadBackup("this is not a backup of keys")
        if digest != _digest_of(document):
            raise BadBackup("the backup is damaged")
        _check_header(document)
        return document, base64.b64decode(document.pop("sealed"), validate=True)
    except (BadDocument, KeyError, TypeError, ValueError) as error:
        raise BadBackup("the backup is malformed") from error


def _check_header(header: Mapping[str, Any]) -> None:
    if natural(header, "format") > FORMAT:
        raise BadBackup(
            "the backup has a newer format",
            cause="A newer version of Lading made it.",
            next="Install a newer version of Lading.",
        )
    if not (_SALT.fullmatch(header["salt"]) and _NONCE.fullmatch(header["nonce"])):
        raise BadBackup("the backup is malformed")
    n, r, p = (natural(header, name) for name in ("n", "r", "p"))
    if n < 2 or n & (n - 1) or not r * p or 128 * n * r * p > MAX_SCRYPT_MEMORY:
        raise BadBackup("the backup asks for more memory than one may")


def _cipher(header: Mapping[str, Any], passphrase: bytes) -> tuple[AESGCM, bytes, bytes]:
    """The cipher of a passphrase, with the nonce and the words in the open that it is bound to."""
    if not passphrase:
        raise ValueError("a backup needs a passphrase")
    salt, nonce = bytes.fromhex(header["salt"]), bytes.fromhex(header["nonce"])
    key = Scrypt(salt=salt, length=32, n=header["n"], r=header["r"], p=header["p"]).derive(passphrase)
    return AESGCM(key), nonce, canonical_json(header)


def _digest_of(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(document)).hexdigest()


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
