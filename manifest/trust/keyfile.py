"""The form of one key file: a JSON document that says whose key it is, and holds or reaches its private half.

`pem` is the private key, PKCS#8; `sealed` is the same under a passphrase, bound to the other words; `command` reaches
a key in a hardware module or a cloud. Exactly one of them is there. Where files lie is not known here, and no error and
no `repr` shows a private key.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from chunkstore.errors import LocalProblem
from manifest.documents import BadDocument, canonical_json, parse_json
from manifest.names import BadName, check_name
from manifest.trust.sealing import check_sealed, seal, unseal

ROLES_OF_KEYS = ("root", "builds", "online")
"""`root` signs root and targets; `builds` the builds and their bins; `online` snapshot, timestamp and channels."""

REGISTRY = "registry"
"""The role of the key that signs vouchers. It belongs to no game."""

PUBLIC_SIZE = 32
"""Bytes of a raw Ed25519 public key."""

FORMAT = 1

MAX_KEY_FILE = 64 * 1024
"""Bytes of the longest key file that is read."""

_OPEN = ("format", "game", "role", "keyid", "public")
_FORMS = {
    "role": re.compile("|".join((*ROLES_OF_KEYS, REGISTRY))),
    "keyid": re.compile(r"[0-9a-f]{64}"),
    "public": re.compile(r"[0-9a-f]{64}"),
    "pem": re.compile(r"-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+\n-----END PRIVATE KEY-----\n"),
}


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key that can sign on this machine. `public` is the raw Ed25519 key.

    With a `command` the private key lies elsewhere. Its words may hold secrets, so they are not shown.
    """

    game: str
    role: str
    keyid: str
    public: bytes
    path: Path
    command: tuple[str, ...] = field(default=(), repr=False)
    encrypted: bool = False
    backed_up: bool = False


def keyid_of(public: bytes) -> str:
    """The id of an Ed25519 key, as securesystemslib computes it (`compute_default_keyid` in `signer/_utils.py`)."""
    key = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public.hex()}}
    return hashlib.sha256(canonical_json(key)).hexdigest()


def make_pair() -> tuple[bytes, bytes]:
    """A new key: the public half raw, the private one as PEM."""
    # Here, for every command of a player knows keyrings, and cryptography takes 15 ms.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.public_key().public_bytes_raw(), pem


def words_of(game: str, role: str, public: bytes) -> dict[str, Any]:
    """What the file of a key says in the open."""
    return {"format": FORMAT, "game": game, "role": role, "keyid": keyid_of(public), "public": public.hex()}


def close_private(words: Mapping[str, Any], pem: bytes, passphrase: bytes | None) -> dict[str, Any]:
    """The document of a key that has its private half inside."""
    if passphrase is None:
        return {**words, "pem": pem.decode()}
    return {**words, "sealed": seal(pem, passphrase, _context_of(words), secrets.token_bytes)}


def open_private(document: Mapping[str, Any], passphrase: bytes) -> bytes:
    """The private key that is sealed in a document, as PEM. Raises `PassphraseWrong`, `BadKeyFile`."""
    pem = unseal(document["sealed"], passphrase, _context_of(document))
    if not _FORMS["pem"].fullmatch(pem.decode("ascii", errors="replace")):
        raise BadKeyFile("what is sealed is no private key")
    return pem


def held_key(document: Mapping[str, Any], path: Path, *, backed_up: bool) -> HeldKey:
    """What a document that was checked says of its key, without the private half."""
    return HeldKey(
        game=document["game"],
        role=document["role"],
        keyid=document["keyid"],
        public=bytes.fromhex(document["public"]),
        path=path,
        command=tuple(document.get("command", ())),
        encrypted="sealed" in document,
        backed_up=backed_up,
    )


def check_key(document: Mapping[str, Any]) -> None:
    """Looks at every word of a key's document. Raises `BadKeyFile`."""
    _check_format(document)
    role, keyid, public = (_text(document, name) for name in ("role", "keyid", "public"))
    if keyid != keyid_of(bytes.fromhex(public)):
        raise BadKeyFile("the id does not belong to the public key")
    game = document.get("game")
    if not (game == "" if role == REGISTRY else is_game(game)):
        raise BadKeyFile("the name of the game is malformed")
    match [name for name in ("pem", "sealed", "command") if name in document]:
        case ["pem"]:
            _text(document, "pem")
        case ["sealed"]:
            _check_sealed(document)
        case ["command"] if is_command(document["command"]):
            pass
        case ["command"]:
            raise BadKeyFile("the command is malformed")
        case _:
            raise BadKeyFile("there must be a private key, or a command, and not both")


def is_game(name: object) -> TypeGuard[str]:
    """Whether a game can have this name."""
    with suppress(BadName):
        return isinstance(name, str) and bool(check_name(name, "game"))
    return False


def is_command(words: object) -> bool:
    """Whether these are the words of a command."""
    if not isinstance(words, list) or not words or not words[0]:
        return False
    return all(isinstance(word, str) and "\0" not in word for word in words)


def encode_key(document: Mapping[str, Any]) -> bytes:
    """The file of a key."""
    return json.dumps(document, sort_keys=True, indent=1).encode()


def parse_key(data: bytes) -> dict[str, Any]:
    """The document in a file, not checked yet. Raises `BadKeyFile`."""
    if len(data) <= MAX_KEY_FILE:
        with suppress(BadDocument):  # a decoder's error would hold the key
            return parse_json(data, "key file")
    raise BadKeyFile("the key file is not a JSON document")


def _check_format(document: Mapping[str, Any]) -> None:
    number = document.get("format")
    if type(number) is not int or number < 1:
        raise BadKeyFile("the field 'format' is missing or malformed")
    if number > FORMAT:
        raise BadKeyFile(
            f"the key file has format {number}; this version knows up to {FORMAT}",
            cause="A newer version of Lading wrote it.",
            next="Install a newer version of Lading.",
        )


def _check_sealed(document: Mapping[str, Any]) -> None:
    try:
        check_sealed(document["sealed"], _context_of(document))
    except BadDocument as error:
        raise BadKeyFile(error.message) from error


def _context_of(document: Mapping[str, Any]) -> bytes:
    """What a sealed private key is bound to: it opens in no other key's file."""
    return canonical_json({name: document[name] for name in _OPEN})


def _text(document: Mapping[str, Any], name: str) -> str:
    text = document.get(name)
    if not isinstance(text, str) or not _FORMS[name].fullmatch(text):
        raise BadKeyFile(f"the field {name!r} is missing or malformed")
    return text


class BadKeyFile(LocalProblem):
    """A file of the keyring is damaged, or lies where it does not belong."""

    code = "bad-key-file"
    default_cause = "The file was edited, damaged, or copied from elsewhere."
    default_next = "Put the file back, or take it from a backup with `lading key restore`."
