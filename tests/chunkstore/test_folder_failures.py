"""How the folder store fails: a full disk, a read-only folder, every error of the system, a kill at every call."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chunkstore.errors import LadingError
from chunkstore.oserrors import leaf_for
from chunkstore.store import DiskFull, PathUnusable, StoreUnavailable
from chunkstore.stores.folder import FolderStore

KINDS: dict[type[LadingError], list[str]] = {
    DiskFull: ["ENOSPC", "EDQUOT"],
    StoreUnavailable: ["EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "ENOLCK", "EMFILE", "ENFILE", "ENOMEM", "EHOSTDOWN"],
    PathUnusable: ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "ELOOP", "EINVAL", "EFBIG"],
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in KINDS.items() for name in names])
def test_each_failure_of_the_system_has_its_leaf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[LadingError], name: str
) -> None:
    number = getattr(errno, name)

    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    store = FolderStore(tmp_path)
    store.put("k", b"x")
    monkeypatch.setattr(os, "open", fail)
    uses: list[Callable[[], object]] = [
        lambda: store.get("k", limit=1),
        lambda: store.get_range("k", 0, 1),
        lambda: store.stat("k"),
        lambda: store.put("new", b"x"),
        lambda: store.replace("new", b"x", match=None),
        lambda: store.delete("k"),
    ]
    for use in uses:
        with pytest.raises(kind) as caught:
            use()
        assert type(caught.value) is kind
        assert os.strerror(number) in caught.value.cause
        assert caught.value.where


def test_every_known_error_number_has_a_leaf() -> None:
    for number in errno.errorcode:
        error = leaf_for(OSError(number, os.strerror(number)), "x")
        assert type(error) in KINDS
        assert error.message
        assert error.next


def test_a_listing_that_fails_is_never_a_short_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    for key in ("a/1", "b/1", "c/1"):
        store.put(key, b"")
    scan = os.scandir

    def fail_on_b(path: str) -> object:
        if path.endswith("b/"):
            raise OSError(errno.EIO, "Input/output error")
        return scan(path)

    monkeypatch.setattr(os, "scandir", fail_on_b)
    with pytest.raises(StoreUnavailable):
        list(store.list(""))


@pytest.mark.parametrize("step", ["open", "write", "fsync", "mkdir", "link"])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """R-4.1.1-3: what was acknowledged before stays; the same call succeeds when there is space again."""
    store = FolderStore(tmp_path)
    store.put("before", b"x")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(DiskFull):
            store.put("new/k", b"y")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["before"]
    assert store.put("new/k", b"y") is True


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root ignores modes")
def test_a_read_only_folder_serves_and_refuses(tmp_path: Path) -> None:
    FolderStore(tmp_path).put("k", b"x")
    tmp_path.chmod(0o500)
    try:
        store = FolderStore(tmp_path)
        assert store.get("k", limit=1).data == b"x"
        with pytest.raises(PathUnusable):
            store.put("new/k", b"y")
    finally:
        tmp_path.chmod(0o700)


KILLER = Path(__file__).parent / "kill_at_each_call.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("verb", ["put", "put_without_links", "replace"])
def test_killed_at_any_call_the_object_is_whole_or_as_before(tmp_path: Path, verb: str) -> None:
    """R-4.1.1-3: SIGKILL before and after each system call of a write, and in the middle of each `write`."""
    done = subprocess.run(
        [sys.executable, str(KILLER), verb, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    outcomes = [line.split() for line in done.stdout.splitlines()]
    killed = [found for how, found in outcomes if how == f"{-signal.SIGKILL}"]
    assert len(killed) > 12
    assert set(killed) == {"before", "after"}
    assert outcomes[-1] == ["0", "after"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_pipe_in_the_place_of_an_object_is_named_and_waited_for_by_nobody(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    os.mkfifo(tmp_path / "k")
    uses: list[Callable[[], object]] = [
        lambda: store.get("k", limit=1),
        lambda: store.get_range("k", 0, 1),
        lambda: store.stat("k"),
        lambda: store.put("k", b"x"),
        lambda: store.replace("k", b"x", match=None),
        lambda: store.replace("k", b"x", match="0"),
        lambda: store.delete("k"),
    ]
    for use in uses:
        with pytest.raises(PathUnusable) as caught:
            use()
        assert caught.value.where == str(tmp_path / "k")
        assert caught.value.message == "not a file"
