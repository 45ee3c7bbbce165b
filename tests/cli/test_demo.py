"""`lading demo`: the play is real, honest about its rivals, and leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from chunkstore.cancel import Cancel
from cli.rivals import BLOCK, files_of, fixed_blocks, whole_files
from cli.toygame import write_build
from tests.kit.command import Lading
from tests.kit.game import noise
from tests.kit.source import write

SCALE = 64 * 1024


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The same play with a game of 4 MB; where temporary files are made."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr("cli.toygame.MIB", SCALE)
    monkeypatch.setattr("cli.toygame._ENGINE_BYTES", 20 * SCALE)
    monkeypatch.setattr("cli.toygame._TEXTS", 100)
    monkeypatch.setenv("LADING_STATE_DIR", str(tmp_path / "state of the user"))
    return temporary


def test_the_play_leaves_nothing_behind(lading: Lading, small: Path, tmp_path: Path) -> None:
    played = lading("demo", "--json")
    assert played.exit == 0, played.stdout
    result = played.document["result"]
    first, second = result["published"]
    assert second["new_chunks"] < first["new_chunks"] / 4
    assert sorted(wound["kind"] for wound in result["wounds"]) == ["missing", "modified", "modified"]
    for scene in ("install", "update", "repair"):
        planned, actual = result[scene]["planned"], result[scene]["actual"]
        assert actual["download_bytes"] == pytest.approx(planned["download_bytes"], rel=0.01, abs=65536)
    costs = result["update_downloads"]
    assert 0 < costs["lading"] < costs["whole_files"]
    assert (result["kept"], os.listdir(small)) == (None, [])
    assert not (tmp_path / "state of the user").exists()


def test_what_is_kept_can_be_looked_at(lading: Lading, small: Path, tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    told = lading("demo", "--keep", str(stage))
    assert told.exit == 0
    assert str(stage) in told.stdout
    assert "lading" in told.stdout
    assert lading("verify", str(stage / "installed"), "--full").exit == 0
    assert lading("store", "check", str(stage / "store")).exit == 0
    again = lading("demo", "--keep", str(stage), "--json")
    assert (again.exit, again.document["error"]["code"]) == (10, "folder-in-use")


def test_a_stopped_play_leaves_nothing_behind(lading: Lading, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = Cancel()

    def stop(*_: object) -> None:
        cancel.request()
        cancel.check()

    monkeypatch.setattr("cli.demonstration.install", stop)
    stopped = lading("demo", "--json", cancel=cancel)
    assert (stopped.exit, stopped.document["error"]["code"]) == (130, "interrupted")
    assert os.listdir(small) == []


def test_builds_are_the_same_every_time_and_differ_as_promised(small: Path, tmp_path: Path) -> None:
    for name, build in (("one", 1), ("again", 1), ("two", 2)):
        write_build(tmp_path / name, build, lambda: None)
    one, again, two = (
        {p: (tmp_path / n / p).read_bytes() for p in files_of(tmp_path / n)} for n in ("one", "again", "two")
    )
    assert one == again
    assert sum(path.startswith("engine/") for path in one) > 10
    assert one["data/voices.bank"] == two["data/audio/voices.bank"]
    assert len(two["data/world.pak"]) == len(one["data/world.pak"]) + 3
    assert sorted(one["data/levels.pak"]) == sorted(two["data/levels.pak"])
    assert one["data/levels.pak"] != two["data/levels.pak"]
    assert len(two["bin/game"]) == len(one["bin/game"]) + 64
    texts = [{path for path in build if path.startswith("text/")} for build in (one, two)]
    assert (len(texts[0] - texts[1]), len(texts[1] - texts[0])) == (10, 10)
    assert {path for path in texts[0] & texts[1] if one[path] != two[path]}


def test_rivals_are_counted_fairly(tmp_path: Path) -> None:
    """A file that did not change costs nothing, equal blocks are sent once, and text is compressed for all."""
    one, two = noise(BLOCK, "one"), noise(BLOCK, "two")
    old = write(tmp_path / "old", {"pak": one + two, "same": noise(5000, "same"), "text": b"a" * 10_000})
    new = write(
        tmp_path / "new", {"pak": two + one + two, "same": noise(5000, "same"), "text": b"b" * 10_000, "empty": b""}
    )
    whole, blocks = whole_files(old, new, lambda: None), fixed_blocks(old, new, lambda: None)
    assert 3 * BLOCK <= whole < 3 * BLOCK + 500
    assert 0 < blocks < 500
    assert whole_files(new, new, lambda: None) == fixed_blocks(new, new, lambda: None) == 0
