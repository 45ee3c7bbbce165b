"""The cache of unchanged files: when it may be trusted, and that it is never an obstacle."""

from __future__ import annotations

import os
from array import array
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.filecache import TICK_NS, FileCache, unchanged_rows
from publisher.scan import Scan, scan
from publisher.settings import DepotConfig

MANIFEST = bytes(range(32))
LONG_AGO = 1_700_000_000_000_000_000
STARTED = LONG_AGO + 10 * TICK_NS
BYTES = ["kinds", "executable"]
COLUMNS = ["sizes", "mtime_ns", "ctime_ns", "inodes", *BYTES]


def test_an_unchanged_file_is_known_by_its_row() -> None:
    before = _scan(["a", "b", "c"])
    assert list(unchanged_rows(before, FileCache.of(MANIFEST, STARTED, before))) == [0, 1, 2]


@pytest.mark.parametrize("column", COLUMNS)
def test_any_difference_makes_a_file_unknown(column: str) -> None:
    before = _scan(["a", "b", "c"])
    changed: Any = bytearray(getattr(before, column)) if column in BYTES else getattr(before, column)[:]
    changed[1] ^= 1
    after = replace(before, **{column: changed})
    assert list(unchanged_rows(after, FileCache.of(MANIFEST, STARTED, before))) == [0, -1, 2]


def test_rows_are_found_by_path_when_files_come_and_go() -> None:
    before = _scan(["a", "b", "d"])
    after = _scan(["0", "b", "c", "d"])
    assert list(unchanged_rows(after, FileCache.of(MANIFEST, STARTED, before))) == [-1, 1, -1, 2]


@pytest.mark.parametrize("column", ["mtime_ns", "ctime_ns"])
@pytest.mark.parametrize(
    ("time", "row"),
    [(STARTED - TICK_NS - 1, 0), (STARTED - TICK_NS, -1), (STARTED, -1), (STARTED + TICK_NS, -1), (2**63 - 1, -1)],
)
def test_a_file_that_was_fresh_when_it_was_scanned_is_read_again(column: str, time: int, row: int) -> None:
    changed: dict[str, Any] = {column: array("q", [time])}
    before = replace(_scan(["a"]), **changed)
    assert list(unchanged_rows(before, FileCache.of(MANIFEST, STARTED, before))) == [row]


def test_a_cache_comes_back_from_its_file(tmp_path: Path) -> None:
    for paths in ([], ["a"], ["a", "é/b c", "ゲーム"]):
        kept = FileCache.of(MANIFEST, STARTED, _scan(paths))
        kept.save(tmp_path / "deep/er/cache")
        loaded = FileCache.load(tmp_path / "deep/er/cache")
        assert loaded is not None
        for field in fields(FileCache):
            assert getattr(loaded, field.name) == getattr(kept, field.name)
        assert os.listdir(tmp_path / "deep/er") == ["cache"]


def test_a_missing_or_foreign_cache_is_no_cache(tmp_path: Path) -> None:
    assert FileCache.load(tmp_path / "missing") is None
    assert FileCache.load(tmp_path) is None
    for data in (b"", b"lading file cache", b"{}", bytes(200)):
        (tmp_path / "cache").write_bytes(data)
        assert FileCache.load(tmp_path / "cache") is None


@pytest.fixture(scope="module")
def cache_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "cache"
    FileCache.of(MANIFEST, STARTED, _scan(["a", "b"])).save(path)
    return path


@given(data=st.data())
def test_a_damaged_cache_is_no_cache(cache_file: Path, data: st.DataObject) -> None:
    whole = cache_file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from([whole[:at], whole + b"\0", whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]])
    )
    copy = cache_file.with_name("damaged")
    copy.write_bytes(damaged)
    assert FileCache.load(copy) is None


def test_a_cache_that_cannot_be_kept_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken/x").mkdir(parents=True)
    cache = FileCache.of(MANIFEST, STARTED, _scan(["a"]))
    cache.save(tmp_path / "file/cache")
    cache.save(tmp_path / "taken")
    assert sorted(os.listdir(tmp_path)) == ["file", "taken"]


def test_a_rewritten_file_is_noticed_although_size_and_time_are_put_back(tmp_path: Path) -> None:
    file = tmp_path / "save.dat"
    file.write_bytes(b"old")
    os.utime(file, ns=(LONG_AGO, LONG_AGO))
    before = scan(tmp_path, DepotConfig())
    started = before.ctime_ns[0] + TICK_NS + 1
    cache = FileCache.of(MANIFEST, started, before)
    assert list(unchanged_rows(scan(tmp_path, DepotConfig()), cache)) == [0]
    while scan(tmp_path, DepotConfig()).ctime_ns == before.ctime_ns:
        file.write_bytes(b"new")
        os.utime(file, ns=(LONG_AGO, LONG_AGO))
    after = scan(tmp_path, DepotConfig())
    assert (after.sizes, after.mtime_ns, after.inodes) == (before.sizes, before.mtime_ns, before.inodes)
    assert list(unchanged_rows(after, cache)) == [-1]


def _scan(paths: list[str]) -> Scan:
    """A scan of files whose stamps follow from their names."""
    numbers = [sum(path.encode()) for path in paths]
    return Scan(
        paths=paths,
        sources=[f"/src/{path}" for path in paths],
        kinds=bytes(len(paths)),
        executable=bytes(number % 2 for number in numbers),
        sizes=array("Q", numbers),
        mtime_ns=array("q", [LONG_AGO + number for number in numbers]),
        ctime_ns=array("q", [LONG_AGO + 2 * number for number in numbers]),
        inodes=array("Q", [number + 2**63 for number in numbers]),
        targets={},
    )
