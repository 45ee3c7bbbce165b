"""The walk over a source folder: what it records, in which order, and what it refuses."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkstore.store import PathUnusable
from manifest.kinds import Kind
from manifest.paths import BadPath, PathCollision
from publisher.scan import SourceMissing, UnsuitableSource, scan
from publisher.settings import DepotConfig, Placed, TagRule

MAIN = DepotConfig()


def test_each_entry_is_a_row_in_the_order_of_a_manifest(tmp_path: Path) -> None:
    _make(
        tmp_path,
        {"b/x": b"12345", "a": b"", "b-c": b"1", "é": b"12", "C": b"123", "empty/": None, "deep/er/empty/": None},
    )
    (tmp_path / "a").chmod(0o755)
    os.utime(tmp_path / "a", ns=(1, 1_500_000_000_123_456_789))
    found = scan(tmp_path, MAIN)
    assert found.paths == ["C", "a", "b-c", "b/x", "deep/er/empty", "empty", "é"]
    assert found.paths == sorted(found.paths, key=str.encode)
    assert list(found.kinds) == [0, 0, 0, 0, Kind.FOLDER, Kind.FOLDER, 0]
    assert list(found.executable) == [0, 1, 0, 0, 0, 0, 0]
    assert list(found.sizes) == [3, 0, 1, 5, 0, 0, 2]
    assert found.sources == [str(tmp_path / path) for path in found.paths]
    assert found.targets == {}
    for row, source in enumerate(found.sources):
        stat = os.stat(source)
        assert (found.mtime_ns[row], found.ctime_ns[row]) == (stat.st_mtime_ns, stat.st_ctime_ns)
        assert found.inodes[row] == stat.st_ino


trees = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "c-", "é", "B b"]), min_size=1, max_size=4).map("/".join),
    st.booleans(),
    max_size=8,
)


@settings(max_examples=50)
@given(trees)
def test_any_tree_is_found_whole(tree: dict[str, bool]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, is_file in tree.items():
            with suppress(OSError):  # the path leads through a file, or is a folder already
                _make(root, {path if is_file else f"{path}/": path.encode()})
        found = scan(root, MAIN)
        walked = {}
        for entry in root.rglob("*"):
            if entry.is_file() or not any(entry.iterdir()):
                walked[entry.relative_to(root).as_posix()] = Kind.FILE if entry.is_file() else Kind.FOLDER
    assert dict(zip(found.paths, found.kinds, strict=True)) == walked
    assert len(found.paths) == len(walked)


def test_a_time_beyond_all_counting_is_kept_as_the_latest(tmp_path: Path) -> None:
    _make(tmp_path, {"a": b""})
    os.utime(tmp_path / "a", (15_000_000_000, 15_000_000_000))
    assert scan(tmp_path, MAIN).mtime_ns[0] == 2**63 - 1


def test_a_deep_tree_costs_no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    with pytest.raises(BadPath, match="longer than"):
        scan(tmp_path, MAIN)
    for _ in range(1500):  # what clears the temporary folder away is recursive
        os.chdir("..")
        os.rmdir("d")


@pytest.mark.parametrize("name", [".lading", ".ladingignore", "lading.toml"])
def test_what_is_about_the_game_is_not_of_it(tmp_path: Path, name: str) -> None:
    _make(tmp_path, {"a": b"", f"data/{name}": b""})
    if name == ".lading":
        _make(tmp_path, {".lading/state": b"", ".lading/Bad:name": b""})
    else:
        _make(tmp_path, {name: b""})
    assert scan(tmp_path, MAIN).paths == ["a", f"data/{name}"]


def test_the_folder_of_an_installed_tree_is_left_out_of_a_mapping(tmp_path: Path) -> None:
    _make(tmp_path, {"installed/.lading/state": b"", "installed/a": b""})
    assert scan(tmp_path, DepotConfig(mappings=(Placed("installed", ""),))).paths == ["a"]


def test_ignored_folders_are_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _make(tmp_path, {"a": b"", "cache/x/bad:name": b"", "src/cache/y": b"", "src/z": b"", "only/a.tmp": b""})
    os.mkfifo(tmp_path / "pipe.tmp")
    entered = []

    def note(folder: str) -> object:
        entered.append(os.path.relpath(folder, tmp_path))
        return scandir(folder)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", note)
    found = scan(tmp_path, DepotConfig(ignore=("cache/", "*.tmp")))
    assert found.paths == ["a", "only", "src/z"]
    assert found.kinds[1] == Kind.FOLDER, "what is left of a folder is published, if only the folder"
    assert sorted(entered) == [".", "only", "src"]


def test_patterns_mark_executables(tmp_path: Path) -> None:
    _make(tmp_path, {"bin/run": b"", "bin/data": b"", "bin/empty/": None})
    rules = (TagRule("bin/run", "executable"), TagRule("bin/", "language:de"), TagRule("empty", "executable"))
    found = scan(tmp_path, DepotConfig(tags=rules))
    assert dict(zip(found.paths, found.executable, strict=True)) == {"bin/data": 0, "bin/empty": 0, "bin/run": 1}


def test_links_are_recorded_and_not_followed(tmp_path: Path) -> None:
    _make(tmp_path, {"lib/a.so.1": b"content"})
    (tmp_path / "lib/a.so").symlink_to("a.so.1")
    (tmp_path / "lib/up").symlink_to("../lib")
    (tmp_path / "gone").symlink_to("mïssing")
    found = scan(tmp_path, MAIN)
    assert found.paths == ["gone", "lib/a.so", "lib/a.so.1", "lib/up"]
    assert list(found.kinds) == [Kind.LINK, Kind.LINK, Kind.FILE, Kind.LINK]
    assert found.targets == {0: "mïssing", 1: "a.so.1", 3: "../lib"}
    assert list(found.sizes) == [8, 6, 7, 6]
    assert not any(found.executable)


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside", "lib/../../outside", ".lading/state", os.fsdecode(b"\xff")]
)
def test_links_that_lead_outside_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(BadPath) as caught:
        scan(tmp_path, MAIN)
    assert caught.value.data["path"] == "link"


def test_a_depot_for_windows_has_no_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(UnsuitableSource, match="Windows") as caught:
        scan(tmp_path, DepotConfig(platform="windows"))
    assert caught.value.where == str(tmp_path / "link")
    assert scan(tmp_path, DepotConfig(platform="linux")).paths == ["link"]


def test_what_is_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _make(tmp_path, {"pipes/": None, "sockets/": None})
    os.mkfifo(tmp_path / "pipes/p")
    monkeypatch.chdir(tmp_path / "sockets")  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
    for folder, name in (("pipes", "p"), ("sockets", "s")):
        with pytest.raises(UnsuitableSource) as caught:
            scan(tmp_path / folder, MAIN)
        assert caught.value.code == "source-unsuitable"
        assert caught.value.where == str(tmp_path / folder / name)


@pytest.mark.parametrize("name", [b"bad\xff", b"a:b", b"NUL.txt", b"a.", b"x\n"])
def test_names_that_are_not_portable_are_refused(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "sub").mkdir()
    with open(os.fsencode(tmp_path / "sub") + b"/" + name, "wb"):
        pass
    with pytest.raises(BadPath) as caught:
        scan(tmp_path, MAIN)
    assert caught.value.data["path"].startswith("sub/")
    assert str(caught.value).isprintable()


def test_names_that_meet_elsewhere_are_refused(tmp_path: Path) -> None:
    _make(tmp_path, {"Data/a": b"", "data/b": b""})
    with pytest.raises(PathCollision):
        scan(tmp_path, MAIN)


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing) as missing:
        scan(tmp_path / "missing", MAIN)
    assert missing.value.code == "source-missing"
    assert missing.value.where == str(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(UnsuitableSource) as caught:
        scan(tmp_path / "file", MAIN)
    assert caught.value.where == str(tmp_path / "file")
    with pytest.raises(SourceMissing):
        scan(tmp_path / "file/below", MAIN)
    with pytest.raises(SourceMissing) as missing:
        scan(tmp_path, DepotConfig(mappings=(Placed("build/win64", ""),)))
    assert missing.value.where == str(tmp_path / "build/win64")


def test_a_folder_that_cannot_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _make(root, {"a": b"", "closed/b": b"", "blind/c": b""})
        root.chmod(0o755)
        for folder, mode in (("closed", 0o000), ("blind", 0o444)):
            (root / folder).chmod(mode)
            with _unprivileged(), pytest.raises(PathUnusable, match="Permission denied") as caught:
                scan(root, MAIN)
            (root / folder).chmod(0o755)
            assert caught.value.where.startswith(str(root / folder))


def test_a_file_that_vanishes_under_the_scan_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _make(tmp_path, {"a": b""})
    scandir = os.scandir

    @contextmanager
    def race(folder: str) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(folder) as entries:
            listed = list(entries)
        (tmp_path / "a").unlink()
        yield listed

    monkeypatch.setattr(os, "scandir", race)
    with pytest.raises(PathUnusable) as caught:
        scan(tmp_path, MAIN)
    assert caught.value.where == str(tmp_path / "a")


def test_mappings_place_folders_in_the_build(tmp_path: Path) -> None:
    _make(
        tmp_path, {"build/win64/game.exe": b"", "assets/maps/1": b"", "assets/x.psd": b"", "other": b"", "saves/": None}
    )
    found = scan(
        tmp_path,
        DepotConfig(
            mappings=(Placed("build/win64", ""), Placed("assets", "game/data"), Placed("saves", "saves")),
            ignore=("/assets/*.psd",),
        ),
    )
    assert found.paths == ["game.exe", "game/data/maps/1", "saves"]
    assert found.sources == [str(tmp_path / path) for path in ("build/win64/game.exe", "assets/maps/1", "saves")]
    assert found.kinds[2] == Kind.FOLDER


def test_mappings_fill_each_others_folders(tmp_path: Path) -> None:
    _make(tmp_path, {"one/": None, "two/a": b"", "three/": None})
    paths = _paths(tmp_path, Placed("one", "data"), Placed("two", "data/sub"), Placed("three", "data/sub"))
    assert paths == ["data/sub/a"]
    assert _paths(tmp_path, Placed("one", "data"), Placed("three", "data")) == ["data"]
    assert _paths(tmp_path, Placed("one", ""), Placed("three", "")) == []


def test_mappings_do_not_overwrite_each_other(tmp_path: Path) -> None:
    _make(tmp_path, {"one/a": b"1", "two/a": b"2", "three/A/b": b""})
    with pytest.raises(PathCollision, match="twice"):
        _paths(tmp_path, Placed("one", ""), Placed("two", ""))
    with pytest.raises(PathCollision):
        _paths(tmp_path, Placed("one", ""), Placed("three", ""))


def _paths(root: Path, *mappings: Placed) -> list[str]:
    return scan(root, DepotConfig(mappings=mappings)).paths


def _make(root: Path, tree: dict[str, bytes | None]) -> None:
    for path, content in tree.items():
        if path.endswith("/"):
            (root / path).mkdir(parents=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content or b"")


@contextmanager
def _unprivileged() -> Iterator[None]:
    """Modes mean nothing to root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
