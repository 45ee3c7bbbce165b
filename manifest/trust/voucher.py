"""The voucher: what a registry says of a game's root to those who know the registry and not yet the game.

`{"signed": {…}, "key": public key, "signature": …}` in canonical JSON, the key as 32 and the Ed25519 signature as 64
bytes in hexadecimal, over the canonical JSON of the signed part with `lading voucher 1` and a line feed before it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chunkstore.errors import Corrupt
from manifest.documents import BadDocument, canonical_json, natural, parse_json
from manifest.trust.pins import BadPin, RegistryPin, RootPin, parse_pin

MAX_VOUCHER = 4 * 1024
"""Bytes of the longest voucher that is read."""

_CONTEXT = b"lading voucher 1\n"


@dataclass(frozen=True, slots=True)
class Voucher:
    """`min_build` is the lowest build that a channel may point to at a first contact; `expires` is in seconds."""

    registry: str
    game: str
    root: RootPin
    min_build: int
    expires: int


def voucher_payload(voucher: Voucher) -> bytes:
    """The bytes that the registry's key signs."""
    return _CONTEXT + canonical_json(_signed(voucher))


def encode_voucher(voucher: Voucher, public: bytes, signature: bytes) -> bytes:
    """The object to store."""
    return canonical_json({"signed": _signed(voucher), "key": public.hex(), "signature": signature.hex()})


def read_voucher(data: bytes, game: str, pin: RegistryPin, moment: float, where: str) -> Voucher:
    """A voucher for this game by the registry that `pin` names, unexpired at `moment`. Raises `BadVoucher`."""
    try:
        value = parse_json(data, "voucher", where)
        public, signature = bytes.fromhex(value["key"]), bytes.fromhex(value["signature"])
        if hashlib.sha256(public).hexdigest() != pin.digest:
            raise BadVoucher("another registry's key signed the voucher", where=where)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _CONTEXT + canonical_json(value["signed"]))
        voucher = _voucher(value["signed"])
    except InvalidSignature as error:
        raise BadVoucher("the signature of the voucher is not that of the registry's key", where=where) from error
    except (BadDocument, BadPin, KeyError, ValueError, TypeError) as error:
        raise BadVoucher("the voucher is malformed", where=where) from error
    if voucher.game != game:
        raise BadVoucher(f"the voucher is for {voucher.game!r:.80}", where=where)
    if moment >= voucher.expires:
        raise BadVoucher("the voucher has expired", where=where, data={"expires": voucher.expires})
    return voucher


def _signed(voucher: Voucher) -> dict[str, Any]:
    return {
        "registry": voucher.registry,
        "game": voucher.game,
        "root": str(voucher.root),
        "min_build": voucher.min_build,
        "expires": voucher.expires,
    }


def _voucher(signed: dict[str, Any]) -> Voucher:
    root = parse_pin(signed["root"])
    if not isinstance(root, RootPin) or not isinstance(signed["registry"], str) or not isinstance(signed["game"], str):
        raise ValueError("a field of the voucher is not of its kind")
    return Voucher(signed["registry"], signed["game"], root, natural(signed, "min_build"), natural(signed, "expires"))


class BadVoucher(Corrupt):
    """A voucher does not hold."""

    code = "bad-voucher"
    default_cause = "It is damaged or expired, or another registry's key signed it."
    default_next = "Ask whoever runs the store to run `lading store refresh`, or give --trust sha256:… instead."
