"""What signs for a key: the private key in its file, or the command that reaches a hardware module or a cloud.

The one place where a key of the keyring becomes an object of securesystemslib, which python-tuf signs with.
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from subprocess import PIPE
from threading import Thread
from typing import IO, Any, TypeVar

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.exceptions import KeyMismatchError, UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Key, SecretsHandler, Signature, Signer, SSlibKey

from chunkstore.errors import LocalProblem
from manifest.documents import found_at
from manifest.trust.keyfile import BadKeyFile, HeldKey, keyid_of
from manifest.trust.keyring import Keyring

COMMAND_SECONDS = 120
"""So long a signing command may take: somebody may have to touch a token."""

MAX_OUTPUT = 4 * 1024
"""Bytes of the longest standard output of a signing command, whatever form its signature has."""

MAX_COMPLAINT = 64 * 1024
"""Bytes of the longest standard error of a signing command."""

_T = TypeVar("_T")
_RAW = 64
_HEX = re.compile(rb"[0-9A-Fa-f]{128}")


def public_key_of(public: bytes) -> SSlibKey:
    """A raw Ed25519 key as metadata lists it."""
    return SSlibKey(keyid_of(public), "ed25519", "ed25519", {"public": public.hex()})


def signer_of(keyring: Keyring, key: HeldKey) -> Signer:
    """What signs with a key of the keyring. Raises `PassphraseWrong`, `BadKeyFile`, `KeyExposed`."""
    return CommandSigner(key) if key.command else _file_signer(keyring, key)


def _file_signer(keyring: Keyring, key: HeldKey) -> CryptoSigner:
    with found_at(str(key.path)):
        pem = keyring.private_key(key)
        try:
            return CryptoSigner(load_pem_private_key(pem, None), public_key_of(key.public))
        except KeyMismatchError as error:
            raise BadKeyFile("the private key does not belong to the public key") from error
        except (ValueError, UnsupportedAlgorithm, InternalError) as error:
            raise BadKeyFile("the private key is damaged") from error


class CommandSigner(Signer):
    """Signs by a command: the payload on its standard input, the signature raw, in hex or base64 on its output."""

    def __init__(self, key: HeldKey, *, seconds: float = COMMAND_SECONDS) -> None:
        self._command = key.command
        self._public_key = public_key_of(key.public)
        self._seconds = seconds

    @property
    def public_key(self) -> SSlibKey:
        """The public half of the key that the command signs with."""
        return self._public_key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        """Always `ValueError`: a command is found in a keyring."""
        raise ValueError("a signing command has no address; its key file names it")

    def sign(self, payload: bytes) -> Signature:
        """The signature of `payload`, verified. Raises `SigningCommandFailed`."""
        output = self._run(payload)
        raw = _signature_in(output)
        if raw is None:
            raise self._failed(f"the signing command wrote {len(output)} bytes that are no Ed25519 signature")
        signature = Signature(self._public_key.keyid, raw.hex())
        try:
            self._public_key.verify_signature(signature, payload)
        except UnverifiedSignatureError as error:
            raise self._failed("the signing command signed with another key, or something else") from error
        return signature

    def _run(self, payload: bytes) -> bytes:
        try:
            process = subprocess.Popen(self._command, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        except OSError as error:
            raise self._failed(f"the signing command cannot be started: {error.strerror}") from error
        with process:
            try:
                output, complaint = self._talk(process, payload)
            finally:
                process.kill()
        if process.returncode:
            said = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise self._failed(f"the signing command ended with {process.returncode}", cause=f"It said: {said!r:.200}")
        return output

    def _talk(self, process: subprocess.Popen[bytes], payload: bytes) -> tuple[bytes, bytes]:
        """All that the command writes until it ends, which it has to do in time and within bounds."""
        assert process.stdin
        assert process.stdout
        assert process.stderr
        _aside(_feed, process.stdin, payload)
        output = _aside(self._read, process.stdout, MAX_OUTPUT)
        complaint = _aside(self._read, process.stderr, MAX_COMPLAINT)
        tasks: list[Future[Any]] = [output, complaint, _aside(process.wait)]
        done, late = wait(tasks, self._seconds, FIRST_EXCEPTION)
        for task in done:
            task.result()
        if late:
            raise self._failed(f"the signing command did not end within {self._seconds:g} seconds")
        return output.result(), complaint.result()

    def _read(self, pipe: IO[bytes], limit: int) -> bytes:
        data = b""
        while chunk := pipe.read(limit + 1 - len(data)):
            data += chunk
            if len(data) > limit:
                raise self._failed(f"the signing command wrote more than {limit} bytes")
        return data

    def _failed(self, message: str, cause: str = "") -> SigningCommandFailed:
        return SigningCommandFailed(message, where=self._command[0], cause=cause)


def _feed(pipe: IO[bytes], payload: bytes) -> None:
    """Nobody asks how this went: a command need not read what it is given."""
    rest = memoryview(payload)
    with pipe:
        while rest:
            rest = rest[pipe.write(rest) :]


def _aside(work: Callable[..., _T], *args: Any) -> Future[_T]:
    """Work in a thread that nobody has to wait for: a pipe stays open as long as a grandchild of ours holds it."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(work(*args))
        except (SigningCommandFailed, OSError, ValueError) as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _signature_in(output: bytes) -> bytes | None:
    """The 64 bytes of a signature, however they are written; None if there are none."""
    if len(output) == _RAW:
        return output
    text = b"".join(output.split())
    if _HEX.fullmatch(text):
        return bytes.fromhex(text.decode())
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return raw if len(raw) == _RAW else None


class SigningCommandFailed(LocalProblem):
    """The command that signs with a key did not answer with a signature of that key."""

    code = "signing-command-failed"
    default_cause = "The token is not plugged in, the cloud refuses, or the command or its key changed."
    default_next = "Run the command by hand; it gets the payload on its input and prints the signature."
