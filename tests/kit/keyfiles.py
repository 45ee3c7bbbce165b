"""A key of the standard in each form that a file can have, and the errors that must not tell what it is."""

from __future__ import annotations

import base64
import hashlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from chunkstore.errors import LadingError
from manifest.documents import canonical_json
from manifest.trust.keyfile import keyid_of
from manifest.trust.keyring import Keyring

# RFC 8032, section 7.1, TEST 2; the private key as PKCS#8 of RFC 8410: sixteen bytes of frame before the seed.
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
MESSAGE = bytes.fromhex("72")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
BODY = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + SECRET).decode()
PEM = f"-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\n"
KEYID = keyid_of(PUBLIC)

PASSPHRASE = "верная лошадь".encode()
CHEAP = {"n": 2, "r": 1, "p": 1}


def sealed(data: bytes, context: bytes, passphrase: bytes = PASSPHRASE) -> dict[str, Any]:
    """What is sealed, as another program makes it from the page, with a salt and a nonce of zeros, and at no cost."""
    key = Scrypt(salt=bytes(16), length=32, **CHEAP).derive(passphrase)
    ciphertext = AESGCM(key).encrypt(bytes(12), data, context)
    words = {**CHEAP, "salt": "00" * 16, "nonce": "00" * 12, "ciphertext": base64.b64encode(ciphertext).decode()}
    return with_digest(words, context)


def with_digest(document: dict[str, Any], context: bytes) -> dict[str, Any]:
    """What is sealed, with the digest that belongs to it."""
    words = {name: word for name, word in document.items() if name != "sha256"}
    return {**words, "sha256": hashlib.sha256(canonical_json(words) + context).hexdigest()}


WORDS: dict[str, Any] = {"format": 1, "game": "frost", "role": "root", "keyid": KEYID, "public": PUBLIC.hex()}
PLAIN = {**WORDS, "pem": PEM}
SEALED = {**WORDS, "sealed": sealed(PEM.encode(), canonical_json(WORDS))}
COMMAND = {**WORDS, "command": ["/opt/знак", "--pin", "1234"]}


def files(keyring: Keyring) -> dict[str, bytes]:
    """All that lies in a keyring."""
    found = [path for path in keyring.folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(keyring.folder).as_posix(): path.read_bytes() for path in found}


def refusal(kind: type[LadingError], work: Callable[..., object], *args: Any) -> LadingError:
    """The error that `work` ends with, of which nothing tells the private key."""
    with pytest.raises(kind) as caught:
        work(*args)
    assert not [words for words in told_by(caught.value) if BODY[22:42] in words or BODY[-20:] in words]
    return caught.value


def told_by(error: BaseException | None) -> Iterator[str]:
    """All that a report, a log or a debugger prints of an error and of those that led to it."""
    while error:
        yield from (str(error), repr(error), repr(vars(error)), *traceback.format_exception(error))
        error = error.__cause__ or error.__context__
