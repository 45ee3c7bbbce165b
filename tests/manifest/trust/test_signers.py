"""A key in a file signs as the standard says; a command is believed only with a signature of its own key."""

from __future__ import annotations

import base64
import json
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner, Signature, Signer
from tuf.api.metadata import Metadata, Timestamp

from chunkstore.errors import LadingError
from manifest.trust.keyring import BadKeyFile, HeldKey, Keyring, PassphraseWrong, keyid_of
from manifest.trust.signers import COMMAND_SECONDS, CommandSigner, SigningCommandFailed, public_key_of, signer_of

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
DOCUMENT = {"format": 1, "game": "frost", "role": "root", "keyid": KEYID, "public": PUBLIC.hex(), "pem": PEM}

SIGN = f"""
import sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex({SECRET.hex()!r}))
sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read()))
"""


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def writing(output: bytes) -> list[str]:
    """A command that reads what it is given and writes this."""
    return program(f"import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write({output!r})")


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path, lambda: b"passphrase")


def held(keyring: Keyring, command: Sequence[str]) -> HeldKey:
    return keyring.add_command("frost", "root", command, PUBLIC)


def failure(keyring: Keyring, command: Sequence[str], *, seconds: float = COMMAND_SECONDS) -> SigningCommandFailed:
    with pytest.raises(SigningCommandFailed) as caught:
        CommandSigner(held(keyring, command), seconds=seconds).sign(MESSAGE)
    assert caught.value.where == command[0]
    told = (repr(vars(caught.value)), *traceback.format_exception(caught.value))
    assert not [words for words in told if command[-1] in words]  # it may hold a secret
    return caught.value


@given(st.binary(min_size=32, max_size=32))
def test_the_id_of_a_key_is_the_librarys(secret: bytes) -> None:
    private = Ed25519PrivateKey.from_private_bytes(secret)
    public = private.public_key().public_bytes_raw()
    theirs = CryptoSigner(private).public_key
    assert keyid_of(public) == theirs.keyid
    assert public_key_of(public) == theirs


def told_by(error: BaseException | None) -> Iterator[str]:
    """All that a report, a log or a debugger prints of an error and of those that led to it."""
    while error:
        yield from (str(error), repr(error), repr(vars(error)), *traceback.format_exception(error))
        error = error.__cause__ or error.__context__


def refusal(kind: type[LadingError], keyring: Keyring, key: HeldKey) -> LadingError:
    """The error instead of a signer, of which nothing tells a part of the standard's private key."""
    with pytest.raises(kind) as caught:
        signer_of(keyring, key)
    assert not [words for words in told_by(caught.value) if BODY[22:42] in words or BODY[-20:] in words]
    assert caught.value.where == str(key.path)
    return caught.value


@pytest.mark.parametrize("passphrase", [None, b"passphrase"])
def test_a_key_in_a_file_signs_metadata(keyring: Keyring, passphrase: bytes | None) -> None:
    key = keyring.new("frost", "online", passphrase)
    signer = signer_of(keyring, key)
    assert signer.public_key == public_key_of(key.public)
    metadata = Metadata(Timestamp())
    metadata.sign(signer)
    signer.public_key.verify_signature(metadata.signatures[key.keyid], metadata.signed_bytes)


def test_a_key_of_the_standard_signs_as_the_standard_says(keyring: Keyring) -> None:
    [key] = keyring.add([DOCUMENT])
    signer = signer_of(keyring, key)
    assert signer.sign(MESSAGE) == Signature(KEYID, SIGNATURE.hex())
    assert BODY[-20:] not in repr(signer) + repr(key)


def test_the_passphrase_is_asked_only_to_open_a_key_that_has_one(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def ask() -> bytes:
        asked.append(b"right")
        return b"right"

    keyring = Keyring(tmp_path, ask)
    plain, locked = keyring.new("frost", "online"), keyring.new("frost", "root", b"right")
    command = keyring.add_command("frost", "root", ["sign"], PUBLIC)
    assert [key.encrypted for key in (plain, locked, command)] == [False, True, False]
    signer_of(keyring, plain)
    signer_of(keyring, command)
    assert asked == []
    signer_of(keyring, locked)
    assert asked == [b"right"]


@pytest.mark.parametrize("given", [None, b"", b"wrong", b"right "])
def test_without_the_passphrase_a_key_stays_closed(tmp_path: Path, given: bytes | None) -> None:
    keyring = Keyring(tmp_path, lambda: given)
    key = keyring.new("frost", "root", b"right")
    assert keyring.keys("frost") == [key]
    refusal(PassphraseWrong, keyring, key)


def pem_of(private: Ed25519PrivateKey | X25519PrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


OTHERS = {
    "another": pem_of(Ed25519PrivateKey.generate()),
    "of another kind": pem_of(X25519PrivateKey.generate()),
    "too short for its kind": PEM.replace("K2Vw", "K2Vx"),  # it calls itself Ed448
    "of no known kind": PEM.replace("K2Vw", "K2Vz"),
    "damaged": PEM.replace("MC4C", "MC4D"),
}


@pytest.mark.parametrize("pem", OTHERS.values(), ids=OTHERS)
def test_a_private_key_that_is_not_the_public_ones_is_refused(keyring: Keyring, pem: str) -> None:
    [key] = keyring.add([{**DOCUMENT, "pem": pem}])
    refusal(BadKeyFile, keyring, key)


@given(place=st.integers(0, len(json.dumps(DOCUMENT, indent=1)) - 1), change=st.integers(1, 255))
def test_a_changed_byte_of_a_key_file_is_named_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    """Some bytes are only space between words."""
    keyring = Keyring(tmp_path_factory.mktemp("keys"))
    [key] = keyring.add([DOCUMENT])
    data = bytearray(key.path.read_bytes())
    data[place] ^= change
    key.path.write_bytes(data)
    try:
        signer = signer_of(keyring, key)
    except BadKeyFile:
        refusal(BadKeyFile, keyring, key)
    else:
        assert signer.sign(MESSAGE).signature == SIGNATURE.hex()


def test_a_command_signs_as_the_standard_says(keyring: Keyring) -> None:
    key = held(keyring, program(SIGN))
    signer = signer_of(keyring, key)
    assert signer.sign(MESSAGE) == Signature(keyid_of(PUBLIC), SIGNATURE.hex())
    metadata = Metadata(Timestamp())
    metadata.sign(signer)
    signer.public_key.verify_signature(metadata.signatures[key.keyid], metadata.signed_bytes)


FORMS = {
    "raw": SIGNATURE,
    "hex": SIGNATURE.hex().encode(),
    "capitals": SIGNATURE.hex().upper().encode(),
    "a line of hex": SIGNATURE.hex().encode() + b"\r\n",
    "hex in lines": b"\n".join((SIGNATURE.hex()[:64].encode(), SIGNATURE.hex()[64:].encode())),
    "base64": base64.b64encode(SIGNATURE),
    "base64 in lines": base64.encodebytes(SIGNATURE),
}


@pytest.mark.parametrize("output", FORMS.values(), ids=FORMS)
def test_a_signature_may_be_written_in_three_ways(keyring: Keyring, output: bytes) -> None:
    assert signer_of(keyring, held(keyring, writing(output))).sign(MESSAGE).signature == SIGNATURE.hex()


GARBAGE = {
    "nothing": b"",
    "short": SIGNATURE[:-1],
    "long": SIGNATURE + b"x",
    "short hex": SIGNATURE.hex().encode()[:-2],
    "hex with a prefix": b"0x" + SIGNATURE.hex().encode(),
    "short base64": base64.b64encode(SIGNATURE[:-3]),
    "an excuse": b"please log in\n",
}


@pytest.mark.parametrize("output", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_signature_is_named(keyring: Keyring, output: bytes) -> None:
    assert f"{len(output)} bytes" in failure(keyring, writing(output)).message


@pytest.mark.parametrize("output", [SIGNATURE[:-1] + b"\x01", bytes(64), SIGNATURE[::-1]])
def test_a_signature_of_something_else_is_not_used(keyring: Keyring, output: bytes) -> None:
    assert "another key" in failure(keyring, writing(output)).message


def test_a_command_that_is_not_there_is_named(keyring: Keyring, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch(mode=0o600)
    assert "No such file" in failure(keyring, [str(tmp_path / "absent"), "--pin=1234"]).message
    assert "Permission denied" in failure(Keyring(tmp_path / "other"), [str(plain), "--pin=1234"]).message


def test_what_a_failing_command_said_last_is_quoted_in_bounds(keyring: Keyring, tmp_path: Path) -> None:
    said = "first\\nPIN locked \\x1b[31m" + "!" * 300 + "\\n\\n"
    error = failure(keyring, program(f"import sys; sys.stderr.write('{said}'); sys.exit(3)"))
    assert "ended with 3" in error.message
    assert error.cause.startswith("It said: 'PIN locked \\x1b[31m!!!")
    assert len(error.cause) == len("It said: ") + 200
    silent = failure(Keyring(tmp_path / "other"), program("raise SystemExit(1)"))
    assert "ended with 1" in silent.message


def test_a_command_that_does_not_end_is_ended(keyring: Keyring) -> None:
    assert "0.2 seconds" in failure(keyring, program("import time; time.sleep(600)"), seconds=0.2).message


def test_a_command_that_does_not_read_may_still_sign(keyring: Keyring) -> None:
    command = program(f"import sys; sys.stdout.write({SIGNATURE.hex()!r})")
    assert signer_of(keyring, held(keyring, command)).sign(MESSAGE).signature == SIGNATURE.hex()
    with pytest.raises(SigningCommandFailed):
        signer_of(keyring, held(keyring, command)).sign(MESSAGE * (1 << 20))


def test_no_shell_reads_the_words_of_a_command(keyring: Keyring, tmp_path: Path) -> None:
    script = tmp_path / "sign me; exit"
    script.write_text(SIGN)
    words = [sys.executable, str(script), "$(touch pwned)", "*", ""]
    assert signer_of(keyring, held(keyring, words)).sign(MESSAGE).signature == SIGNATURE.hex()


def test_a_command_has_no_address(keyring: Keyring) -> None:
    with pytest.raises(ValueError, match="no address"):
        CommandSigner.from_priv_key_uri("command:sign", public_key_of(PUBLIC))
    assert issubclass(CommandSigner, Signer)
