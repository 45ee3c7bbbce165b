"""Keys are written for their owner alone, whole or not at all, and never over one another."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from chunkstore.store import DiskFull, PathUnusable
from manifest.trust.keyfile import REGISTRY, BadKeyFile, HeldKey
from manifest.trust.keyring import KeyExists, Keyring
from tests.kit.keyfiles import PLAIN, files, refusal
from tests.kit.mortality import Killed, killed_at

PIN = f"sha256:{'ab' * 32}@1"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "state" / "keys")


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


def test_either_all_is_added_or_nothing(keyring: Keyring, tmp_path: Path) -> None:
    other = Keyring(tmp_path / "other")
    documents = [other.document(other.new(game, "root")) for game in ("ember", "frost")]
    pins = {"frost": PIN}
    for wrong in ({"keyid": "0" * 64}, {"game": "../ember"}, {"role": REGISTRY}):
        refusal(BadKeyFile, partial(keyring.add, [*documents, {**PLAIN, **wrong}], pins))
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
