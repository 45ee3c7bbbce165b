"""Whatever is fetched or copied is checked on the way, and what turns out wrong is got from somewhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chunkstore.errors import Corrupt
from chunkstore.wrappers.fault import FaultyStore, wrong_bytes
from client.transfer import transfer
from tests.kit.game import Entry, noise
from tests.kit.rig import Rig

PAK = noise(20_000, "pak")
OLD = {"data/pak": Entry(PAK), "old/name": Entry(noise(6000, "moves")), "small": Entry(b"small")}
NEW = {
    "data/pak": Entry(PAK[:5000] + b"inserted" + PAK[5000:]),
    "new/name": Entry(noise(6000, "moves")),
    **{f"many/{n:02}": Entry(PAK[n * 500 : n * 500 + 900] + bytes([n])) for n in range(30)},
}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path)
    rig.publish(OLD)
    rig.publish(NEW)
    return rig


def before_the_transfer(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Does something, once, between the look at the tree and the copying."""
    acts = [act]

    def late(*args: Any) -> Any:
        while acts:
            acts.pop()()
        return transfer(*args)

    monkeypatch.setattr("client.journey.transfer", late)


def scratch(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "act", [scratch, Path.unlink, lambda path: os.truncate(path, 3000)], ids=["scratched", "gone", "cut"]
)
def test_a_source_that_changes_meanwhile_is_fetched(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]
) -> None:
    """A wrong guess about a file costs a download and never a wrong byte."""
    player = rig.player()
    player.install(build=1)
    before_the_transfer(monkeypatch, lambda: act(player.root / "data/pak"))
    settled = player.update()
    assert player.tree() == NEW
    assert settled.actual is not None
    assert settled.actual.download_bytes > settled.planned.download_bytes


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(1, "no links on this disk")


@pytest.mark.parametrize("act", [lambda _: None, scratch], ids=["intact", "changed meanwhile"])
def test_a_disk_without_hard_links_copies_what_moves(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]
) -> None:
    """Moving a file without a second copy needs a link; without it there is a copy, checked like any other."""
    player = rig.player()
    player.install(build=1)
    monkeypatch.setattr("os.link", refuse)
    before_the_transfer(monkeypatch, lambda: act(player.root / "old/name"))
    player.update()
    assert player.tree() == NEW


def test_a_moved_file_is_not_copied(rig: Rig) -> None:
    """The very inode takes the new name."""
    player = rig.player()
    player.install(build=1)
    inode = (player.root / "old/name").stat().st_ino
    settled = player.update()
    assert (player.root / "new/name").stat().st_ino == inode
    assert settled.planned.written_bytes == sum(len(e.data or b"") for p, e in NEW.items() if p != "new/name")


def test_damage_on_the_way_is_asked_for_once_more(rig: Rig) -> None:
    """A bit may flip between the disk of a server and ours."""
    faulty = FaultyStore(rig.store, [wrong_bytes("get_range", 1)])
    player = rig.player(store=faulty)
    player.install()
    faulty.assert_exhausted()
    assert player.tree() == NEW


def test_damage_in_the_store_is_named(rig: Rig) -> None:
    """What is wrong twice is wrong there; the tree stays, and what was right is kept for the next try."""
    player = rig.player()
    player.install(build=1)
    faulty = FaultyStore(rig.store, [wrong_bytes("get_range", 1), wrong_bytes("get_range", 2)])
    broken = rig.player(store=faulty)
    with pytest.raises(Corrupt) as refused:
        broken.update()
    assert refused.value.where.startswith("pack ")
    assert player.tree() == OLD
    player.update()
    assert player.tree() == NEW


def test_more_files_at_once_than_may_be_open(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of many files arrive mixed; only so many are held open."""
    monkeypatch.setattr("client.staging._OPEN_FILES", 2)
    player = rig.player(threads=4)
    player.install()
    assert player.tree() == NEW
