"""When the player's machine stands in the way: full, forbidden, busy. A name for each, and the tree stays usable."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from chunkstore.errors import LadingError
from chunkstore.store import DiskFull, ObjectStore, PathUnusable, StoreUnavailable
from chunkstore.wrappers.forward import ForwardingStore
from client.disk import FileBusy, TreeBusy
from client.record import InstallFolder
from tests.kit.game import Entry, noise
from tests.kit.mortality import Mortality
from tests.kit.privileges import small_disk, unprivileged_folder
from tests.kit.rig import Foreign, Player, Rig

MIB = 1024 * 1024
OLD = {
    "bin/game": Entry(noise(3000, "game"), executable=True),
    "data/pak": Entry(noise(5000, "pak")),
    "data/old/name": Entry(noise(2000, "moves")),
    "link": Entry(target="data/pak"),
    "goes/away": Entry(b"away"),
}
NEW = {
    "bin/game": Entry(noise(3000, "game")),
    "data/pak": Entry(noise(5000, "pak") + noise(900, "more")),
    "data/new/name": Entry(noise(2000, "moves")),
    "link": Entry(target="bin/game"),
    "hollow": Entry(),
}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path)
    rig.publish(OLD)
    rig.publish(NEW)
    return rig


def assert_settled(player: Player, tree: dict[str, Entry]) -> None:
    assert player.tree() == tree
    assert player.status().state == "installed"
    assert player.verify(full=True).wounds == []


LEAVES: dict[int, type[LadingError]] = {
    errno.ENOSPC: DiskFull,
    errno.EACCES: PathUnusable,
    errno.EBUSY: FileBusy,
}
STATE_LEAVES = {**LEAVES, errno.EBUSY: StoreUnavailable}
"""What it is called where the machine keeps what it knows of the publisher: no program holds those files open."""


@pytest.mark.parametrize("number", LEAVES, ids=errno.errorcode.get)
def test_a_step_that_the_system_refuses(rig: Rig, tmp_path: Path, number: int) -> None:
    """Whichever step it is: a named error and never a bare one, or a way around it; the next run ends."""
    named = 0
    for moment in count(0, 3):
        player = rig.player(str(moment))
        player.install(build=1)
        foreign = Foreign.put(player.root, ["saves/slot"])
        refusal = Mortality(moment, refuses=OSError(number, os.strerror(number)))
        with refusal.watching():
            named += bool(is_refused(player, player.update, number))
        if not refusal.dead:
            break
        if not (player.root / ".lading" / "journal").exists() and player.status().record.build == 1:  # type: ignore[union-attr]
            assert player.tree() == {**OLD, **foreign.entries}
        player.update()
        foreign.assert_untouched()
        assert player.verify(full=True).wounds == []
        left_over = {"data/old": Entry(), "goes": Entry()}  # emptied folders, where removing them was refused
        assert {**player.tree(), **left_over} == {**NEW, **foreign.entries, **left_over}
    assert named > 10


@pytest.mark.parametrize("number", LEAVES, ids=errno.errorcode.get)
def test_a_step_of_a_first_contact_that_the_system_refuses(rig: Rig, number: int) -> None:
    """As above, of an install: what was written down of the publisher by then is no hindrance to the next run."""
    places = set()
    for moment in count(0, 2):
        player = rig.player(str(moment))
        refusal = Mortality(moment, refuses=OSError(number, os.strerror(number)))
        with refusal.watching():
            places.add(is_refused(player, player.install, number))
        if not refusal.dead:
            break
        player.install()
        assert_settled(player, NEW)
    assert places == {"", "state", "tree"}


def is_refused(player: Player, work: Callable[[], object], number: int) -> str:
    """Where the work ends with the error that this number stands for; it may find a way around the problem, or end with
    no other."""
    try:
        work()
    except LadingError as error:
        place = "state" if error.where.startswith(os.fspath(player.state)) else "tree"
        if type(error) is not (STATE_LEAVES if place == "state" else LEAVES)[number]:
            raise
        return place if error.where else ""
    return ""


def test_a_disk_that_is_too_small_is_told_before_the_download(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan knows what it needs; nothing is fetched or staged for a plan that does not fit."""
    player = rig.player()
    player.install(build=1)
    usage = type("Usage", (), {"free": 16 * MIB})
    monkeypatch.setattr("client.journey.shutil.disk_usage", lambda _: usage)
    with pytest.raises(DiskFull) as refused:
        player.update()
    assert refused.value.data["free_bytes"] == 16 * MIB
    assert 16 * MIB < refused.value.data["needed_bytes"] < 17 * MIB
    assert player.content.requests == 0
    assert_settled(player, OLD)


class Hog(ForwardingStore):
    """While the third range is on its way, somebody else fills the disk."""

    def __init__(self, inner: ObjectStore, ballast: Path) -> None:
        super().__init__(inner)
        self.ballast = ballast
        self.asked = 0

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        self.asked += 1
        if self.asked == 3:
            with self.ballast.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(4096)):
                    pass
        return super().get_range(key, offset, length)


def test_a_disk_that_really_fills_up(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real small disk: too small by plan, then filled by somebody else on the way, then with room again."""
    monkeypatch.setattr("publisher.pipeline.GROUP_RAW", 32 * 1024)
    monkeypatch.setattr("delta.fetching.MAX_GAP", 0)
    monkeypatch.setattr("delta.fetching.MAX_RANGE", 64 * 1024)
    big = {f"data/{n}.pak": Entry(noise(100_000, n)) for n in range(10)}
    rig.publish(big)
    with small_disk(tmp_path / "disk", 2 * MIB) as disk:
        player = rig.player(disk / "installed")
        with pytest.raises(DiskFull):
            player.install()
        assert player.content.requests == 0
        monkeypatch.setattr("client.journey._SPARE", 0)
        hog = Hog(rig.store, disk / "ballast")
        player = rig.player(disk / "installed", hog, threads=1)
        with pytest.raises(DiskFull):
            player.install()
        paid = player.content.received_bytes
        assert player.tree() == {}
        assert player.status().state == "interrupted"
        hog.ballast.unlink()
        player.install()
        assert_settled(player, big)
        assert paid + player.content.received_bytes <= 10 * 101_000 + 2 * 64 * 1024


@pytest.fixture
def nobodys() -> Iterator[Path]:
    with unprivileged_folder() as folder:
        yield folder


def nobodys_player(rig: Rig, home: Path, root: str) -> Player:
    """Somebody who may write nowhere but in their own folder."""
    return Player(home / root, rig.store, home / "state", rig.clock)


def test_a_target_that_cannot_be_written(rig: Rig, nobodys: Path) -> None:
    """Named before anything is fetched; nothing is left there."""
    (nobodys / "games").mkdir()
    (nobodys / "games").chmod(0o555)
    player = nobodys_player(rig, nobodys, "games/toy")
    with pytest.raises(PathUnusable) as refused:
        player.install()
    assert refused.value.where.startswith(os.fspath(nobodys / "games"))
    assert player.content.requests == 0
    (nobodys / "games").chmod(0o755)


def test_an_installation_that_may_only_be_read(rig: Rig, nobodys: Path) -> None:
    """It can be looked at and verified; an update is refused before it begins, in whichever folder the change lies."""
    player = nobodys_player(rig, nobodys, "toy")
    player.install(build=1)
    own, data = player.root / ".lading", player.root / "data" / "old"
    data.chmod(0o555)
    with pytest.raises(PathUnusable) as refused:
        player.update()
    assert refused.value.where == os.fspath(data)
    assert player.content.requests == 0
    for folder in (own / "manifests", own, player.root):
        folder.chmod(0o555)
    for path in own.iterdir():
        path.chmod(0o444 if path.is_file() else 0o555)
    assert player.status().state == "installed"
    assert player.verify(full=True).wounds == []
    with pytest.raises(PathUnusable):
        player.update()
    for folder in (own, own / "manifests", player.root, data):
        folder.chmod(0o755)
    for path in own.glob("*"):
        path.chmod(0o644 if path.is_file() else 0o755)
    player.update()
    assert_settled(player, NEW)


def test_an_installed_file_that_cannot_be_read(rig: Rig, nobodys: Path) -> None:
    """A wound of its own kind; what it holds is fetched instead of copied."""
    player = nobodys_player(rig, nobodys, "toy")
    player.install(build=1)
    (player.root / "data/pak").chmod(0)
    wounds = player.verify(full=True).wounds
    assert [(wound.path, wound.kind) for wound in wounds] == [("data/pak", "unreadable")]
    player.update()
    assert player.content.received_bytes > 5000
    assert_settled(player, NEW)


def test_a_source_that_cannot_be_read(nobodys: Path) -> None:
    """The publish is refused by name; the store serves what it served."""
    twin = Rig(nobodys)
    twin.publish(OLD)
    player = twin.player()
    player.install()
    with pytest.raises(PathUnusable) as refused:
        twin.publish({**NEW, "secret": Entry(b"secret")}, spoil=lambda root: (root / "secret").chmod(0))
    assert refused.value.where.endswith("secret")
    assert not player.update().changed


VERBS: dict[str, Callable[[Player], object]] = {
    "install": Player.install,
    "update": Player.update,
    "repair": Player.repair,
    "verify": Player.verify,
    "uninstall": Player.uninstall,
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_that_another_command_holds(rig: Rig, verb: str) -> None:
    """R-2.3: one command at a time; looking at the state waits for nobody."""
    player = rig.player()
    player.install(build=1)
    with InstallFolder(player.root).locked():
        with pytest.raises(TreeBusy):
            VERBS[verb](player)
        assert player.status().state == "installed"
    assert_settled(player, OLD)
