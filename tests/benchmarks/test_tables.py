"""Tables: every name leads to a module, and a table reads the same for people and for programs."""

import json
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.bench import Bench, from_snapshot
from benchmarks.measure import Command, Sample
from benchmarks.peers import casync
from benchmarks.peers.peer import Home
from benchmarks.report import TIMING, Table, markdown, timing, write
from benchmarks.run import TABLES
from benchmarks.tables import manifest


@pytest.mark.parametrize("module", TABLES.values())
def test_every_table_can_be_measured(module: str) -> None:
    assert callable(import_module(module).measure)


def test_the_manifest_table_runs_and_its_payload_keeps_the_bound() -> None:
    table = manifest.measure(Bench(quick=True, rounds=1))
    _, measured, goal = table.rows[-1]
    size, bound = (int(str(cell).split()[0].replace(",", "")) for cell in (measured, goal))
    assert 36 * manifest.CHUNKS // 10 < size <= bound


def test_medians_with_their_range_and_the_highest_peak() -> None:
    samples = [Sample(2.0, 1.0, 50 << 20), Sample(1.0, 3.0, 70 << 20), Sample(4.0, 2.0, 60 << 20)]
    assert dict(zip(TIMING, timing(samples, 10_000_000), strict=True)) == {
        "MB/s": "5",
        "seconds (range)": "2.00 (1.00-4.00)",
        "CPU s": "2.00",
        "peak MiB": "70",
    }


def test_a_table_as_markdown_and_as_json(tmp_path: Path) -> None:
    table = Table("t", "Title", ["a", "long"], [[1, "x"]], ["a note"], {"x": [Sample(1.0, 0.5, 7)]})
    assert markdown(table) == "### Title\n\n| a | long |\n|---|------|\n| 1 | x    |\n\n- a note\n"
    document = json.loads(write(table, tmp_path).read_text())
    assert document["rows"] == [[1, "x"]]
    assert document["samples"] == {"x": [{"wall": 1.0, "cpu": 0.5, "rss": 7}]}
    assert document["machine"]["processors"] >= 1


def test_a_snapshot_comes_back_before_each_run(tmp_path: Path) -> None:
    home = Home.inside(tmp_path / "home")
    (home.store / "kept").write_text("before")
    prepare = from_snapshot(home, lambda: Command(["true"]))
    (home.store / "kept").write_text("after")
    (home.store / "added").touch()
    prepare()
    assert [(path.name, path.read_text()) for path in home.store.iterdir()] == [("kept", "before")]


def test_a_casync_update_is_the_index_and_the_lacking_chunks(tmp_path: Path) -> None:
    home = Home.inside(tmp_path / "home")
    for label, chunks in (("old", [b"a" * 32, b"b" * 32]), ("new", [b"b" * 32, b"c" * 32])):
        entries = b"".join(bytes(8) + identity for identity in chunks)
        (home.store / f"{label}.caidx").write_bytes(bytes(64) + entries + bytes(40))
    for identity in (b"a", b"b", b"c"):
        name = (identity * 32).hex()
        path = home.store / f"default.castr/{name[:4]}/{name}.cacnk"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * identity[0])
    assert casync.update(home, "old", "new") == (ord("c") + 64 + 80 + 40, 2)
