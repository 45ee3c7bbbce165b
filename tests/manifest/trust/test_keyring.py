"""Keys come back as they were made, belong to their owner alone, and no failure tells what they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.store import PathUnusable
from manifest.names import BadName
from manifest.trust import keyring as room
from manifest.trust.keyfile import REGISTRY, ROLES_OF_KEYS, BadKeyFile, HeldKey, keyid_of
from manifest.trust.keyring import KeyExists, KeyExposed, Keyring
from manifest.trust.sealing import PassphraseWrong
from tests.kit.keyfiles import KEYID, PLAIN, PUBLIC, files, refusal
from tests.kit.signedgame import GAME, SignedGame, build

PIN = f"sha256:{'ab' * 32}@1"
LENGTH = len(json.dumps(PLAIN, indent=1))


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
    assert (b"PRIVATE KEY" in made.path.read_bytes()) is not made.encrypted


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
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601])
def test_a_key_that_others_can_get_at_is_refused(keyring: Keyring, mode: int) -> None:
    path = put(keyring, PLAIN)
    [key] = keyring.keys("frost")
    path.chmod(mode)
    for work in (lambda: keyring.keys("frost"), lambda: keyring.document(key)):
        error = refusal(KeyExposed, work)
        assert error.where == str(path)
        assert f"chmod 600 {path}" in error.next


@given(st.integers(0, LENGTH - 1))
def test_a_truncated_file_is_named(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    keyring = Keyring(tmp_path_factory.mktemp("keys"))
    [key] = keyring.add([PLAIN])
    whole = key.path.read_bytes()
    assert len(whole) == LENGTH
    key.path.write_bytes(whole[:length])
    for work in (lambda: keyring.keys("frost"), lambda: keyring.document(key)):
        assert refusal(BadKeyFile, work).where == str(key.path)


WRONG: dict[str, dict[str, Any]] = {
    "no private key": {"pem": None},
    "another game": {"game": "ember"},
    "another role": {"role": "builds"},
    "the registry's role": {"role": REGISTRY, "game": ""},
    "another id": {"keyid": keyid_of(bytes(32)), "public": "0" * 64},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_file_that_breaks_the_form_or_lies_in_another_place_is_named(
    keyring: Keyring, change: dict[str, Any]
) -> None:
    path = put(keyring, {**PLAIN, **change})
    assert refusal(BadKeyFile, lambda: keyring.keys("frost")).where == str(path)


def test_a_command_is_kept_and_never_shown(keyring: Keyring) -> None:
    key = keyring.add_command("frost", "root", ["/opt/знак", "--pin", "1234"], PUBLIC)
    assert keyring.keys("frost") == [key]
    assert key.command == ("/opt/знак", "--pin", "1234")
    assert "1234" not in repr(key)


def test_one_public_key_has_one_command(keyring: Keyring) -> None:
    key = keyring.add_command("frost", "root", ["sign"], PUBLIC)
    assert keyring.add_command("frost", "root", ["sign"], PUBLIC) == key
    refusal(KeyExists, lambda: keyring.add_command("frost", "root", ["sign", "elsewhere"], PUBLIC))
    refusal(KeyExists, lambda: keyring.add([PLAIN]))
    assert keyring.keys("frost") == [key]


def test_misuse_is_told_to_programmers_and_a_bad_name_to_people(keyring: Keyring) -> None:
    misuse: dict[str, Callable[[], object]] = {
        "role": lambda: keyring.new("frost", "targets"),
        "32 bytes": lambda: keyring.add_command("frost", "root", ["sign"], PUBLIC[:31]),
        "one word": lambda: keyring.add_command("frost", "root", [], PUBLIC),
        "passphrase": lambda: keyring.new("frost", "root", b""),
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
    path = put(keyring, PLAIN, "_registry.json")
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


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that keyrings read from now on."""
    reads: list[Path] = []
    read = room._read_file

    def reading(path: Path) -> bytes:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(room, "_read_file", reading)
    return reads


def test_a_file_is_read_once_until_it_changes(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [keyring.new("frost", role) for role in ROLES_OF_KEYS]
    again, reads = Keyring(keyring.folder), counted(monkeypatch)
    for key in [*again.keys("frost"), *again.keys("frost")]:
        assert again.private_key(key) == again.document(key)["pem"].encode()
    assert sorted(reads) == sorted(key.path for key in made)
    keyring.mark_backed_up(made)
    assert all(key.backed_up for key in again.keys("frost"))
    keyring.forget(made[0])
    more = keyring.new("frost", "root")
    put(keyring, {**keyring.document(made[1]), "comment": "laptop"}, f"frost/{made[1].path.name}")
    reads.clear()
    assert {key.keyid for key in again.keys("frost")} == {more.keyid, made[1].keyid, made[2].keyid}
    assert again.document(made[1])["comment"] == "laptop"
    assert sorted(reads) == sorted([more.path, made[1].path])
    made[2].path.unlink()
    refusal(PathUnusable, lambda: again.private_key(made[2]))


def test_another_file_of_the_same_size_and_time_is_read(keyring: Keyring) -> None:
    path = put(keyring, {**PLAIN, "comment": "one"})
    [key] = keyring.keys("frost")
    other = put(keyring, {**PLAIN, "comment": "two"}, "other")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    assert keyring.document(key)["comment"] == "two"


def test_a_publish_reads_each_key_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    game = SignedGame.made(tmp_path, builds=1)
    registry, reads = game.registry, counted(monkeypatch)
    before = registry.whole(GAME)
    registry.require_keys(before)
    registry.commit(before, replace(before, builds={**before.builds, 2: build(2)}), lambda: None)
    keys = registry.pen.keyring.keys(GAME)
    assert sorted(path for path in reads if path.suffix == ".json") == sorted(key.path for key in keys)


def test_a_publish_looks_for_its_keys_before_it_stores_anything_and_when_it_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = SignedGame.made(tmp_path, builds=1)
    registry, look, looks = game.registry, Keyring.keys, []
    before = registry.whole(GAME)

    def counting(keyring: Keyring, name: str) -> list[HeldKey]:
        looks.append(name)
        return look(keyring, name)

    monkeypatch.setattr(Keyring, "keys", counting)
    registry.require_keys(before)
    registry.commit(before, replace(before, builds={**before.builds, 2: build(2)}), lambda: None)
    assert looks == [GAME, GAME]


def test_a_passphrase_is_asked_for_once_a_key(keyring: Keyring) -> None:
    made = [keyring.new("frost", role, b"right") for role in ROLES_OF_KEYS]
    given = [b"wrong", None, *[b"right"] * len(made)]
    again = Keyring(keyring.folder, lambda: given.pop(0))
    for _ in range(2):
        assert refusal(PassphraseWrong, lambda: again.private_key(made[0])).where == str(made[0].path)
    for _ in range(3):
        assert [again.private_key(key) for key in made] == [keyring.private_key(key) for key in made]
    assert given == []


def test_to_know_keys_takes_no_cryptography(keyring: Keyring) -> None:
    """Every command of a player knows keyrings, and importing it takes 15 ms."""
    keyring.new("frost", "root", b"passphrase")
    text = f"""
import sys
from pathlib import Path
from manifest.trust.keyring import Keyring
[key] = Keyring(Path({str(keyring.folder)!r})).keys("frost")
assert key.encrypted and not [name for name in sys.modules if name.startswith("cryptography")]
"""
    subprocess.run([sys.executable, "-c", text], check=True)
