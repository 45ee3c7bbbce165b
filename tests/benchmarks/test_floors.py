"""The floors do the whole work: what they publish they can install again, byte for byte."""

import json
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

from benchmarks.floors import pipeline
from benchmarks.floors.install import install
from benchmarks.floors.programs import floor
from benchmarks.floors.verify import verify
from benchmarks.floors.walk import walk
from benchmarks.generate import BLOCK, block

SIZE = 8 * BLOCK + 5 + 6 * 1000


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Two megabytes: a file of several windows, a duplicate, small files, an empty one."""
    folder = tmp_path / "toy"
    (folder / "small").mkdir(parents=True)
    (folder / "big").write_bytes(b"".join(block(1, number) for number in range(7)))
    (folder / "copy").write_bytes(block(1, 6) + b"tail!")
    (folder / "empty").touch()
    for number in range(6):
        (folder / f"small/{number}").write_bytes(block(2, number)[:1000])
    return folder


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and packs so small that the toy spans several."""
    monkeypatch.setattr(pipeline, "WINDOW", 300_000)
    monkeypatch.setattr(pipeline, "BATCH", 500_000)
    monkeypatch.setattr(pipeline, "PACK", 600_000)


def test_what_is_published_installs_as_it_was(toy: Path, tmp_path: Path) -> None:
    assert pipeline.publish(toy, tmp_path / "store", 2, set()) == SIZE
    assert install(tmp_path / "store", tmp_path / "out", 2) == SIZE
    assert _content(tmp_path / "out") == _content(toy)
    assert len(list((tmp_path / "store").iterdir())) > 2


def test_cuts_do_not_depend_on_the_window(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = pipeline.known_ids(toy, 2)
    monkeypatch.setattr(pipeline, "WINDOW", 1 << 24)
    assert pipeline.known_ids(toy, 1) == narrow


def test_what_is_known_is_not_stored_again(toy: Path, tmp_path: Path) -> None:
    known = pipeline.known_ids(toy, 2)
    (toy / "small/0").write_bytes(b"changed")
    pipeline.publish(toy, tmp_path / "store", 2, known)
    index = msgpack.unpackb((tmp_path / "store/index.msgpack").read_bytes(), strict_map_key=False)
    assert [size for _, _, size in index["chunks"].values()] == [7]


def test_walk_and_verify_see_every_byte(toy: Path) -> None:
    assert walk(str(toy)) == verify(toy, 2) == SIZE


def test_a_floor_program_reports_in_json(toy: Path) -> None:
    command = floor("republish", toy, toy, toy.parent / "out")
    finished = subprocess.run(command.argv, cwd=command.cwd, capture_output=True, text=True, check=True)
    report = json.loads(finished.stdout)
    assert sorted(report) == ["bytes", "cpu", "rss", "seconds"]
    assert report["bytes"] == SIZE
    assert command.argv[0] == sys.executable


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
