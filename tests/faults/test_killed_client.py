"""Killed at any step on the file system, an installation is the old build or can be finished: R-2.3.2."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from client.record import NotInstalled
from client.road import SwapPending
from client.verify import Unfinished
from tests.kit.game import Entry, noise
from tests.kit.mortality import Moments, killed_at
from tests.kit.rig import Foreign, Rig, read_tree

FOREIGN = ("saves/slot.sav", "data/mine.cfg")
RANGE = 1000


def common(build: int) -> dict[str, Entry]:
    """What stays, changes in its middle, and changes its mode."""
    body = noise(3000, "body")
    return {
        "stays.bin": Entry(noise(2000, "stays")),
        "data/big.pak": Entry(body[:1500] + b"!" * build + body[1500:] + noise(2500, build)),
        "run.sh": Entry(b"#!/bin/sh\n", executable=build == 2),
        "empty.cfg": Entry(b""),
    }


BUILDS: dict[int, dict[str, Entry]] = {
    1: {
        **common(1),
        "old/name.ogg": Entry(noise(3000, "music")),
        "was/file": Entry(noise(700, "was")),
        "will": Entry(b"a file"),
        "link": Entry(target="stays.bin"),
        "hollow": Entry(),
        "CASE.txt": Entry(b"case\n" * 30),
    },
    2: {
        **common(2),
        "new/name.ogg": Entry(noise(3000, "music")),
        "was": Entry(noise(800, "is")),
        "will/be/folder": Entry(noise(900, "will")),
        "link": Entry(target="was"),
        "old": Entry(),
        "case.txt": Entry(b"case\n" * 30),
    },
    3: {**common(3), "link": Entry(b"a file now"), "hollow/full": Entry(b""), "third.bin": Entry(noise(1500, "third"))},
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Three builds, and build 1 installed with foreign files beside it: copy it before use."""
    rig = Rig(tmp_path_factory.mktemp("rig"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("publisher.pipeline.GROUP_RAW", RANGE)
        for tree in BUILDS.values():
            rig.publish(tree)
    player = rig.player("template", threads=1)
    player.install(build=1)
    Foreign.put(player.root, FOREIGN)
    return rig


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several requests where there would be one."""
    monkeypatch.setattr("delta.fetching.MAX_GAP", 0)
    monkeypatch.setattr("delta.fetching.MAX_RANGE", RANGE)


class Case:
    """An installation that will be killed, and the foreign files in it."""

    def __init__(self, rig: Rig, folder: Path, *, installed: bool = False) -> None:
        self.rig = rig
        self.player = rig.player(folder, threads=1)
        if installed:
            shutil.copytree(rig.folder / "template", folder, symlinks=True)
        self.foreign = Foreign.put(folder, FOREIGN)

    def copy(self, name: str) -> Case:
        """The same state of affairs somewhere else: hard links stay links to one another."""
        folder = self.player.root.with_name(name)
        subprocess.run(["cp", "-a", self.player.root, folder], check=True)
        return Case(self.rig, folder)

    @property
    def swapping(self) -> bool:
        """Whether the point of no return was passed."""
        return (self.player.root / ".lading" / "journal").exists()

    @property
    def lies_about(self) -> bool:
        """Whether something is left of a run that did not end."""
        return self.swapping or (self.player.root / ".lading" / "staging").exists()

    @property
    def build(self) -> int | None:
        """What the record says: 0 before the first install ended, None without a record."""
        record = self.player.status().record
        return record.build if record else None

    def assert_is(self, build: int | None) -> None:
        """Exactly this build and what is foreign; modes too."""
        expected = BUILDS[build] if build else {}
        assert self.player.tree() == {**expected, **self.foreign.entries}
        self.foreign.assert_untouched()

    def assert_settled(self, build: int) -> None:
        """This build, and nothing left over of the way to it."""
        self.assert_is(build)
        found = self.player.status()
        assert found.record is not None
        assert (found.state, found.record.build) == ("installed", build)
        assert self.player.verify(full=True).wounds == []
        own = self.player.root / ".lading"
        assert {path.name for path in own.iterdir()} == {"install.json", "manifests", "files", "lock"}
        assert {path.name for path in (own / "manifests").iterdir()} == set(found.record.manifests.values())


def test_an_update_killed_at_every_step(rig: Rig, tmp_path: Path) -> None:
    """Before the swap it is the old build; then the same command, or one to another build, goes on to the end."""
    clean = Case(rig, tmp_path / "clean", installed=True)
    clean.player.update(build=2)
    whole = clean.player.content.received_bytes
    assert whole > 2 * RANGE
    swaps = 0
    moments = Moments()
    for moment in moments:
        case = Case(rig, tmp_path / str(moment), installed=True)
        if not killed_at(moment, partial(case.player.update, build=2)):
            moments.outlived += 1
            continue
        paid = case.player.content.received_bytes
        swaps += case.swapping
        if case.build == 1 and not case.swapping:
            case.assert_is(1)
        assert case.player.status().state == ("interrupted" if case.lies_about else "installed")
        if case.swapping:
            with pytest.raises(SwapPending):
                case.player.update(dry_run=True)
            with pytest.raises(Unfinished):
                case.player.verify()
        if case.swapping or moment % 2:
            other = case.copy(f"{moment} to another")
            other.player.update(build=3)
            other.assert_settled(3)
        if case.swapping or not moment % 2:
            case.player.update(build=2)
            assert paid + case.player.content.received_bytes <= whole + RANGE  # what was in flight is fetched again
            case.assert_settled(2)
    assert moment > 60
    assert swaps > 20


def test_a_resumed_update_that_is_killed_again(rig: Rig, tmp_path: Path) -> None:
    """Being killed while finishing what was killed changes nothing."""
    moments = Moments(apart=7, enough=3)
    for moment in moments:
        case = Case(rig, tmp_path / str(moment), installed=True)
        if not killed_at(moment, partial(case.player.update, build=2)):
            moments.outlived += 1
            continue
        for again in (1, 4, 9, 15):
            killed_at(again, partial(case.player.update, build=3 if again == 9 else 2))
        case.player.update(build=2)
        case.assert_settled(2)
    assert moment > 60


def test_a_first_install_killed_at_every_step(rig: Rig, tmp_path: Path) -> None:
    """Until the swap nothing of the build is to be seen, and the folder knows that it is unfinished."""
    moments = Moments()
    for moment in moments:
        case = Case(rig, tmp_path / str(moment), installed=False)
        if not killed_at(moment, partial(case.player.install, build=1)):
            moments.outlived += 1
            continue
        if case.build is None:
            assert case.player.status().state == "absent"
        elif case.lies_about or not case.build:
            assert case.player.status().state == "interrupted"
        if not case.build and not case.swapping:
            case.assert_is(None)
        if moment % 2 or case.build is None:
            case.player.install(build=1)
        else:
            case.player.update(build=1)
        case.assert_settled(1)
    assert moment > 60


def test_a_repair_killed_at_every_step(rig: Rig, tmp_path: Path) -> None:
    """Mending what is damaged, missing, replaced or has a wrong mode can be stopped anywhere, too."""
    moments = Moments()
    for moment in moments:
        case = Case(rig, tmp_path / str(moment), installed=True)
        root = case.player.root
        flip(root / "data/big.pak", 1700)
        (root / "run.sh").chmod(0o755)
        (root / "stays.bin").unlink()
        (root / "stays.bin").mkdir()
        (root / "link").unlink()
        if not killed_at(moment, case.player.repair):
            moments.outlived += 1
            continue
        case.player.repair()
        case.assert_settled(1)
    assert moment > 30


def test_an_uninstall_killed_at_every_step(rig: Rig, tmp_path: Path) -> None:
    """It can be taken up again until there is nothing left to remember; what is foreign stays."""
    for moment in count():
        case = Case(rig, tmp_path / str(moment), installed=True)
        if not killed_at(moment, case.player.uninstall):
            break
        with suppress(NotInstalled):
            case.player.uninstall()
        case.assert_is(None)
        assert not (case.player.root / ".lading").exists()
    assert moment > 10


def test_a_staged_link_is_never_written_through(rig: Rig, tmp_path: Path) -> None:
    """A moved file waits in staging as a link to the tree's own file, which may be damaged before the run goes on."""
    for moment in count():
        case = Case(rig, tmp_path / str(moment), installed=True)
        assert killed_at(moment, partial(case.player.update, build=2))
        if (case.player.root / "old/name.ogg").stat().st_nlink == 2:
            break
    assert not case.swapping
    flip(case.player.root / "old/name.ogg", 1500)
    damaged = read_tree(case.player.root)
    for again in count():
        twin = case.copy(f"{moment} and {again}")
        killed_at(again, partial(twin.player.update, build=2))
        if twin.swapping:
            break
        assert twin.player.tree() == damaged
    assert again > 5


def flip(path: Path, offset: int) -> None:
    """Another byte in this place, in the same inode."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_nothing_is_put_in_place_before_it_is_durable(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that a power cut would punish: staged bytes, then the journal and its name, then the first rename."""
    case = Case(rig, tmp_path / "installed", installed=True)
    done: list[str] = []
    replace, root = os.replace, str(case.player.root)

    def noted(source: str, target: str) -> None:
        done.append(os.path.relpath(target, root))
        replace(source, target)

    def synced(_: int) -> int:
        done.append("syncfs")
        return 0

    monkeypatch.setattr("os.replace", noted)
    monkeypatch.setattr("os.fsync", lambda _: done.append("fsync"))
    monkeypatch.setattr("client.disk._syncfs", synced)
    case.player.update(build=2)
    journal = done.index(".lading/journal")
    assert done[journal - 2 : journal + 2] == ["syncfs", "fsync", ".lading/journal", "fsync"]
    placed = [at for at, name in enumerate(done) if name in BUILDS[2]]
    assert placed
    assert min(placed) > journal
    assert done.index("syncfs", max(placed)) < done.index(".lading/install.json", max(placed))
