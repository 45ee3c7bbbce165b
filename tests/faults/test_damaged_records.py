"""What `.lading` remembers may be damaged, lost or forged: healed or named, and the game's files are never harmed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chunkstore.errors import LadingError
from chunkstore.ids import digest_of
from client.apply import BadJournal, pending_swap
from client.record import BadRecord, InstallFolder, NewerRecord, NotInstalled, record_from_json
from tests.kit.game import Entry, noise
from tests.kit.mortality import killed_at
from tests.kit.rig import Foreign, Player, Rig

FOREIGN = ("saves/slot", "data/mine")
BUILDS = {
    1: {"data/pak": Entry(noise(4000, "pak")), "old": Entry(noise(500, "old")), "link": Entry(target="old")},
    2: {"data/pak": Entry(noise(4200, "new")), "new": Entry(noise(500, "new")), "link": Entry(target="new")},
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Two builds; `template` holds the first one, `killed` is on its way to the second."""
    rig = Rig(tmp_path_factory.mktemp("rig"))
    for tree in BUILDS.values():
        rig.publish(tree)
    player = rig.player("template")
    player.install(build=1)
    Foreign.put(player.root, FOREIGN)
    for moment in range(1000):
        player = copy_of(rig, "template", rig.folder / "killed")
        assert killed_at(moment, player.update)
        if (player.root / "new").exists():
            return rig
        shutil.rmtree(player.root)
    raise AssertionError("no swap began")


def copy_of(rig: Rig, name: str, folder: Path) -> Player:
    subprocess.run(["cp", "-a", rig.folder / name, folder], check=True)
    return rig.player(folder, threads=1)


def flipped(at: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int((len(data) - 1) * at)] ^= 4
        path.write_bytes(data)

    damage.__name__ = f"flipped at {at}"
    return damage


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def removed(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 9)


DAMAGES = [*map(flipped, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)), truncated, emptied, removed, a_folder, binary]
VERBS: dict[str, Callable[[Player], object]] = {
    "status": Player.status,
    "verify": partial(Player.verify, full=True),
    "update": Player.update,
    "repair": Player.repair,
    "install": Player.install,
    "uninstall": Player.uninstall,
}


@pytest.mark.parametrize("name", ["install.json", "files", "manifests", "lock"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_at_rest(rig: Rig, tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    """Every command succeeds or fails by name, the tree is one build or gone, and installing again heals it."""
    for verb, run in VERBS.items():
        player = copy_of(rig, "template", tmp_path / verb)
        foreign = Foreign.put(player.root, FOREIGN)
        path = player.root / ".lading" / name
        harm(next(path.iterdir()) if path.is_dir() else path, damage)
        with suppress(LadingError):
            run(player)
        found = player.tree()
        assert found in [{**tree, **foreign.entries} for tree in (*BUILDS.values(), {})]
        if name in ("install.json", "lock") and damage is a_folder:
            continue  # named, but to remove a folder that is not ours is for people
        player.install(replace=True)
        assert player.verify(full=True).wounds == []
        orphan = {path: entry for path, entry in found.items() if path == "old"}  # whose it was, nobody knows any more
        assert {**player.tree(), **orphan} == {**BUILDS[2], **foreign.entries, **orphan}
        foreign.assert_untouched()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_in_the_middle_of_a_swap(rig: Rig, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Without its journal a swap cannot be finished blindly: that is said, and repairing goes on from what is there."""
    for verb, run in VERBS.items():
        player = copy_of(rig, "killed", tmp_path / verb)
        foreign = Foreign.put(player.root, FOREIGN)
        before = player.tree()
        harm(player.root / ".lading" / "journal", damage)
        try:
            run(player)
        except LadingError:
            assert player.tree() == before
        foreign.assert_untouched()
        if damage is a_folder or verb == "uninstall":
            continue
        player.repair()
        player.update(replace=True)
        assert player.tree() == {**BUILDS[2], **foreign.entries}
        assert player.verify(full=True).wounds == []
        foreign.assert_untouched()


def harm(path: Path, damage: Callable[[Path], None]) -> None:
    """The lock is an empty file: there is no byte in it to flip."""
    if path.stat().st_size:
        damage(path)


def test_every_bit_of_the_record_counts(rig: Rig, tmp_path: Path) -> None:
    """A record that was damaged is known for it, or still says the same."""
    folder = InstallFolder(copy_of(rig, "template", tmp_path / "installed").root)
    path = folder.own / "install.json"
    data, record = path.read_bytes(), folder.load()
    refused = 0
    for bit in range(0, len(data) * 8, 3):
        spoilt = bytearray(data)
        spoilt[bit // 8] ^= 1 << bit % 8
        path.write_bytes(spoilt)
        try:
            assert folder.load() == record
        except BadRecord:
            refused += 1
        except NewerRecord:
            assert b'"format": 1' not in spoilt
    assert refused > len(data)


GOOD: dict[str, Any] = {
    "source": "memory:",
    "registry": "00" * 32,
    "game": "toy",
    "scope": "toy",
    "channel": "stable",
    "install_id": "00" * 16,
    "root": f"sha256:{'00' * 32}@1",
    "build": 1,
    "version": "1",
    "previous": 0,
    "depots": [],
    "tags": [],
    "manifests": {"main": "00" * 32},
    "format": 1,
}


@pytest.mark.parametrize(
    "lie",
    [
        {"source": None},
        {"install_id": "x" * 32},
        {"install_id": "00"},
        {"root": None},
        {"root": 5},
        {"root": "first-use"},
        {"root": f"sha256:{'00' * 32}"},
        {"root": f"sha256:{'00' * 32}@0"},
        {"root": f"../sha256:{'00' * 32}@1"},
        {"build": "1"},
        {"build": -1},
        {"depots": "main"},
        {"depots": [1]},
        {"depots": {"main": 1}},
        {"tags": None},
        {"tags": [["a"]]},
        {"manifests": []},
        {"manifests": {"main": 5}},
        {"manifests": {"main": "../../../etc/passwd"}},
        {"format": None},
    ],
    ids=str,
)
def test_a_hostile_record(lie: dict[str, Any]) -> None:
    """Nothing in it is trusted: not its types, and above all no name that becomes a path."""
    assert record_from_json(GOOD, "here").manifests == GOOD["manifests"]
    with pytest.raises(BadRecord):
        record_from_json({**GOOD, **lie}, "here")
    incomplete = {name: value for name, value in GOOD.items() if name not in lie}
    with pytest.raises(BadRecord):
        record_from_json(incomplete, "here")


@pytest.mark.parametrize("value", [None, [], "text", 5, {}], ids=str)
def test_a_record_that_is_something_else(value: Any) -> None:
    with pytest.raises(BadRecord):
        record_from_json(value, "here")


def test_a_record_of_a_newer_version() -> None:
    with pytest.raises(NewerRecord):
        record_from_json({**GOOD, "format": 2, "new field": True}, "here")


STAGED = "ab" * 32


@pytest.mark.parametrize(
    "lie",
    [
        {"files": [[STAGED, "../outside"]]},
        {"files": [[STAGED, "/etc/passwd"]]},
        {"files": [["../install.json", "data/pak"]]},
        {"files": [[STAGED]]},
        {"files": None},
        {"remove": [["../../outside", False]]},
        {"remove": [[".lading/install.json", False]]},
        {"links": [["link", "/etc"]]},
        {"links": [["link", "../outside"]]},
        {"links": [["../link", "pak"]]},
        {"folders": ["a/../../b"]},
        {"folders": [5]},
        {"modes": [["../outside", True]]},
        {"new": 1},
    ],
    ids=str,
)
def test_a_hostile_journal(tmp_path: Path, lie: dict[str, Any]) -> None:
    """Even with the right digest it moves, makes and removes nothing outside the tree."""
    folder = InstallFolder(tmp_path)
    folder.own.mkdir()
    good = {"files": [], "remove": [], "links": [], "folders": [], "modes": [], "record": GOOD}
    write_journal(folder, good)
    assert pending_swap(folder) is not None
    write_journal(folder, {**good, **lie})
    with pytest.raises(BadJournal):
        pending_swap(folder)


def write_journal(folder: InstallFolder, value: dict[str, Any]) -> None:
    text = json.dumps(value).encode()
    folder.journal.write_bytes(digest_of(text).hex().encode() + b"\n" + text)


def test_a_folder_without_an_installation(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled):
        InstallFolder(tmp_path).load()
