"""What stands in the way on this machine: full disks, folders and files that may not be written or read."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import pytest

from tests.attacks.refusal import check_refusal
from tests.kit.command import Finished, lading
from tests.kit.game import write_build
from tests.kit.published import GAME, Published, hand_over_keys
from tests.kit.trees import assert_same_tree
from tests.kit.unprivileged import give_to_nobody, lading_as_nobody


def fill_disk_after(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Every write fails once so many bytes are written, as on a disk that is full."""
    left = size

    def limited(write: Callable[..., int]) -> Callable[..., int]:
        def attempt(fd: int, data: bytes, *where: int) -> int:
            nonlocal left
            if left <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left -= len(data)
            return write(fd, data, *where)

        return attempt

    monkeypatch.setattr(os, "write", limited(os.write))
    monkeypatch.setattr(os, "pwrite", limited(os.pwrite))


@pytest.mark.parametrize("words", [["install", GAME, "--into"], ["update"]], ids=["install", "update"])
def test_a_disk_that_is_too_small_is_known_before_anything_is_fetched(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    target = tmp_path / "game"
    store = ["--store", str(published.store), "--json"]
    known = ["--build", "1"] if words == ["update"] else ["--dry-run"]  # the publisher is known by then
    assert lading("install", GAME, "--into", str(target), *store, *known).exit == 0
    with monkeypatch.context() as full:
        full.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
        fill_disk_after(full, 0)
        done = lading(*words, str(target), *store)
    check_refusal(done, "disk-full")
    data = done.document["error"]["data"]
    assert data["free_bytes"] == 1000 < data["needed_bytes"]
    assert lading(*words, str(target), *store).exit == 0
    assert_same_tree(target, published.source(3))


@pytest.mark.parametrize("size", [0, 300_000])
def test_a_disk_that_fills_up_under_an_update(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    target = tmp_path / "game"
    assert lading("install", GAME, "--into", str(target), "--store", str(published.store), "--build", "1").exit == 0
    with monkeypatch.context() as full:
        fill_disk_after(full, size)
        check_refusal(lading("update", str(target), "--json"), "disk-full")
    assert_same_tree(target, published.source(1))
    assert lading("update", str(target)).exit == 0
    assert_same_tree(target, published.source(3))


@pytest.mark.parametrize("size", [0, 100_000])
def test_a_disk_that_fills_up_under_a_publish(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    source = write_build(tmp_path / "source", 3)
    (source / "more.pak").write_bytes(os.urandom(200_000))
    publish = ["publish", str(source), GAME, "--store", str(published.store), "--json"]
    with monkeypatch.context() as full:
        fill_disk_after(full, size)
        check_refusal(lading(*publish), "disk-full")
    target = tmp_path / "game"
    assert lading("install", GAME, "--into", str(target), "--store", str(published.store)).exit == 0
    assert_same_tree(target, published.source(3))
    assert lading(*publish).exit == 0
    assert lading("update", str(target)).exit == 0
    assert_same_tree(target, source)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach, as pytest's own cannot."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def nobody(published: Published, open_folder: Path) -> Callable[..., Finished]:
    """Command lines of a user without rights, who owns `open_folder` with a copy of the store and its keys in it."""
    copytree(published.store, open_folder / "store")
    hand_over_keys(published.state, open_folder / "home" / "state")
    give_to_nobody(open_folder)
    return lambda *argv: lading_as_nobody(*argv, "--json", home=open_folder / "home")


def test_a_target_that_may_not_be_written(nobody: Callable[..., Finished], open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o555)
    install = ["install", GAME, "--into", str(closed / "game"), "--store", str(open_folder / "store")]
    check_refusal(nobody(*install), "path-unusable")
    assert list(closed.iterdir()) == []


def test_a_tree_that_may_no_longer_be_written(
    nobody: Callable[..., Finished], open_folder: Path, published: Published
) -> None:
    """Whatever the update had done by then, it goes on once it may."""
    target = open_folder / "game"
    assert (
        nobody("install", GAME, "--into", str(target), "--store", str(open_folder / "store"), "--build", "1").exit == 0
    )
    (target / "data").chmod(0o555)
    check_refusal(nobody("update", str(target)), "path-unusable")
    (target / "data").chmod(0o755)
    done = nobody("update", str(target))
    assert done.exit == 0, done.stdout
    assert_same_tree(target, published.source(3))


def test_a_source_file_that_may_not_be_read(
    nobody: Callable[..., Finished], open_folder: Path, published: Published
) -> None:
    source = write_build(open_folder / "source", 3)
    (source / "secret.pak").write_bytes(b"secret")
    give_to_nobody(source)
    (source / "secret.pak").chmod(0)
    publish = ["publish", str(source), GAME, "--store", str(open_folder / "store")]
    done = nobody(*publish)
    check_refusal(done, "path-unusable")
    assert done.document["error"]["where"] == str(source / "secret.pak")
    (source / "secret.pak").unlink()
    assert nobody(*publish, "--if-changed").document["result"]["created"] is False


def test_an_installed_file_that_may_not_be_read(nobody: Callable[..., Finished], open_folder: Path) -> None:
    target, store = open_folder / "game", open_folder / "store"
    assert nobody("install", GAME, "--into", str(target), "--store", str(store)).exit == 0
    (target / "bin" / "game").chmod(0o100)
    done = nobody("verify", str(target), "--full")
    assert (done.exit, done.document["result"]["wounds"]) == (11, [{"path": "bin/game", "kind": "unreadable"}])
    assert nobody("repair", str(target)).exit == 0
    assert nobody("verify", str(target), "--full").exit == 0


def test_a_store_that_may_not_be_read(nobody: Callable[..., Finished], open_folder: Path) -> None:
    (open_folder / "store" / "s").chmod(0)
    target = open_folder / "game"
    install = ["install", GAME, "--into", str(target), "--store", str(open_folder / "store")]
    check_refusal(nobody(*install), "path-unusable")
    (open_folder / "store" / "s").chmod(0o755)
    assert nobody(*install).exit == 0


def test_a_store_that_may_only_be_read(
    nobody: Callable[..., Finished], open_folder: Path, published: Published
) -> None:
    """A stick with a write protection is as good as any store, to install from."""
    target, store = open_folder / "game", open_folder / "store"
    for path in [store, *store.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert nobody("install", GAME, "--into", str(target), "--store", str(store), "--build", "1").exit == 0
    assert nobody("update", str(target)).exit == 0
    assert_same_tree(target, published.source(3))
    check_refusal(nobody("publish", str(target), GAME, "--store", str(store)), "path-unusable")
