"""Verification names the places that differ, and only those; mending them costs what they hold."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, count
from pathlib import Path

import pytest

from chunkstore.cutting import parameters_for
from client.installed import ManifestLost
from client.verify import Unfinished, Wound
from tests.kit.builds import cut_up
from tests.kit.game import Entry, noise
from tests.kit.mortality import killed_at
from tests.kit.rig import Player, Rig, snapshot

PAK = noise(20_000, "pak")
TREE = {
    "bin/game": Entry(noise(3000, "game"), executable=True),
    "data/a.pak": Entry(PAK),
    "data/b.pak": Entry(noise(2000, "b")),
    "link": Entry(target="bin/game"),
    "hollow": Entry(),
}
ENDS = list(accumulate(map(len, cut_up(PAK, parameters_for(256)))))


@pytest.fixture
def player(tmp_path: Path) -> Player:
    rig = Rig(tmp_path)
    rig.publish(TREE)
    player = rig.player()
    player.install()
    return player


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_wounds_are_the_chunks_that_differ(player: Player) -> None:
    """Neighbouring bad chunks are one wound, others are wounds of their own, what is too much is one at the end."""
    place = player.root / "data/a.pak"
    for chunk in (2, 3, 7):
        flip(place, ENDS[chunk] - 1)
    place.write_bytes(place.read_bytes() + b"too much")
    assert player.verify().wounds == [
        Wound("data/a.pak", "modified", ENDS[1], ENDS[3] - ENDS[1]),
        Wound("data/a.pak", "modified", ENDS[6], ENDS[7] - ENDS[6]),
        Wound("data/a.pak", "modified", len(PAK), len(b"too much")),
    ]


def test_a_file_that_was_cut_short_is_wounded_from_the_last_whole_chunk(player: Player) -> None:
    (player.root / "data/a.pak").write_bytes(PAK[: ENDS[4] + 1])
    assert player.verify().wounds == [Wound("data/a.pak", "modified", ENDS[4], len(PAK) - ENDS[4])]


def test_mending_a_wound_fetches_what_it_holds(player: Player) -> None:
    """One byte of a file costs its chunk, not the file."""
    flip(player.root / "data/a.pak", ENDS[5])
    flipped = player.repair()
    assert player.tree() == TREE
    assert flipped.files_changed == 1
    assert flipped.reused_bytes == sum(len(entry.data or entry.target) for entry in TREE.values()) - (ENDS[6] - ENDS[5])


def test_every_kind_of_wound(player: Player) -> None:
    root = player.root
    (root / "bin/game").chmod(0o644)
    (root / "data/b.pak").unlink()
    (root / "link").unlink()
    (root / "link").symlink_to("data")
    (root / "hollow").rmdir()
    (root / "hollow").write_bytes(b"")
    assert player.verify().wounds == [
        Wound("bin/game", "mode"),
        Wound("data/b.pak", "missing"),
        Wound("hollow", "type"),
        Wound("link", "type"),
    ]


@pytest.mark.parametrize(
    ("globs", "found"), [(["data/*"], ["data/a.pak"]), (["*/game", "link"], ["bin/game"]), (["nothing"], [])]
)
def test_only_some_files(player: Player, globs: list[str], found: list[str]) -> None:
    """What was not asked for is not looked at, and files that are nobody's are not listed then."""
    flip(player.root / "data/a.pak", 0)
    flip(player.root / "bin/game", 0)
    (player.root / "mine").write_bytes(b"")
    verification = player.verify(globs=globs)
    assert [wound.path for wound in verification.wounds] == found
    assert verification.extra == []
    assert player.verify().extra == ["mine"]


@pytest.mark.parametrize("full", [False, True])
def test_verifying_changes_nothing(player: Player, full: bool) -> None:
    flip(player.root / "data/a.pak", 0)
    before = snapshot(player.root)
    player.verify(full=full)
    assert snapshot(player.root) == before


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: flip(path, 100)], ids=["gone", "damaged"])
def test_a_lost_manifest_is_fetched_again(player: Player, lose: Callable[[Path], object]) -> None:
    """Without it nothing can be compared; with the registry at hand it costs its bytes, and no file becomes foreign."""
    (manifest,) = (player.root / ".lading" / "manifests").iterdir()
    lose(manifest)
    for command in (player.verify, player.uninstall):
        with pytest.raises(ManifestLost):
            command()
    assert player.status().state == "wounded"
    flip(player.root / "data/b.pak", 0)
    mended = player.update()
    assert (mended.files_changed, player.tree()) == (1, TREE)
    assert player.verify(full=True).wounds == []


def test_an_install_that_is_not_finished_is_not_verified(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.publish(TREE)
    player = rig.player(threads=1)
    moments = count(10, 10)
    while not (player.root / ".lading" / "install.json").exists():
        assert killed_at(next(moments), player.install)
    with pytest.raises(Unfinished):
        player.verify()
