"""Keys come back as they were made, belong to their owner alone, and no failure tells what they are."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.errors import LadingError
from chunkstore.store import DiskFull, PathUnusable
from manifest.names import BadName
from manifest.trust.keyring import (
    MAX_KEY_FILE,
    REGISTRY,
    ROLES_OF_KEYS,
    BadKeyFile,
    HeldKey,
    KeyExists,
    KeyExposed,
    Keyring,
    keyid_of,
)
from tests.kit.mortality import Killed, killed_at

PIN = f"sha256:{'ab' * 32}@1"
# RFC 8032, section 7.1, TEST 3.
PUBLIC = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
BODY = "MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3"
PEM = f"-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\n"
KEYID = keyid_of(PUBLIC)
DOCUMENT = {"format": 1, "game": "frost", "role": "root", "keyid": KEYID, "public": PUBLIC.hex(), "pem": PEM}
LENGTH = len(json.dumps(DOCUMENT, indent=1))


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "state" / "keys")


def put(keyring: Keyring, document: dict[str, Any] | bytes, name: str = f"frost/root-{KEYID}.json") -> Path:
    """A key file as some other hand would write it, without the words that are None."""
    if isinstance(document, dict):
        document = json.dumps({word: value for word, value in document.items() if value is not None}).encode()
    path = keyring.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(document)
    return path


def files(keyring: Keyring) -> dict[str, bytes]:
    found = [path for path in keyring.folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(keyring.folder).as_posix(): path.read_bytes() for path in found}


def told_by(error: BaseException | None) -> Iterator[str]:
    """All that a report, a log or a debugger prints of an error and of those that led to it."""
    while error:
        yield from (str(error), repr(error), repr(vars(error)), *traceback.format_exception(error))
        error = error.__cause__ or error.__context__


def refusal(kind: type[LadingError], work: Callable[[], object]) -> LadingError:
    """The error that `work` ends with, of which nothing tells a private key."""
    with pytest.raises(kind) as caught:
        work()
    assert not [words for words in told_by(caught.value) if BODY[22:42] in words or BODY[-20:] in words]
    return caught.value


@pytest.mark.parametrize("role", ROLES_OF_KEYS)
@pytest.mark.parametrize("passphrase", [None, "пароль".encode()], ids=["plain", "passphrase"])
def test_a_new_key_is_found_again(keyring: Keyring, role: str, passphrase: bytes | None) -> None:
    made = keyring.new("frost", role, passphrase)
    again = Keyring(keyring.folder)
    assert again.games() == ["frost"]
    assert again.keys("frost") == [made]
    assert (made.game, made.role, made.command, made.backed_up) == ("frost", role, (), False)
    assert made.encrypted is (passphrase is not None)
    assert made.keyid == keyid_of(made.public)
    assert (b"BEGIN ENCRYPTED PRIVATE KEY" in made.path.read_bytes()) is made.encrypted


def test_an_empty_keyring_has_nothing_and_makes_nothing(keyring: Keyring) -> None:
    assert keyring.games() == []
    assert keyring.keys("frost") == []
    assert keyring.registry_key() is None
    assert keyring.pin("frost") is None
    assert not keyring.folder.exists()


def test_keys_come_by_role_and_id(keyring: Keyring) -> None:
    made = [keyring.new("frost", role) for role in ("root", "online", "builds", "root")]
    keyring.new("ember", "builds")
    assert keyring.keys("frost") == sorted(made, key=lambda key: (key.role, key.keyid))
    assert keyring.games() == ["ember", "frost"]


def test_what_else_lies_around_is_nobodys_key(keyring: Keyring) -> None:
    made = keyring.new("frost", "root")
    for name in (".DS_Store", "frost/notes.txt", "frost/root-12.json", f"frost/{made.path.name}~", "Old copy/a"):
        stray = keyring.folder / name
        stray.parent.mkdir(exist_ok=True)
        stray.write_text("{}")
    (keyring.folder / "empty").mkdir()
    assert keyring.games() == ["frost"]
    assert keyring.keys("frost") == [made]


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_files_and_folders_are_their_owners_alone_whatever_the_umask(keyring: Keyring) -> None:
    before = os.umask(0)
    try:
        key = keyring.new("frost", "root")
        keyring.make_registry_key()
        keyring.save_pin("frost", PIN)
        keyring.mark_backed_up([key])
    finally:
        os.umask(before)
    assert len(files(keyring)) == 4
    modes = {keyring.folder / name: 0o600 for name in files(keyring)}
    modes |= {keyring.folder: 0o700, keyring.folder / "frost": 0o700}
    assert {path: path.stat().st_mode & 0o777 for path in modes} == modes


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601])
def test_a_key_that_others_can_get_at_is_refused(keyring: Keyring, mode: int) -> None:
    path = put(keyring, DOCUMENT)
    [key] = keyring.keys("frost")
    path.chmod(mode)
    for work in (lambda: keyring.keys("frost"), lambda: keyring.document(key)):
        error = refusal(KeyExposed, work)
        assert error.where == str(path)
        assert f"chmod 600 {path}" in error.next


@given(st.integers(0, LENGTH - 1))
def test_a_truncated_file_is_named(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    keyring = Keyring(tmp_path_factory.mktemp("keys"))
    [key] = keyring.add([DOCUMENT])
    whole = key.path.read_bytes()
    assert len(whole) == LENGTH
    key.path.write_bytes(whole[:length])
    for work in (lambda: keyring.keys("frost"), lambda: keyring.document(key)):
        assert refusal(BadKeyFile, work).where == str(key.path)


WRONG: dict[str, dict[str, Any]] = {
    "no format": {"format": None},
    "format 0": {"format": 0},
    "a truth for a format": {"format": True},
    "no game": {"game": None},
    "an empty game": {"game": ""},
    "a game that climbs": {"game": "../frost"},
    "another game": {"game": "ember"},
    "no role": {"role": None},
    "another role": {"role": "builds"},
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
    "a command beside a key": {"command": ["sign"]},
    "a command without words": {"pem": None, "command": []},
    "a command without a name": {"pem": None, "command": [""]},
    "a number in a command": {"pem": None, "command": ["sign", 1]},
    "an end within a word": {"pem": None, "command": ["sign\0"]},
    "a text for a command": {"pem": None, "command": "sign"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_file_that_breaks_the_form_is_refused(keyring: Keyring, change: dict[str, Any]) -> None:
    path = put(keyring, {**DOCUMENT, **change})
    assert refusal(BadKeyFile, lambda: keyring.keys("frost")).where == str(path)


TEXT = json.dumps(DOCUMENT).encode()


def test_what_is_no_such_document_is_refused(keyring: Keyring) -> None:
    for data in (b"", b"[]", b"{", TEXT + b"\xff", TEXT[:-1] + b',"a":1.5}', TEXT[:-1] + b',"role":1}'):
        put(keyring, data)
        refusal(BadKeyFile, lambda: keyring.keys("frost"))


def test_a_file_of_any_length_is_read_within_bounds(keyring: Keyring) -> None:
    put(keyring, TEXT.rjust(MAX_KEY_FILE))
    assert len(keyring.keys("frost")) == 1
    put(keyring, TEXT.rjust(MAX_KEY_FILE + 1))
    refusal(BadKeyFile, lambda: keyring.keys("frost"))


def test_later_words_are_kept_and_a_later_format_is_told(keyring: Keyring) -> None:
    put(keyring, {**DOCUMENT, "comment": "laptop"})
    [key] = keyring.keys("frost")
    assert keyring.document(key) == {**DOCUMENT, "comment": "laptop"}
    put(keyring, {**DOCUMENT, "format": 2})
    assert "newer version" in refusal(BadKeyFile, lambda: keyring.keys("frost")).next


def test_a_command_is_kept_and_never_shown(keyring: Keyring) -> None:
    key = keyring.add_command("frost", "root", ["/opt/знак", "--pin", "1234"], PUBLIC)
    assert keyring.keys("frost") == [key]
    assert key.command == ("/opt/знак", "--pin", "1234")
    assert not key.encrypted
    assert "1234" not in repr(key)


def test_one_public_key_has_one_command(keyring: Keyring) -> None:
    key = keyring.add_command("frost", "root", ["sign"], PUBLIC)
    assert keyring.add_command("frost", "root", ["sign"], PUBLIC) == key
    refusal(KeyExists, lambda: keyring.add_command("frost", "root", ["sign", "elsewhere"], PUBLIC))
    refusal(KeyExists, lambda: keyring.add([DOCUMENT]))
    assert keyring.keys("frost") == [key]


def test_misuse_is_told_to_programmers_and_a_bad_name_to_people(keyring: Keyring) -> None:
    misuse: dict[str, Callable[[], object]] = {
        "role": lambda: keyring.new("frost", "targets"),
        "32 bytes": lambda: keyring.add_command("frost", "root", ["sign"], PUBLIC[:31]),
        "one word": lambda: keyring.add_command("frost", "root", [], PUBLIC),
        "1 or more bytes": lambda: keyring.new("frost", "root", b""),
        "pin": lambda: keyring.save_pin("frost", "sha256:12"),
    }
    for words, work in misuse.items():
        with pytest.raises(ValueError, match=words):
            work()
    for name in ("../frost", "Frost", ""):
        refusal(BadName, partial(keyring.new, name, "root"))
        refusal(BadName, partial(keyring.keys, name))
    assert not keyring.folder.exists()


def test_the_registry_has_one_key_of_its_own(keyring: Keyring) -> None:
    key = keyring.make_registry_key()
    assert (key.game, key.role, key.path.parent) == ("", REGISTRY, keyring.folder)
    assert keyring.registry_key() == key
    before = files(keyring)
    refusal(KeyExists, keyring.make_registry_key)
    assert files(keyring) == before
    assert keyring.games() == []


def test_a_key_of_a_game_is_not_the_registrys(keyring: Keyring) -> None:
    path = put(keyring, DOCUMENT, "_registry.json")
    assert refusal(BadKeyFile, keyring.registry_key).where == str(path)


def test_the_pin_of_a_game_is_remembered_and_can_change(keyring: Keyring) -> None:
    keyring.save_pin("frost", PIN)
    assert keyring.pin("frost") == PIN
    keyring.save_pin("frost", f"sha256:{'cd' * 32}@2")
    assert Keyring(keyring.folder).pin("frost") == f"sha256:{'cd' * 32}@2"
    assert keyring.pin("ember") is None
    assert keyring.games() == []


def test_a_damaged_pin_is_named(keyring: Keyring) -> None:
    keyring.save_pin("frost", PIN)
    path = keyring.folder / "frost" / "pin"
    for pin in ("", "first-use", PIN[:-2], f"registry:{PIN[:-2]}", "\xff", PIN + "\n"):
        path.write_bytes(pin.encode())
        assert refusal(BadKeyFile, lambda: keyring.pin("frost")).where == str(path)


def test_a_backup_is_remembered_with_the_key(keyring: Keyring) -> None:
    keys = [keyring.new("frost", "root"), keyring.new("frost", "root"), keyring.make_registry_key()]
    keyring.mark_backed_up([keys[1], keys[2]])
    held = [*keyring.keys("frost"), keyring.registry_key()]
    assert {key.keyid for key in held if key and key.backed_up} == {keys[1].keyid, keys[2].keyid}


def test_a_key_that_is_forgotten_leaves_nothing(keyring: Keyring) -> None:
    kept, gone = keyring.new("frost", "root"), keyring.new("frost", "root")
    keyring.mark_backed_up([gone])
    for _ in range(2):
        keyring.forget(gone)
        assert list(files(keyring)) == [kept.path.relative_to(keyring.folder).as_posix()]
    assert keyring.keys("frost") == [kept]


def test_either_all_is_added_or_nothing(keyring: Keyring, tmp_path: Path) -> None:
    other = Keyring(tmp_path / "other")
    documents = [other.document(other.new(game, "root")) for game in ("ember", "frost")]
    pins = {"frost": PIN}
    for wrong in ({"keyid": "0" * 64}, {"game": "../ember"}, {"role": REGISTRY}):
        refusal(BadKeyFile, partial(keyring.add, [*documents, {**DOCUMENT, **wrong}], pins))
    for words in ({"frost": "sha256:12"}, {"frost": 12}, {"../frost": PIN}):
        refusal(BadKeyFile, partial(keyring.add, documents, words))  # type: ignore[arg-type]
    assert files(keyring) == {}
    keyring.save_pin("frost", f"sha256:{'cd' * 32}@1")
    before = files(keyring)
    refusal(KeyExists, lambda: keyring.add(documents, pins))
    assert files(keyring) == before
    keyring.save_pin("frost", PIN)
    added = keyring.add(documents, pins)
    inodes = [key.path.stat().st_ino for key in added]
    assert keyring.add(documents, pins) == added
    assert [key.path.stat().st_ino for key in added] == inodes
    assert [key.game for key in added] == ["ember", "frost"]
    assert [keyring.document(key) for key in added] == documents


def test_a_killed_process_leaves_no_half_of_a_key(tmp_path: Path) -> None:
    """Killed at any step `new` made no key; called again it makes one, and sweeps up what was left."""
    for moment in count():
        keyring = Keyring(tmp_path / str(moment) / "keys")
        if not killed_at(moment, partial(keyring.new, "frost", "root")):
            break
        assert keyring.games() == []
        key = keyring.new("frost", "root")
        assert list(files(keyring)) == [f"frost/{key.path.name}"]
    assert moment > 5


def test_half_a_key_is_no_key(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def die(fd: int, data: Any) -> int:
        write(fd, data[: len(data) // 2])
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", die)
        with pytest.raises(Killed):
            keyring.new("frost", "root")
    assert any(name.endswith(".new") for name in files(keyring))
    assert keyring.games() == []
    keyring.new("frost", "root")
    assert len(files(keyring)) == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells which file a descriptor is")
def test_a_key_is_durable_before_it_is_told(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of each new folder in the one above, the bytes, then the name."""
    steps: list[str] = []
    replace = os.replace

    def rename(old: str, new: str) -> None:
        steps.append(f"-> {new}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", lambda fd: steps.append(os.readlink(f"/proc/self/fd/{fd}")))
    monkeypatch.setattr(os, "replace", rename)
    key = keyring.new("frost", "root")
    state, folder = keyring.folder.parent, key.path.parent
    above = [str(path) for path in (state.parent, state, keyring.folder)]
    assert steps == [*above, f"{key.path}.new", f"-> {key.path}", str(folder)]
    steps.clear()
    keyring.forget(key)
    assert steps == [str(folder)]


def test_what_the_file_system_refuses_has_a_name(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        refusal(DiskFull, lambda: keyring.new("frost", "root"))
    assert keyring.keys("frost") == []
    (keyring.folder / "ember").write_text("in the way")
    refusal(PathUnusable, lambda: keyring.new("ember", "root"))


def test_of_many_at_once_one_makes_the_registrys_key(keyring: Keyring) -> None:
    together = Barrier(8)
    made: list[HeldKey] = []

    def make(_: int) -> None:
        together.wait()
        with suppress(KeyExists):
            made.append(Keyring(keyring.folder).make_registry_key())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(make, range(8)))
    assert made == [keyring.registry_key()]
