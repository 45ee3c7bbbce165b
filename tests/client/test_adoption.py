"""What lies in a folder already: taken where it is equal, left alone where it is not, never written through."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cli.exits import Exit, exit_of
from client.obstacles import FolderElsewhere, ForeignFiles, Ground
from client.road import OtherGame
from tests.kit.game import Entry, noise, write_tree
from tests.kit.rig import Foreign, Player, Rig, snapshot

LARGEST_CHUNK = 1024
OLD = {
    "bin/game": Entry(noise(3000, "game"), executable=True),
    "data/pak": Entry(noise(5000, "pak")),
    "data/text": Entry(b"some text\n" * 50),
    "hollow": Entry(),
    "link": Entry(target="data/pak"),
}
NEW = {**OLD, "data/pak": Entry(noise(5000, "new pak")), "data/more/pak": Entry(noise(500, "more"))}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path)
    rig.publish(OLD)
    return rig


def test_equal_files_are_adopted_without_a_download(rig: Rig) -> None:
    """Contract: a foreign file at a build's path is adopted if it is equal; only its mode is put right."""
    player = rig.player()
    write_tree(player.root, {**OLD, "bin/game": Entry(OLD["bin/game"].data)})
    before = snapshot(player.root)
    settled = player.install()
    assert (settled.files_changed, player.content.requests) == (1, 0)
    assert player.tree() == OLD
    assert {path: seen[0] for path, seen in snapshot(player.root).items()} == {p: s[0] for p, s in before.items()}
    player.uninstall()
    assert not player.root.exists()


def test_files_that_differ_are_named_and_nothing_is_changed(rig: Rig) -> None:
    """Contract: else exit 10, unless --replace."""
    player = rig.player()
    player.root.mkdir()
    foreign = Foreign.put(player.root, ["data/pak", "hollow", "saves/slot", "bin/game/config"])
    for replace in (False, True):
        with pytest.raises(ForeignFiles) as refused:
            player.install(replace=replace)
        assert exit_of(refused.value) == Exit.CONFLICT
        assert refused.value.data["paths"] == ["bin/game/config"]
        assert player.tree() == foreign.entries
    shutil.rmtree(player.root / "bin")
    del foreign.entries["bin/game/config"]
    with pytest.raises(ForeignFiles) as refused:
        player.install()
    assert sorted(refused.value.data["paths"]) == ["data/pak", "hollow"]
    assert player.tree() == foreign.entries
    assert player.status().state == "absent"

    player.install(replace=True)
    assert player.tree() == {**OLD, "saves/slot": foreign.entries["saves/slot"]}


def test_replacing_keeps_what_is_right_of_the_file(rig: Rig) -> None:
    """Chunks that lie in their place are not fetched, whoever put them there."""
    player = rig.player()
    pak = OLD["data/pak"].data or b""
    write_tree(player.root, {**OLD, "data/pak": Entry(pak[:-1] + b"?")})
    settled = player.install(replace=True)
    assert player.tree() == OLD
    assert settled.planned.written_bytes == len(pak)
    assert settled.reused_bytes >= sum(len(entry.data or b"") for entry in OLD.values()) - LARGEST_CHUNK


@pytest.mark.parametrize("place", ["data", "data/pak", "data/more", "data/more/pak", "new"])
def test_what_comes_into_the_way_later_is_found_before_the_update(rig: Rig, place: str) -> None:
    """A foreign file at a new path, or where the build needs a folder, stops the update or goes with leave."""
    player = rig.player()
    player.install()
    rig.publish({**NEW, "new": Entry()})
    if (player.root / place).is_dir():
        shutil.rmtree(player.root / place)
    (player.root / place).parent.mkdir(exist_ok=True)
    (player.root / place).write_bytes(b"mine")
    (player.root / place).chmod(0o644)
    before = player.tree()
    if place != "data/pak":  # that one is a file of the build, only changed
        with pytest.raises(ForeignFiles) as refused:
            player.update()
        assert refused.value.data["paths"] == [place]
        assert player.tree() == before
    player.update(replace=True)
    assert player.tree() == {**NEW, "new": Entry()}


def test_what_comes_while_the_update_runs_is_found_before_the_swap(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download may take hours; the game may save into the very path that the new build brings."""
    player = rig.player()
    player.install()
    rig.publish(NEW)

    def meanwhile(_: Path) -> None:
        (player.root / "data/more").mkdir()
        (player.root / "data/more/pak").write_bytes(b"mine")

    monkeypatch.setattr("client.journey.sync_files", meanwhile)
    with pytest.raises(ForeignFiles):
        player.update()
    assert (player.root / "data/more/pak").read_bytes() == b"mine"
    assert (player.root / "data/pak").read_bytes() == OLD["data/pak"].data


@pytest.fixture
def moved_out(rig: Rig, tmp_path: Path) -> tuple[Player, Path]:
    """An installation whose `data` was moved to another place and linked."""
    player = rig.player()
    player.install()
    rig.publish(NEW)
    elsewhere = tmp_path / "big disk"
    shutil.move(player.root / "data", elsewhere)
    (player.root / "data").symlink_to(elsewhere)
    return player, elsewhere


def test_nothing_is_written_through_a_link(moved_out: tuple[Player, Path]) -> None:
    """Through a link the build is read, so that it is sound; what would change behind it is refused by name."""
    player, elsewhere = moved_out
    before = snapshot(elsewhere)
    assert player.status().state == "installed"
    assert player.verify(full=True).wounds == []
    for replace in (False, True):
        with pytest.raises(FolderElsewhere) as refused:
            player.update(replace=replace)
        assert refused.value.where == os.fspath(player.root / "data")
    (elsewhere / "text").chmod(0o755)
    with pytest.raises(FolderElsewhere):
        player.repair()
    (elsewhere / "text").chmod(0o644)
    assert snapshot(elsewhere).keys() == before.keys()
    assert (elsewhere / "pak").read_bytes() == OLD["data/pak"].data


def test_nothing_is_removed_behind_a_link(moved_out: tuple[Player, Path]) -> None:
    """Neither by an update to a build without these files nor by uninstalling."""
    player, elsewhere = moved_out
    before = snapshot(elsewhere)
    removed = player.uninstall()
    assert removed.kept == ["data/pak", "data/text"]
    assert snapshot(elsewhere) == before
    assert (player.root / "data").is_symlink()


def test_an_update_removes_nothing_behind_a_link(rig: Rig, moved_out: tuple[Player, Path]) -> None:
    player, elsewhere = moved_out
    rig.publish({path: entry for path, entry in OLD.items() if path != "data/text"})
    before = snapshot(elsewhere)
    with pytest.raises(FolderElsewhere):
        player.update()
    assert snapshot(elsewhere) == before


def test_a_link_into_the_way_of_a_fresh_install_is_not_followed(rig: Rig, tmp_path: Path) -> None:
    player = rig.player()
    player.root.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (player.root / "data").symlink_to(outside)
    with pytest.raises(FolderElsewhere):
        player.install(replace=True)
    assert list(outside.iterdir()) == []


def test_the_folder_itself_may_be_a_link(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "installed").symlink_to("real")
    player = rig.player()
    player.install()
    assert player.tree() == OLD


def test_a_name_that_only_changes_case_where_case_is_ignored(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the new spelling is there already and is the old file: two links to one file stand for such a disk."""
    player = rig.player()
    player.install()
    renamed = {("data/TEXT" if path == "data/text" else path): entry for path, entry in OLD.items()}
    rig.publish(renamed)
    os.link(player.root / "data/text", player.root / "data/TEXT")
    unlink = os.unlink

    def unlink_every_spelling(path: str, **how: int) -> None:
        unlink(path, **how)
        if os.path.basename(path) == "text":
            unlink(player.root / "data/TEXT")

    monkeypatch.setattr("os.unlink", unlink_every_spelling)
    player.update()
    assert player.tree() == renamed


def test_a_disk_mounted_inside_counts_as_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renames do not cross file systems, so no swap may try to."""
    (tmp_path / "data").mkdir()
    ground = Ground(os.fspath(tmp_path))
    assert ground.barrier("data/pak") == ""
    lstat = os.lstat

    def other_disk(path: str) -> os.stat_result:
        seen = list(lstat(path))
        seen[2] += 1
        return os.stat_result(seen)

    monkeypatch.setattr("os.lstat", other_disk)
    ground = Ground(os.fspath(tmp_path))
    assert ground.barrier("data/pak") == "data"
    assert ground.leads_away("data")


def test_another_game_is_not_installed_over_the_first(rig: Rig) -> None:
    player = rig.player()
    player.install()
    with pytest.raises(OtherGame):
        player.install(game="other")
    assert player.tree() == OLD
