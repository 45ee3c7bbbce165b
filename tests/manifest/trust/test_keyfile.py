"""A key's file is read as it was written, any other form is refused, and no failure tells what the key is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key as load
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from manifest.documents import canonical_json
from manifest.trust.keyfile import (
    MAX_KEY_FILE,
    REGISTRY,
    ROLES_OF_KEYS,
    BadKeyFile,
    check_key,
    close_private,
    encode_key,
    held_key,
    keyid_of,
    make_pair,
    open_private,
    parse_key,
    words_of,
)
from manifest.trust.sealing import PassphraseWrong
from tests.kit.keyfiles import BODY, COMMAND, PASSPHRASE, PEM, PLAIN, PUBLIC, SEALED, WORDS, refusal, sealed


@given(st.binary(min_size=32, max_size=32))
def test_the_id_of_a_key_is_the_librarys(secret: bytes) -> None:
    private = Ed25519PrivateKey.from_private_bytes(secret)
    assert keyid_of(private.public_key().public_bytes_raw()) == CryptoSigner(private).public_key.keyid


@pytest.mark.parametrize("document", [PLAIN, SEALED, COMMAND], ids=["plain", "sealed", "command"])
def test_each_form_comes_back(document: dict[str, Any]) -> None:
    check_key(document)
    assert parse_key(encode_key(document)) == document
    held = held_key(document, Path("here"), backed_up=True)
    assert (held.game, held.role, held.keyid, held.public) == ("frost", "root", keyid_of(PUBLIC), PUBLIC)
    assert (held.path, held.backed_up, held.encrypted) == (Path("here"), True, "sealed" in document)
    assert list(held.command) == document.get("command", [])


def test_a_new_key_is_its_own() -> None:
    public, pem = make_pair()
    private = load(pem, None)
    assert isinstance(private, Ed25519PrivateKey)
    assert private.public_key().public_bytes_raw() == public
    assert make_pair()[0] != public


@pytest.mark.parametrize("role", ROLES_OF_KEYS)
def test_a_key_is_closed_with_a_passphrase_or_without(role: str) -> None:
    words = words_of("frost", role, PUBLIC)
    assert words == {**WORDS, "role": role}
    assert close_private(words, PEM.encode(), None) == {**PLAIN, "role": role}
    one, two = (close_private(words, PEM.encode(), PASSPHRASE) for _ in range(2))
    assert one["sealed"]["ciphertext"] != two["sealed"]["ciphertext"]
    for document in (one, two):
        check_key(document)
        assert open_private(document, PASSPHRASE) == PEM.encode()
        refusal(PassphraseWrong, open_private, document, b"wrong")


def test_no_secret_is_seen() -> None:
    assert "PRIVATE" not in encode_key(SEALED).decode()
    assert "1234" not in repr(held_key(COMMAND, Path("here"), backed_up=False))
    assert BODY[-20:] not in repr(held_key(PLAIN, Path("here"), backed_up=False))


OTHERS = {"game": "ember", "role": "builds", "public": bytes(32).hex()}


@pytest.mark.parametrize("name", OTHERS)
def test_a_sealed_key_opens_in_no_other_file(name: str) -> None:
    words = {**WORDS, name: OTHERS[name]}
    words["keyid"] = keyid_of(bytes.fromhex(words["public"]))
    moved = {**words, "sealed": SEALED["sealed"]}
    assert "belongs elsewhere" in refusal(BadKeyFile, check_key, moved).message


@pytest.mark.parametrize("private", [b"", b"\xff", BODY.encode(), PEM.encode() * 2])
def test_what_is_sealed_and_no_key_is_refused(private: bytes) -> None:
    document = {**WORDS, "sealed": sealed(private, canonical_json(WORDS))}
    check_key(document)
    refusal(BadKeyFile, open_private, document, PASSPHRASE)


ENCRYPTED = Ed25519PrivateKey.from_private_bytes(bytes(32)).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE)
)
WRONG: dict[str, dict[str, Any]] = {
    "no format": {"format": None},
    "format 0": {"format": 0},
    "a truth for a format": {"format": True},
    "no game": {"game": None},
    "an empty game": {"game": ""},
    "a game that climbs": {"game": "../frost"},
    "no role": {"role": None},
    "an unknown role": {"role": "targets"},
    "the registry's role": {"role": REGISTRY},
    "a list for a role": {"role": ["root"]},
    "another id": {"keyid": "0" * 64},
    "a short id": {"keyid": "0"},
    "a short public key": {"public": PUBLIC.hex()[:-2]},
    "a public key in capitals": {"public": PUBLIC.hex().upper()},
    "another public key": {"public": "0" * 64},
    "no private key": {"pem": None},
    "an empty private key": {"pem": ""},
    "a private key without frame": {"pem": BODY},
    "two private keys": {"pem": PEM + PEM},
    "a public key for a private one": {"pem": PEM.replace("PRIVATE", "PUBLIC")},
    "a private key under a passphrase that is cheap to guess": {"pem": ENCRYPTED.decode()},
    "a sealed key beside a key": {"sealed": SEALED["sealed"]},
    "nothing sealed": {"pem": None, "sealed": {}},
    "a text for what is sealed": {"pem": None, "sealed": PEM},
    "more memory than there is": {"pem": None, "sealed": {**SEALED["sealed"], "n": 1 << 40}},
    "a sealed key that is damaged": {"pem": None, "sealed": {**SEALED["sealed"], "salt": "0" * 31 + "1"}},
    "a command beside a sealed key": {"pem": None, "sealed": SEALED["sealed"], "command": ["sign"]},
    "a command beside a key": {"command": ["sign"]},
    "a command without words": {"pem": None, "command": []},
    "a command without a name": {"pem": None, "command": [""]},
    "a number in a command": {"pem": None, "command": ["sign", 1]},
    "an end within a word": {"pem": None, "command": ["sign\0"]},
    "a text for a command": {"pem": None, "command": "sign"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_breaks_the_form_is_refused(change: dict[str, Any]) -> None:
    document = {name: word for name, word in {**PLAIN, **change}.items() if word is not None}
    refusal(BadKeyFile, check_key, document)


def test_the_registrys_key_belongs_to_no_game() -> None:
    check_key({**PLAIN, "role": REGISTRY, "game": ""})


TEXT = json.dumps(PLAIN).encode()


def test_what_is_no_document_is_refused() -> None:
    for data in (b"", b"[]", b"{", TEXT + b"\xff", TEXT[:-1] + b',"a":1.5}', TEXT[:-1] + b',"role":1}'):
        refusal(BadKeyFile, parse_key, data)


@given(st.integers(0, len(TEXT) - 1))
def test_a_truncated_file_is_refused(length: int) -> None:
    refusal(BadKeyFile, parse_key, TEXT[:length])


def test_a_file_may_be_so_long_and_no_longer() -> None:
    assert parse_key(TEXT.rjust(MAX_KEY_FILE)) == PLAIN
    refusal(BadKeyFile, parse_key, TEXT.rjust(MAX_KEY_FILE + 1))


def test_later_words_are_kept_and_a_later_format_is_told() -> None:
    for document in (PLAIN, SEALED):
        later = {**document, "comment": "laptop"}
        check_key(later)
        assert parse_key(encode_key(later)) == later
        assert "newer version" in refusal(BadKeyFile, check_key, {**document, "format": 2}).next
    assert open_private({**SEALED, "comment": "laptop"}, PASSPHRASE) == PEM.encode()
