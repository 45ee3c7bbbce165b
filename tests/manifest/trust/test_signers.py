"""A key in a file signs as the standard says; a command is believed only with a signature of its own key."""

from __future__ import annotations

import base64
import os
import sys
import threading
import traceback
from collections.abc import Sequence
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
from manifest.trust.keyfile import BadKeyFile, HeldKey, close_private
from manifest.trust.keyring import Keyring
from manifest.trust.sealing import PassphraseWrong
from manifest.trust.signers import (
    COMMAND_SECONDS,
    MAX_COMPLAINT,
    MAX_OUTPUT,
    CommandSigner,
    SigningCommandFailed,
    public_key_of,
    signer_of,
)
from tests.kit.keyfiles import (
    BODY,
    KEYID,
    MESSAGE,
    PASSPHRASE,
    PEM,
    PLAIN,
    PUBLIC,
    SEALED,
    SECRET,
    SIGNATURE,
    WORDS,
    refusal,
)

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
    return Keyring(tmp_path, lambda: PASSPHRASE)


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
def test_a_public_key_is_listed_as_the_library_lists_it(secret: bytes) -> None:
    private = Ed25519PrivateKey.from_private_bytes(secret)
    assert public_key_of(private.public_key().public_bytes_raw()) == CryptoSigner(private).public_key


def refused(kind: type[LadingError], keyring: Keyring, key: HeldKey) -> None:
    assert refusal(kind, signer_of, keyring, key).where == str(key.path)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_in_a_file_signs_metadata(keyring: Keyring, passphrase: bytes | None) -> None:
    key = keyring.new("frost", "online", passphrase)
    signer = signer_of(keyring, key)
    assert signer.public_key == public_key_of(key.public)
    metadata = Metadata(Timestamp())
    metadata.sign(signer)
    signer.public_key.verify_signature(metadata.signatures[key.keyid], metadata.signed_bytes)


@pytest.mark.parametrize("document", [PLAIN, SEALED], ids=["plain", "sealed"])
def test_a_key_of_the_standard_signs_as_the_standard_says(keyring: Keyring, document: dict[str, object]) -> None:
    [key] = keyring.add([document])
    signer = signer_of(keyring, key)
    assert signer.sign(MESSAGE) == Signature(KEYID, SIGNATURE.hex())
    assert BODY[-20:] not in repr(signer) + repr(key)


def test_the_passphrase_is_asked_only_to_open_a_key_that_has_one(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def ask() -> bytes:
        asked.append(b"right")
        return b"right"

    made, keyring = Keyring(tmp_path), Keyring(tmp_path, ask)
    plain, locked = made.new("frost", "online"), made.new("frost", "root", b"right")
    command = made.add_command("frost", "root", ["sign"], PUBLIC)
    assert [key.encrypted for key in (plain, locked, command)] == [False, True, False]
    signer_of(keyring, plain)
    signer_of(keyring, command)
    assert asked == []
    for _ in range(3):
        assert signer_of(keyring, locked).public_key.keyid == locked.keyid
    assert asked == [b"right"]


@pytest.mark.parametrize("given", [None, b"", b"wrong", b"right "])
def test_without_the_passphrase_a_key_stays_closed(tmp_path: Path, given: bytes | None) -> None:
    keyring = Keyring(tmp_path, lambda: given)
    key = Keyring(tmp_path).new("frost", "root", b"right")
    assert keyring.keys("frost") == [key]
    refused(PassphraseWrong, keyring, key)


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
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_private_key_that_is_not_the_public_ones_is_refused(
    keyring: Keyring, pem: str, passphrase: bytes | None
) -> None:
    [key] = keyring.add([close_private(WORDS, pem.encode(), passphrase)])
    refused(BadKeyFile, keyring, key)


@given(st.data(), st.sampled_from([PLAIN, SEALED]), st.integers(1, 255))
def test_a_changed_byte_of_a_key_file_is_named_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, document: dict[str, object], change: int
) -> None:
    """Some bytes are only space between words. None makes a passphrase look wrong."""
    folder = tmp_path_factory.mktemp("keys")
    [key] = Keyring(folder).add([document])
    text = bytearray(key.path.read_bytes())
    text[data.draw(st.integers(0, len(text) - 1))] ^= change
    key.path.write_bytes(text)
    keyring = Keyring(folder, lambda: PASSPHRASE)
    try:
        signer = signer_of(keyring, key)
    except BadKeyFile:
        refused(BadKeyFile, keyring, key)
    else:
        assert signer.sign(MESSAGE).signature == SIGNATURE.hex()


def test_a_command_signs_as_the_standard_says(keyring: Keyring) -> None:
    key = held(keyring, program(SIGN))
    signer = signer_of(keyring, key)
    assert signer.sign(MESSAGE) == Signature(KEYID, SIGNATURE.hex())
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


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe with a name is POSIX")
def test_whoever_a_command_leaves_behind_is_not_waited_for(keyring: Keyring, tmp_path: Path) -> None:
    """It holds the pipe, and outlives the command: an agent that was started for the first signature does."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = ["/bin/sh", "-c", 'cat "$0" & exit 0', str(fifo)]
    assert "0.5 seconds" in failure(keyring, command, seconds=0.5).message
    assert [thread for thread in threading.enumerate() if not thread.daemon] == [threading.main_thread()]
    os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))  # fails if nobody reads


LOUD = {"output": ("sys.stdout", MAX_OUTPUT), "errors": ("sys.stderr", MAX_COMPLAINT)}


@pytest.mark.parametrize(("stream", "most"), LOUD.values(), ids=LOUD)
def test_a_command_may_write_so_much_and_no_more(keyring: Keyring, tmp_path: Path, stream: str, most: int) -> None:
    signature = SIGNATURE.hex()
    said = len(signature) if stream == "sys.stdout" else 0
    text = f"import sys; sys.stdin.read(); sys.stdout.write({signature!r}); {stream}.write(' ' * "
    assert signer_of(keyring, held(keyring, program(f"{text}{most - said})"))).sign(MESSAGE).signature == signature
    other = Keyring(tmp_path / "other")
    assert f"more than {most} bytes" in failure(other, program(f"{text}{most - said + 1})")).message


@pytest.mark.skipif(sys.platform == "win32", reason="asks POSIX for the process")
@pytest.mark.parametrize(("stream", "most"), LOUD.values(), ids=LOUD)
def test_a_command_that_writes_without_end_is_ended(keyring: Keyring, tmp_path: Path, stream: str, most: int) -> None:
    """After what fits into the pipe it writes no more, however long it may take."""
    told = tmp_path / "pid"
    text = f"import os, sys; open({str(told)!r}, 'w').write(str(os.getpid()))\nwhile True: {stream}.write('!' * 65536)"
    assert f"more than {most} bytes" in failure(keyring, program(text)).message
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


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
