"""The keys that this machine signs with: one small file each, in a folder of one registry.

`GAME/ROLE-KEYID.json` is a key, `GAME/pin` says which root the game was made with, `_registry.json` is the registry's
own key; an empty `….backed-up` beside a key says that a backup holds it. Every file is its owner's alone, is there
whole or not at all, and no key is ever written over another. A key in a hardware module or a cloud is known here by the
command that reaches it. Nothing here opens a key or signs, and no error and no `repr` shows one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from chunkstore.durable import exclusive, replace_durably, sync_folder
from chunkstore.errors import LocalProblem, Refused
from chunkstore.oserrors import leaf_for
from manifest.documents import BadDocument, canonical_json, parse_json
from manifest.names import BadName, check_name
from manifest.trust.pins import BadPin, RootPin, parse_pin

ROLES_OF_KEYS = ("root", "builds", "online")
"""`root` signs root and targets; `builds` the builds and their bins; `online` snapshot, timestamp and channels."""

REGISTRY = "registry"
"""The role of the key that signs vouchers. It belongs to no game."""

FORMAT = 1

MAX_KEY_FILE = 64 * 1024
"""Bytes of the longest key file that is read."""

_KEY_FILE = re.compile(rf"(?:{'|'.join(ROLES_OF_KEYS)})-[0-9a-f]{{64}}\.json")
_REGISTRY_FILE = "_registry.json"  # no game has such a name
_ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
_FORMS = {
    "role": re.compile("|".join((*ROLES_OF_KEYS, REGISTRY))),
    "keyid": re.compile(r"[0-9a-f]{64}"),
    "public": re.compile(r"[0-9a-f]{64}"),
    "pem": re.compile(r"-----BEGIN ((?:ENCRYPTED )?PRIVATE KEY)-----\n[A-Za-z0-9+/=\n]+\n-----END \1-----\n"),
}


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key that can sign on this machine. `public` is the raw Ed25519 key, 32 bytes.

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


class Keyring:
    """The keys of one registry. `passphrase` is for whoever opens a key that has one; nothing here asks it."""

    def __init__(self, folder: Path, passphrase: Callable[[], bytes | None] = lambda: None) -> None:
        self.folder = folder
        self.passphrase = passphrase

    def games(self) -> list[str]:
        """The games that have keys here."""
        return [name for name in _names(self.folder) if _is_game(name) and self._key_files(name)]

    def keys(self, game: str) -> list[HeldKey]:
        """The keys of a game, by role and id. Raises `BadKeyFile`, `KeyExposed`."""
        return [self._read(path)[0] for path in self._key_files(game)]

    def new(self, game: str, role: str, passphrase: bytes | None = None) -> HeldKey:
        """Makes a key. With a passphrase its file is of use to nobody else."""
        return self._make(check_name(game, "game"), _check_role(role), passphrase)

    def add_command(self, game: str, role: str, command: Sequence[str], public: bytes) -> HeldKey:
        """Takes note of a key that `command` signs with. Raises `KeyExists` if it is known by another command."""
        if not _is_command(list(command)) or len(public) != 32:
            raise ValueError("a command is one word or more, a public key 32 bytes")
        words = _words(check_name(game, "game"), _check_role(role), public)
        return self.add([{**words, "command": list(command)}])[0]

    def registry_key(self) -> HeldKey | None:
        """The key that signs vouchers, if there is one. Raises `BadKeyFile`, `KeyExposed`."""
        return self._read(self.folder / _REGISTRY_FILE)[0] if _REGISTRY_FILE in _names(self.folder) else None

    def make_registry_key(self) -> HeldKey:
        """Makes the key that signs vouchers. Raises `KeyExists` if there is one."""
        return self._make("", REGISTRY, None)

    def document(self, key: HeldKey) -> dict[str, Any]:
        """All that the key's file says, the private key with it. Raises `BadKeyFile`, `KeyExposed`."""
        return self._read(key.path)[1]

    def add(self, documents: Iterable[Mapping[str, Any]], pins: Mapping[str, str] | None = None) -> list[HeldKey]:
        """Keeps what `document` and `pin` told elsewhere; what is here already and equal stays as it is.

        Everything is checked before the first file is written. Raises `BadKeyFile`, `KeyExists`.
        """
        files = {self._place(document): _encode(document) for document in documents}
        keys = list(files)
        for game, pin in (pins or {}).items():
            if not _is_game(game) or not _is_pin(pin):
                raise BadKeyFile("a pin is malformed")
            files[self._pin_file(game)] = pin.encode()
        with self._locked():
            found = {path: _read_file(path) for path in files if path.name in _names(path.parent)}
            for path, data in found.items():
                if data != files[path]:
                    raise KeyExists("another file of this name is here already", where=str(path))
            for path, data in files.items():
                if path not in found:
                    self._write(path, data)
        return [self._read(path)[0] for path in keys]

    def forget(self, key: HeldKey) -> None:
        """Removes a key's file. What it signed stays valid."""
        with self._locked():
            for path in (_mark_of(key.path), key.path):
                path.unlink(missing_ok=True)
            sync_folder(str(key.path.parent))

    def mark_backed_up(self, keys: Iterable[HeldKey]) -> None:
        """Remembers that a backup holds these keys."""
        with self._locked():
            for key in keys:
                self._write(_mark_of(key.path), b"")

    def pin(self, game: str) -> str | None:
        """`sha256:HEX@VERSION` of the root that the game was made with, if that was here. Raises `BadKeyFile`."""
        path = self._pin_file(game)
        if path.name not in _names(path.parent):
            return None
        pin = _read_file(path).decode("ascii", errors="replace")
        if not _is_pin(pin):
            raise BadKeyFile("the pin is damaged", where=str(path))
        return pin

    def save_pin(self, game: str, pin: str) -> None:
        """Remembers the root that the game was made with, instead of an earlier one."""
        if not _is_pin(pin):
            raise ValueError(f"not the pin of a root: {pin!r}")
        with self._locked():
            self._write(self._pin_file(game), pin.encode())

    def _make(self, game: str, role: str, passphrase: bytes | None) -> HeldKey:
        # Here, for every command of a player knows keyrings, and cryptography takes 15 ms.
        from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        private = Ed25519PrivateKey.generate()
        protection = form.NoEncryption() if passphrase is None else form.BestAvailableEncryption(passphrase)
        pem = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, protection).decode()
        return self.add([{**_words(game, role, private.public_key().public_bytes_raw()), "pem": pem}])[0]

    def _key_files(self, game: str) -> list[Path]:
        folder = self.folder / check_name(game, "game")
        return [folder / name for name in _names(folder) if _KEY_FILE.fullmatch(name)]

    def _pin_file(self, game: str) -> Path:
        return self.folder / check_name(game, "game") / "pin"

    def _place(self, document: Mapping[str, Any]) -> Path:
        """Where the file of a key belongs; every word of it is looked at. Raises `BadKeyFile`."""
        _check_format(document)
        role, keyid, public = (_text(document, name) for name in ("role", "keyid", "public"))
        if keyid != keyid_of(bytes.fromhex(public)):
            raise BadKeyFile("the id does not belong to the public key")
        if ("pem" in document) == ("command" in document):
            raise BadKeyFile("there must be a private key, or a command, and not both")
        if "pem" in document:
            _text(document, "pem")
        elif not _is_command(document["command"]):
            raise BadKeyFile("the command is malformed")
        game = document.get("game")
        if role == REGISTRY and game == "":
            return self.folder / _REGISTRY_FILE
        if role == REGISTRY or not _is_game(game):
            raise BadKeyFile("the name of the game is malformed")
        return self.folder / game / f"{role}-{keyid}.json"

    def _read(self, path: Path) -> tuple[HeldKey, dict[str, Any]]:
        document = _parse(_read_file(path), str(path))
        try:
            if self._place(document) != path:
                raise BadKeyFile("the key belongs to another game or role than its place says")
        except BadKeyFile as error:
            error.where = str(path)
            raise
        return HeldKey(
            game=document["game"],
            role=document["role"],
            keyid=document["keyid"],
            public=bytes.fromhex(document["public"]),
            path=path,
            command=tuple(document.get("command", ())),
            encrypted=document.get("pem", "").startswith(_ENCRYPTED),
            backed_up=os.path.exists(_mark_of(path)),
        ), document

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other writers out."""
        with _named(self.folder):
            _make_folder(self.folder)
            with exclusive(str(self.folder / ".lock")):
                yield

    def _write(self, path: Path, data: bytes) -> None:
        _make_folder(path.parent)
        for stray in path.parent.glob("*.new"):  # its writer was killed, and nobody knows the key that it may hold
            stray.unlink()
        replace_durably(str(path), data, 0o600)


def keyid_of(public: bytes) -> str:
    """The id of an Ed25519 key, as securesystemslib computes it (`compute_default_keyid` in `signer/_utils.py`)."""
    key = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public.hex()}}
    return hashlib.sha256(canonical_json(key)).hexdigest()


def _words(game: str, role: str, public: bytes) -> dict[str, Any]:
    return {"format": FORMAT, "game": game, "role": role, "keyid": keyid_of(public), "public": public.hex()}


def _check_role(role: str) -> str:
    if role not in ROLES_OF_KEYS:
        raise ValueError(f"not a role of keys: {role!r}")
    return role


def _is_game(name: object) -> TypeGuard[str]:
    with suppress(BadName):
        return isinstance(name, str) and bool(check_name(name, "game"))
    return False


def _is_pin(text: object) -> TypeGuard[str]:
    with suppress(BadPin):
        return isinstance(text, str) and isinstance(pin := parse_pin(text), RootPin) and str(pin) == text
    return False


def _is_command(words: object) -> bool:
    if not isinstance(words, list) or not words or not words[0]:
        return False
    return all(isinstance(word, str) and "\0" not in word for word in words)


def _text(document: Mapping[str, Any], name: str) -> str:
    text = document.get(name)
    if not isinstance(text, str) or not _FORMS[name].fullmatch(text):
        raise BadKeyFile(f"the field {name!r} is missing or malformed")
    return text


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


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, indent=1).encode()


def _parse(data: bytes, where: str) -> dict[str, Any]:
    if len(data) <= MAX_KEY_FILE:
        with suppress(BadDocument):  # a decoder's error would hold the key
            return parse_json(data, "key file", where)
    raise BadKeyFile("the key file is not a JSON document", where=where)


def _read_file(path: Path) -> bytes:
    with _named(path), open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if sys.platform != "win32" and mode & 0o077:
            raise KeyExposed(
                "other users can get at the key",
                where=str(path),
                next=f"Run `chmod 600 {path}`; replace the key if somebody may have read it.",
            )
        return file.read(MAX_KEY_FILE + 1)


def _mark_of(path: Path) -> Path:
    return path.with_suffix(".backed-up")


def _names(folder: Path) -> list[str]:
    """What lies in a folder, sorted; nothing if it is none."""
    with _named(folder), suppress(FileNotFoundError, NotADirectoryError):
        return sorted(os.listdir(folder))
    return []


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it, their owner's alone, and their names durable."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(str(folder.parent))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What the file system refuses leaves with a name."""
    try:
        yield
    except OSError as error:
        raise leaf_for(error, error.filename or path) from error


class BadKeyFile(LocalProblem):
    """A file of the keyring is damaged, or lies where it does not belong."""

    code = "bad-key-file"
    default_cause = "The file was edited, damaged, or copied from elsewhere."
    default_next = "Put the file back, or take it from a backup with `lading key restore`."


class KeyExposed(LocalProblem):
    """Other users of the machine can read a file of the keyring, or write it."""

    code = "key-exposed"
    default_cause = "The file was copied or changed with rights for more than its owner."
    default_next = "Take the rights of others away with `chmod 600`; replace the key if somebody may have read it."


class KeyExists(Refused):
    """A key would be written over another one."""

    code = "key-exists"
    default_cause = "A key or a pin of this name is here already, and is not the same."
    default_next = "Nothing was written. Move the file away if it is not the one that you want, and repeat the command."


class PassphraseWrong(Refused):
    """A key or a backup does not open."""

    code = "passphrase-wrong"
    default_cause = "The passphrase is missing or mistyped, or belongs to another key."
    default_next = "Give the passphrase that the key or the backup was made with."
