"""What the folder store promises beyond the port: durability, order of writes, crashes, foreign files, read-only."""

from __future__ import annotations

import errno
import os
import stat as modes
import sys
import threading
from pathlib import Path

import pytest

from chunkstore.durable import exclusive
from chunkstore.ids import digest_of
from chunkstore.store import (
    Conflict,
    KeyMissing,
    ObjectTooLarge,
    PathUnusable,
)
from chunkstore.stores.folder import FolderStore
from tests.conformance.object_store import Medium, ObjectStoreSuite


def folder_medium(root: Path) -> Medium:
    def write(key: str, data: bytes) -> None:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def read(key: str) -> bytes | None:
        path = root / key
        return path.read_bytes() if path.exists() else None

    return Medium(open=lambda: FolderStore(root), write=write, read=read)


class TestFolderStore(ObjectStoreSuite):
    @pytest.fixture
    def medium(self, tmp_path: Path) -> Medium:
        return folder_medium(tmp_path / "not" / "made" / "yet")


class TestWithoutHardLinks(ObjectStoreSuite):
    """FAT and some shares: the lock stands in for the link."""

    @pytest.fixture
    def medium(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Medium:
        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)
        return folder_medium(tmp_path)


def names_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_reading_makes_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    with pytest.raises(KeyMissing):
        store.get("lading.json", limit=1)
    assert list(store.list("s/")) == []
    store.delete("s/x")
    assert store.clean_temporaries(0, now=2e9) == 0
    assert not (tmp_path / "store").exists()


def test_put_leaves_the_object_and_no_temporary_file(tmp_path: Path) -> None:
    FolderStore(tmp_path).put("a/b", b"x")
    assert names_below(tmp_path) == ["a/b"]


def test_objects_have_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    """A web server under another user must be able to read them."""
    before = os.umask(0o022)
    try:
        FolderStore(tmp_path).put("a/b", b"x")
    finally:
        os.umask(before)
    assert modes.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o644


def test_the_tag_is_the_digest_of_the_bytes(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    body = b"x" * 3_000_000
    store.put("k", body)
    assert store.stat("k").etag == store.get("k", limit=len(body)).etag == digest_of(body).hex()


def test_the_temporary_folder_holds_no_objects(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".tmp" / "1-1").write_bytes(b"half")
    assert list(store.list("")) == []
    assert list(store.list(".")) == []
    for use in (
        lambda: store.put(".tmp/1-1", b""),
        lambda: store.get(".tmp/1-1", limit=9),
        lambda: store.list(".tmp/"),
        lambda: store.delete(".tmp"),
    ):
        with pytest.raises(ValueError, match="not an object key"):
            use()


def test_files_that_no_key_can_name_are_no_objects(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "copy of k").write_bytes(b"")
    (tmp_path / "k").write_bytes(b"")
    assert [entry.key for entry in FolderStore(tmp_path).list("")] == ["k"]


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a/b", b"x")
    for use in (
        lambda: store.put("a", b""),
        lambda: store.replace("a", b"", match=None),
        lambda: store.get("a", limit=9),
        lambda: store.put("a/b/c", b""),
    ):
        with pytest.raises(PathUnusable):
            use()


def test_get_range_is_open_read_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    store.put("pack", bytes(1000))
    calls = record_calls(monkeypatch)
    store.get_range("pack", 10, 900)
    assert calls == ["open", "read_at", "close"]


def test_a_long_object_is_not_read_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "k").write_bytes(bytes(100_000))
    sizes: list[int] = []

    def read_at(fd: int, size: int, start: int) -> bytes:
        sizes.append(size)
        return os.pread(fd, size, start)

    monkeypatch.setattr(sys.modules["chunkstore.stores.folder"], "read_at", read_at)
    with pytest.raises(ObjectTooLarge):
        FolderStore(tmp_path).get("k", limit=10)
    assert sizes == [11]


def test_a_listing_reads_only_the_folders_of_its_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    for number in range(20):
        store.put(f"packs/{number:02d}/k", b"")
    calls = record_calls(monkeypatch)
    assert [entry.key for entry in store.list("packs/0")] == [f"packs/{number:02d}/k" for number in range(10)]
    assert calls.count("scandir") == 11


def record_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the system's functions in the order in which they are called from now on."""
    calls: list[str] = []

    def watch(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(*args: object, **named: object) -> object:
            calls.append(name)
            return real(*args, **named)

        monkeypatch.setattr(owner, name, call)

    for name in ("open", "close", "stat", "fstat", "scandir", "mkdir", "link", "unlink", "rename", "replace", "fsync"):
        watch(os, name)
    watch(sys.modules["chunkstore.stores.folder"], "read_at")
    return calls


def test_a_put_syncs_bytes_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    store.put("a/first", b"x")
    calls = record_calls(monkeypatch)
    store.put("a/second", b"x")
    assert [name for name in calls if name in ("fsync", "link", "unlink")] == ["fsync", "link", "fsync", "unlink"]


def test_a_replace_syncs_bytes_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    tag = store.replace("k", b"one", match=None)
    store.delete("k")
    store.put("k", b"one")
    calls = record_calls(monkeypatch)
    store.replace("k", b"two", match=tag)
    assert [name for name in calls if name in ("fsync", "replace")] == ["fsync", "replace", "fsync"]


def test_a_put_that_finds_the_object_still_makes_sure_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other writer may have linked it a moment ago; what we answer must survive a power cut."""
    FolderStore(tmp_path).put("a/k", b"x")
    calls = record_calls(monkeypatch)
    assert FolderStore(tmp_path).put("a/k", b"x") is False
    assert calls.count("fsync") == 1
    assert "link" not in calls


def test_every_new_folder_is_synced_into_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(sys.modules["chunkstore.stores.folder"], "sync_folder", synced.append)
    store = FolderStore(tmp_path / "deep" / "base")
    store.put("s/g/k", b"x")
    wanted = [tmp_path, tmp_path / "deep", tmp_path / "deep/base", tmp_path / "deep/base/s", tmp_path / "deep/base/s/g"]
    assert {str(path) for path in wanted} <= set(synced)
    synced.clear()
    store.put("s/g/l", b"x")
    assert synced == [str(tmp_path / "deep/base/s/g")]


def test_a_put_does_not_copy_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 MiB packs come as a bytearray; what reaches `write` is a view of that very buffer."""
    body = bytearray(1 << 20)
    written: list[memoryview] = []

    def write(fd: int, data: memoryview) -> int:
        written.append(data)
        return len(data)

    monkeypatch.setattr(os, "write", write)
    FolderStore(tmp_path).put("k", body)
    assert len(written) == 1
    assert written[0].obj is body


def test_a_partial_write_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    FolderStore(tmp_path).put("k", bytes(range(100)))
    assert (tmp_path / "k").read_bytes() == bytes(range(100))


def test_partial_reads_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network shares and FUSE may answer with less than was asked."""
    store = FolderStore(tmp_path)
    store.put("k", bytes(range(100)))
    monkeypatch.setattr(
        sys.modules["chunkstore.stores.folder"], "read_at", lambda fd, size, start: os.pread(fd, min(size, 7), start)
    )
    assert store.get_range("k", 5, 90) == bytes(range(5, 95))
    assert store.get("k", limit=100).data == bytes(range(100))


def test_old_temporaries_are_cleaned_and_the_lock_stays(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    tag = store.replace("k", b"x", match=None)
    store.replace("k", b"y", match=tag)
    now = 2_000_000_000.0
    for name, age in (("1-1", 7200), ("1-2", 60)):
        path = tmp_path / ".tmp" / name
        path.write_bytes(b"half")
        os.utime(path, (now - age, now - age))
    os.utime(tmp_path / ".tmp" / "lock", (0, 0))
    assert store.clean_temporaries(3600, now) == 1
    assert names_below(tmp_path) == [".tmp/1-2", ".tmp/lock", "k"]


def test_a_name_that_a_crashed_writer_took_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".tmp").mkdir()
    left = tmp_path / ".tmp" / f"{os.getpid()}-0"
    left.write_bytes(b"half")
    FolderStore(tmp_path).put("k", b"x")
    assert (tmp_path / "k").read_bytes() == b"x"
    assert left.read_bytes() == b"half"


def test_a_replace_waits_for_the_lock_of_another(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    tag = store.replace("k", b"one", match=None)
    started, done = threading.Event(), threading.Event()

    def change() -> None:
        started.set()
        store.replace("k", b"two", match=tag)
        done.set()

    thread = threading.Thread(target=change)
    with exclusive(str(tmp_path / ".tmp" / "lock")):
        thread.start()
        started.wait()
        assert not done.wait(0.1)
        assert store.get("k", limit=9).data == b"one"
    thread.join()
    assert store.get("k", limit=9).data == b"two"


def test_a_conflict_says_what_was_found(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    tag = store.replace("k", b"x", match=None)
    with pytest.raises(Conflict) as caught:
        store.replace("k", b"y", match="0" * 64)
    assert caught.value.data["found"] == tag
