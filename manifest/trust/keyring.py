"""The keys that this machine signs with: one small file each, in a folder of one registry.

`GAME/ROLE-KEYID.json` is a key, `GAME/pin` says which root the game was made with, `_registry.json` is the registry's
own key; an empty `….backed-up` beside a key says that a backup holds it. Every file is its owner's alone, is there
whole or not at all, and no key is ever written over another. What a key's file says is for `keyfile` to know. Nothing
here signs.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeGuard

from chunkstore.durable import exclusive, replace_file, sync_folder
from chunkstore.errors import LocalProblem, Refused
from chunkstore.oserrors import named_at
from manifest.documents import found_at
from manifest.names import check_name
from manifest.trust.keyfile import (
    MAX_KEY_FILE,
    PUBLIC_SIZE,
    REGISTRY,
    ROLES_OF_KEYS,
    BadKeyFile,
    HeldKey,
    check_key,
    close_private,
    encode_key,
    held_key,
    is_command,
    is_game,
    make_pair,
    open_private,
    parse_key,
    words_of,
)
from manifest.trust.pins import BadPin, RootPin, parse_pin
from manifest.trust.sealing import PassphraseWrong

_KEY_FILE = re.compile(rf"(?:{'|'.join(ROLES_OF_KEYS)})-[0-9a-f]{{64}}\.json")
_REGISTRY_FILE = "_registry.json"  # no game has such a name

_Stamp = tuple[int, ...]


class Keyring:
    """The keys of one registry. `passphrase` is asked when a key that has one is opened, once for each key.

    A file is read again only when it changed: a command that signs several roles looks at every key many times.
    """

    def __init__(self, folder: Path, passphrase: Callable[[], bytes | None] = lambda: None) -> None:
        self.folder = folder
        self.passphrase = passphrase
        self._seen: dict[Path, tuple[_Stamp, bytes]] = {}
        self._opened: dict[str, bytes] = {}

    def games(self) -> list[str]:
        """The games that have keys here."""
        return [name for name in _names(self.folder) if is_game(name) and self._key_files(name)]

    def keys(self, game: str) -> list[HeldKey]:
        """The keys of a game, by role and id. Raises `BadKeyFile`, `KeyExposed`."""
        return [self._read(path)[0] for path in self._key_files(game)]

    def new(self, game: str, role: str, passphrase: bytes | None = None) -> HeldKey:
        """Makes a key. With a passphrase its file is of use to nobody else."""
        return self._make(check_name(game, "game"), _check_role(role), passphrase)

    def add_command(self, game: str, role: str, command: Sequence[str], public: bytes) -> HeldKey:
        """Takes note of a key that `command` signs with. Raises `KeyExists` if it is known by another command."""
        if not is_command(list(command)) or len(public) != PUBLIC_SIZE:
            raise ValueError(f"a command is one word or more, a public key {PUBLIC_SIZE} bytes")
        words = words_of(check_name(game, "game"), _check_role(role), public)
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

    def private_key(self, key: HeldKey) -> bytes:
        """The private half of a key that has it in its file, as PEM.

        Raises `PassphraseWrong`, `BadKeyFile`, `KeyExposed`.
        """
        document = self.document(key)
        if "sealed" not in document:
            return str(document["pem"]).encode()
        if key.keyid not in self._opened:
            with found_at(str(key.path)):
                self._opened[key.keyid] = self._open(document)
        return self._opened[key.keyid]

    def add(self, documents: Iterable[Mapping[str, Any]], pins: Mapping[str, str] | None = None) -> list[HeldKey]:
        """Keeps what `document` and `pin` told elsewhere; what is here already and equal stays as it is.

        Everything is checked before the first file is written. Raises `BadKeyFile`, `KeyExists`.
        """
        files = {self._place(document): encode_key(document) for document in documents}
        keys = list(files)
        for game, pin in (pins or {}).items():
            if not is_game(game) or not _is_pin(pin):
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
        public, pem = make_pair()
        [key] = self.add([close_private(words_of(game, role, public), pem, passphrase)])
        self._opened[key.keyid] = pem  # whoever chose a passphrase is not asked for it at once
        return key

    def _open(self, document: Mapping[str, Any]) -> bytes:
        passphrase = self.passphrase()
        if not passphrase:
            raise PassphraseWrong("the key cannot be opened without its passphrase")
        return open_private(document, passphrase)

    def _key_files(self, game: str) -> list[Path]:
        folder = self.folder / check_name(game, "game")
        return [folder / name for name in _names(folder) if _KEY_FILE.fullmatch(name)]

    def _pin_file(self, game: str) -> Path:
        return self.folder / check_name(game, "game") / "pin"

    def _place(self, document: Mapping[str, Any]) -> Path:
        """Where the file of a key belongs; every word of it is looked at. Raises `BadKeyFile`."""
        check_key(document)
        role, keyid = document["role"], document["keyid"]
        return self.folder / (_REGISTRY_FILE if role == REGISTRY else f"{document['game']}/{role}-{keyid}.json")

    def _read(self, path: Path) -> tuple[HeldKey, dict[str, Any]]:
        with found_at(str(path)):
            document = parse_key(self._bytes(path))
            if self._place(document) != path:
                raise BadKeyFile("the key belongs to another game or role than its place says")
        return held_key(document, path, backed_up=os.path.exists(_mark_of(path))), document

    def _bytes(self, path: Path) -> bytes:
        """A key's file, read if it is not the one that was read before."""
        with named_at(path):
            stamp = _stamp(os.stat(path))
        if path not in self._seen or self._seen[path][0] != stamp:
            self._seen[path] = stamp, _read_file(path)
        return self._seen[path][1]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other writers out."""
        with named_at(self.folder):
            _make_folder(self.folder)
            with exclusive(str(self.folder / ".lock")):
                yield

    def _write(self, path: Path, data: bytes) -> None:
        _make_folder(path.parent)
        for stray in path.parent.glob("*.new"):  # its writer was killed, and nobody knows the key that it may hold
            stray.unlink()
        replace_file(path, data, 0o600)


def _check_role(role: str) -> str:
    if role not in ROLES_OF_KEYS:
        raise ValueError(f"not a role of keys: {role!r}")
    return role


def _is_pin(text: object) -> TypeGuard[str]:
    with suppress(BadPin):
        return isinstance(text, str) and isinstance(pin := parse_pin(text), RootPin) and str(pin) == text
    return False


def _read_file(path: Path) -> bytes:
    with named_at(path), open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if sys.platform != "win32" and mode & 0o077:
            raise KeyExposed(
                "other users can get at the key",
                where=str(path),
                next=f"Run `chmod 600 {path}`; replace the key if somebody may have read it.",
            )
        return file.read(MAX_KEY_FILE + 1)


def _stamp(status: os.stat_result) -> _Stamp:
    """What differs when a file was changed, or others were let in."""
    return status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns


def _mark_of(path: Path) -> Path:
    return path.with_suffix(".backed-up")


def _names(folder: Path) -> list[str]:
    """What lies in a folder, sorted; nothing if it is none."""
    with named_at(folder), suppress(FileNotFoundError, NotADirectoryError):
        return sorted(os.listdir(folder))
    return []


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it, their owner's alone, and their names durable."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(str(folder.parent))


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
