"""Bytes under a passphrase: a small document that says in the open all that opening it takes but the passphrase.

scrypt makes a key of the passphrase; AES-256-GCM encrypts the bytes with it and binds them to a context, the words that
say what they are and stand elsewhere in the open. `sha256` of document and context keeps damage from being taken for a
wrong passphrase. What the bytes are is not known here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chunkstore.errors import Refused
from manifest.documents import BadDocument, canonical_json, natural

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_SCRYPT_MEMORY = 512 * 1024 * 1024
"""Bytes of memory, times passes over it, that a sealed document may ask of whoever opens it."""

_COST = {"n": 1 << 17, "r": 8, "p": 1}  # 128 MiB for each passphrase that somebody tries
_FORMS = {
    "salt": re.compile(r"[0-9a-f]{32}"),
    "nonce": re.compile(r"[0-9a-f]{24}"),
    "ciphertext": re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[A-Za-z0-9+/=]=)?"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
}


def seal(data: bytes, passphrase: bytes, context: bytes, random_bytes: Callable[[int], bytes]) -> dict[str, Any]:
    """The document that gives `data` back to who knows the passphrase and the context."""
    words: dict[str, Any] = {**_COST, "salt": random_bytes(16).hex(), "nonce": random_bytes(12).hex()}
    ciphertext = _cipher(words, passphrase).encrypt(bytes.fromhex(words["nonce"]), data, context)
    words["ciphertext"] = base64.b64encode(ciphertext).decode()
    return {**words, "sha256": _digest_of(words, context)}


def unseal(document: Any, passphrase: bytes, context: bytes) -> bytes:
    """What was sealed. Raises `BadDocument`, and `PassphraseWrong` also for another context with a digest to match."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see `_cipher`

    check_sealed(document, context)
    nonce, ciphertext = bytes.fromhex(document["nonce"]), base64.b64decode(document["ciphertext"])
    try:
        return _cipher(document, passphrase).decrypt(nonce, ciphertext, context)
    except InvalidTag as error:
        raise PassphraseWrong("the passphrase is not the one that it was sealed with") from error


def check_sealed(document: Any, context: bytes) -> None:
    """Raises `BadDocument` if `seal` did not make this for the context, or opening it would take too much."""
    if not isinstance(document, dict) or document.keys() != {*_COST, *_FORMS}:
        raise BadDocument("what is sealed lacks a word, or has one too many")
    for name, form in _FORMS.items():
        if not isinstance(document[name], str) or not form.fullmatch(document[name]):
            raise BadDocument(f"the field {name!r} of what is sealed is malformed")
    n, r, p = (natural(document, name) for name in ("n", "r", "p"))
    if not 0 < r * p * n <= MAX_SCRYPT_MEMORY // 128:
        raise BadDocument("opening what is sealed would take more memory than one may ask for")
    if n < 2 or n & (n - 1) or n.bit_length() > 16 * r:
        raise BadDocument("what is sealed has a cost that scrypt does not know")
    if document["sha256"] != _digest_of(document, context):
        raise BadDocument("what is sealed is damaged, or belongs elsewhere")


def _cipher(words: Mapping[str, Any], passphrase: bytes) -> AESGCM:
    # Here, for every command of a player knows keyrings, and cryptography takes 15 ms.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415

    if not passphrase:
        raise ValueError("sealing and opening take a passphrase")
    salt = bytes.fromhex(words["salt"])
    return AESGCM(Scrypt(salt=salt, length=32, n=words["n"], r=words["r"], p=words["p"]).derive(passphrase))


def _digest_of(document: Mapping[str, Any], context: bytes) -> str:
    words = {name: word for name, word in document.items() if name != "sha256"}
    return hashlib.sha256(canonical_json(words) + context).hexdigest()


class PassphraseWrong(Refused):
    """A key or a backup does not open."""

    code = "passphrase-wrong"
    default_cause = "The passphrase is missing or mistyped, or belongs to another key."
    default_next = "Give the passphrase that the key or the backup was made with."
