"""An installation lives: builds come, files are harmed, foreign files appear; a model says what must be there then."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chunkstore.clock import SystemClock
from client.obstacles import ForeignFiles
from client.record import NotInstalled
from tests.kit.game import Entry
from tests.kit.growing import above, fits, next_trees, trees
from tests.kit.rig import Rig, read_tree

MOST_BUILDS = 6
LARGEST_CHUNK = 1024
MINE = Entry(b"mine")
TICK = 0.01
"""Longer than the grain of a file system's clock: two changes within one grain look like one."""


def flip(place: Path) -> None:
    data = place.read_bytes()
    place.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def flip_unseen(place: Path) -> None:
    """Changed in place, and the time of the change put back."""
    before = place.stat()
    flip(place)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncate(place: Path) -> None:
    os.truncate(place, place.stat().st_size // 2)


def lengthen(place: Path) -> None:
    place.write_bytes(place.read_bytes() + b"more")


def chmod(place: Path) -> None:
    place.chmod(0o644 if os.access(place, os.X_OK) and place.stat().st_mode & 0o100 else 0o755)


def make_folder(place: Path) -> None:
    place.unlink()
    place.mkdir(mode=0o755)


def make_link(place: Path) -> None:
    place.unlink()
    place.symlink_to("elsewhere")


CONTENT: dict[str, Callable[[Path], None]] = {
    "flipped": flip,
    "flipped unseen": flip_unseen,
    "truncated": truncate,
    "lengthened": lengthen,
}
HARMS: dict[str, Callable[[Path], None]] = {
    **CONTENT,
    "mode": chmod,
    "touched": os.utime,
    "gone": Path.unlink,
    "folder": make_folder,
    "link": make_link,
}
KINDS = {"mode": "mode", "gone": "missing", "folder": "type", "link": "type"} | dict.fromkeys(CONTENT, "modified")


class Installation(RuleBasedStateMachine):
    """`builds` are the published trees, `installed` is the number of one or 0, `harmed` maps a path to what was done
    to it, `foreign` holds what is not of the build."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.rig = Rig(Path(self.folder.name), average=LARGEST_CHUNK // 4)
        self.player = self.rig.player()
        self.builds: dict[int, dict[str, Entry]] = {}
        self.installed = 0
        self.harmed: dict[str, str] = {}
        self.foreign: dict[str, Entry] = {}

    def teardown(self) -> None:
        self.folder.cleanup()

    @property
    def tree(self) -> dict[str, Entry]:
        """The installed build."""
        return self.builds[self.installed] if self.installed else {}

    @initialize(tree=trees)
    def begin(self, tree: dict[str, Entry]) -> None:
        self.installed = self.rig.publish(tree).number
        self.builds[self.installed] = tree
        self.player.install()

    @precondition(lambda self: len(self.builds) < MOST_BUILDS)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        tree = data.draw(next_trees(self.builds[max(self.builds)]))
        self.builds[self.rig.publish(tree).number] = tree

    @rule(data=st.data(), replace=st.booleans())
    def go_to(self, data: st.DataObject, replace: bool) -> None:
        """Install or update to any build. What is damaged is mended, what is foreign decides whether it can be done."""
        number = data.draw(st.sampled_from(sorted(self.builds)))
        wanted = self.builds[number]
        replaced, kept_from_us = self.conflicts(wanted)
        before = self.on_disk()
        if kept_from_us or (replaced and not replace):
            with pytest.raises(ForeignFiles) as refused:
                self.player.install(build=number, replace=replace)
            assert set(refused.value.data["paths"]) == (kept_from_us or replaced)
            assert self.on_disk() == before
            return
        self.player.install(build=number, replace=replace)
        self.foreign = {path: entry for path, entry in self.foreign.items() if path not in replaced | wanted.keys()}
        self.installed, self.harmed = number, {}

    @precondition(lambda self: self.harmable())
    @rule(data=st.data(), harm=st.sampled_from(sorted(HARMS)))
    def harm(self, data: st.DataObject, harm: str) -> None:
        path = data.draw(st.sampled_from(self.harmable()))
        if harm in CONTENT and not self.tree[path].data:
            return
        SystemClock().sleep(TICK)
        HARMS[harm](self.player.root / path)
        if harm != "touched":
            self.harmed[path] = harm
        self.verify(full=False)

    @precondition(lambda self: any(harm == "folder" for harm in self.harmed.values()))
    @rule(data=st.data())
    def fill_a_folder(self, data: st.DataObject) -> None:
        """Somebody puts files into a folder that stands where the game has a file."""
        path = data.draw(st.sampled_from([path for path, harm in self.harmed.items() if harm == "folder"]))
        self.put(f"{path}/precious.sav")

    @rule(data=st.data())
    def add_foreign(self, data: st.DataObject) -> None:
        """A save, or something where another build has a folder or a file, perhaps the very same file."""
        places = {place for tree in self.builds.values() for path in tree for place in (path, *above(path))}
        path = data.draw(st.sampled_from(["a/slot.sav", *sorted(places)]))
        later = [tree[path] for tree in self.builds.values() if path in tree and tree[path].data is not None]
        entry = data.draw(st.sampled_from([MINE, *later]))
        way = [self.player.root / folder for folder in above(path)]
        if fits(self.tree, path) and not any(place.is_symlink() or place.is_file() for place in way):
            self.put(path, entry)

    @precondition(lambda self: self.foreign)
    @rule(data=st.data())
    def remove_foreign(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.foreign)))
        (self.player.root / path).unlink()
        del self.foreign[path]

    @precondition(lambda self: self.installed)
    @rule(full=st.booleans())
    def verify(self, full: bool) -> None:
        """Every harm is a wound of its kind, and nothing else is one; quick sees them all by their stat."""
        found = self.player.verify(full=full)
        assert {wound.path: wound.kind for wound in found.wounds} == self.wounds()
        for wound in found.wounds:
            if self.harmed[wound.path].startswith("flipped"):  # the last byte, so the last chunk
                size = len(self.tree[wound.path].data or b"")
                assert wound.offset is not None
                assert wound.length is not None
                assert (wound.offset + wound.length, wound.length <= LARGEST_CHUNK) == (size, True)
        assert set(found.extra) == set(self.foreign)

    @precondition(lambda self: self.installed)
    @rule()
    def repair(self) -> None:
        kept_from_us = self.conflicts(self.tree)[1]
        if kept_from_us:
            with pytest.raises(ForeignFiles):
                self.player.repair()
            return
        self.player.repair()
        self.harmed = {}

    @precondition(lambda self: self.installed)
    @rule(modified_too=st.booleans())
    def uninstall(self, modified_too: bool) -> None:
        stays = {path for path, harm in self.harmed.items() if harm in CONTENT and not modified_too}
        stays |= {path for path, harm in self.harmed.items() if KINDS[harm] == "type"}
        left = self.on_disk()
        removed = self.player.uninstall(modified_too=modified_too)
        assert set(removed.kept) == stays
        self.foreign.update({path: left[path] for path in stays if path in left and left[path] != Entry()})
        self.installed, self.harmed = 0, {}
        with pytest.raises(NotInstalled):
            self.player.update()

    @invariant()
    def what_lies_there(self) -> None:
        """The build as far as it is unharmed, and every foreign file as it was put there."""
        found = self.on_disk()
        expected = {path: entry for path, entry in self.tree.items() if path not in self.harmed} | self.foreign
        for path, entry in expected.items():
            if entry != Entry() or path in found:
                assert found[path] == entry
        strangers = {path for path, entry in found.items() if entry != Entry()} - expected.keys() - self.harmed.keys()
        assert strangers == set()
        assert all((self.player.root / path).is_dir() for path, entry in expected.items() if entry == Entry())

    @invariant()
    def what_the_status_says(self) -> None:
        if not self.installed:
            assert self.player.status().state == "absent"
        else:
            assert self.player.status().state == ("wounded" if self.wounds() else "installed")

    def on_disk(self) -> dict[str, Entry]:
        return read_tree(self.player.root) if self.player.root.exists() else {}

    def wounds(self) -> dict[str, str]:
        return {path: KINDS[harm] for path, harm in self.harmed.items()}

    def harmable(self) -> list[str]:
        """Files of the build that nothing happened to yet."""
        return sorted(path for path, entry in self.tree.items() if entry.data is not None and path not in self.harmed)

    def put(self, path: str, entry: Entry = MINE) -> None:
        place = self.player.root / path
        if place.exists() or place.is_symlink():
            return
        for folder in (self.player.root / name for name in ("", *above(path))):
            if not folder.exists():
                folder.mkdir(mode=0o755)
        place.write_bytes(entry.data or b"")
        place.chmod(0o755 if entry.executable else 0o644)
        self.foreign[path] = entry

    def conflicts(self, wanted: dict[str, Entry]) -> tuple[set[str], set[str]]:
        """Foreign files that can be replaced with leave, and those in folders where the build has a file."""
        replaced, kept_from_us = set(), set()
        for path, entry in self.foreign.items():
            same = path in wanted and wanted[path].data is not None and wanted[path].data == entry.data
            if path in wanted and not same and path not in self.tree:
                replaced.add(path)
            if any(other.startswith(f"{path}/") for other in wanted):
                replaced.add(path)
            if any(path.startswith(f"{other}/") and each != Entry() for other, each in wanted.items()):
                kept_from_us.add(path)
        return replaced, kept_from_us


TestInstallation = Installation.TestCase
TestInstallation.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=25)
