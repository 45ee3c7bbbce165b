"""A registry in memory that real publishes fill, and installations of it whose every request is counted."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from chunkstore.cancel import Cancel
from chunkstore.store import ObjectStore
from chunkstore.stores.memory import MemoryStore
from chunkstore.wrappers.meter import MeteredStore, Traffic
from client.checking import Controls
from client.engine import Aim, Engine, Settled, Usage
from client.record import BadRecord, InstallFolder, NotInstalled
from client.remove import Removed, uninstall
from client.resolve import Wish
from client.road import install, update
from client.status import Status, status
from client.verify import Verification, verify
from client.work import Brake
from manifest.bare import BareRegistry
from manifest.documents import Build
from manifest.events import EventSink, NullSink
from manifest.paths import RESERVED_FOLDER
from manifest.store_document import init_store
from manifest.trust.contact import Contact
from manifest.trust.pins import BadPin, FirstUse, RootPin, parse_pin
from publisher.candidates import Release
from publisher.publish import PublishRequest, publish
from publisher.settings import DepotConfig, TagRule
from publisher.world import World
from tests.kit.clock import FakeClock
from tests.kit.game import Entry, write_tree
from tests.kit.signed import reader_of, registry_of
from tests.kit.stores import copy_of

GAME = "toy"
Tree = Mapping[str, Entry]


def counting_bytes() -> Callable[[int], bytes]:
    """Random bytes that are the same in every run, and never twice the same in one."""
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


@dataclass
class Rig:
    """One registry. `folder` is for sources and publisher state; `average` is the cutter's average chunk size."""

    folder: Path
    average: int = 256
    store: ObjectStore = field(default_factory=lambda: MemoryStore(FakeClock()))
    clock: FakeClock = field(default_factory=FakeClock)
    random_bytes: Callable[[int], bytes] = field(default_factory=counting_bytes)

    def __post_init__(self) -> None:
        init_store(self.store, bytes(range(32)))

    def publish(
        self,
        tree: Tree,
        *,
        depot: str = "main",
        tags: Iterable[tuple[str, str]] = (),
        channel: str | None = "stable",
        store: ObjectStore | None = None,
        spoil: Callable[[Path], object] = lambda _: None,
        **how: Any,
    ) -> Build:
        """The tree as the next build, by a real publish; `tags` are pairs of pattern and tag.

        `spoil` may do something to the source folder first.
        """
        source = write_tree(self.folder / "source" / depot, dict(tree))
        spoil(source)
        config = DepotConfig(depot, chunk_average=self.average, tags=tuple(TagRule(*rule) for rule in tags))
        registry = self.registry(store)
        world = World(registry, self.clock, self.random_bytes, NullSink(), Cancel())
        self.clock.advance(1)
        request = PublishRequest(source, GAME, config, Release(None, channel), self.folder / "state", rescan=True)
        request = PublishRequest(**{**_fields(request), **how})
        number = publish(request, world).number
        return registry.whole(request.game).build(number)

    def registry(self, store: ObjectStore | None = None) -> BareRegistry:
        """What the publisher has of it."""
        return registry_of(store or self.store, self.folder / "state", self.clock)

    def copy(self, folder: Path) -> Rig:
        """The same store, the same publisher and the same installations, in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        store = copy_of(self.store, self.clock)
        return Rig(folder, self.average, store, FakeClock(self.clock.now()), self.random_bytes)

    def player(self, root: str | Path = "installed", store: ObjectStore | None = None, **how: Any) -> Player:
        """An installation in a folder, of that name or anywhere. Those of one name have one state folder."""
        root = self.folder / root
        return Player(root, store or self.store, self.folder / f"{root.name}.state", self.clock, **how)


def _fields(request: PublishRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in PublishRequest.__dataclass_fields__}


class Player:
    """One installed folder and the engine that works on it. `traffic` counts what the last command asked for."""

    def __init__(
        self,
        root: Path,
        store: ObjectStore,
        state: Path,
        clock: FakeClock,
        *,
        threads: int = 2,
        sink: EventSink | None = None,
    ) -> None:
        self.root = root
        self.store = store
        self.state = state
        self.clock = clock
        self.threads = threads
        self.sink = sink or NullSink()
        self.cancel = Cancel()
        self.brake = Brake()
        self.random_bytes = counting_bytes()
        self.meter = MeteredStore(store, _class_of)

    @property
    def controls(self) -> Controls:
        """With the brakes of this player."""
        return Controls(self.threads, self.cancel, self.brake)

    def install(self, **aim: Any) -> Settled:
        """`lading install`, of the game `GAME` unless said otherwise."""
        return install(self._aim(**{"game": GAME, "channel": "stable", **aim}), self._engine())

    def update(self, **aim: Any) -> Settled:
        """`lading update`."""
        return update(self._aim(**aim), self._engine())

    def repair(self, **aim: Any) -> Settled:
        """`lading repair`."""
        return self.update(full=True, replace=True, present_build=True, **aim)

    def verify(self, *, full: bool = False, globs: Sequence[str] = ()) -> Verification:
        """`lading verify`."""
        return verify(self.root, self.controls, self.sink, full=full, globs=globs)

    def status(self) -> Status:
        """`lading status`."""
        return status(self.root, self.controls)

    def uninstall(self, *, modified_too: bool = False, dry_run: bool = False) -> Removed:
        """`lading uninstall`."""
        return uninstall(self.root, self.controls, modified_too=modified_too, dry_run=dry_run)

    def tree(self) -> dict[str, Entry]:
        """What lies in the folder, without what Lading keeps for itself."""
        return read_tree(self.root)

    @property
    def content(self) -> Traffic:
        """What the last command asked of packs."""
        return self.meter.traffic().get("content", Traffic())

    @property
    def metadata(self) -> Traffic:
        """What it asked of everything else."""
        return self.meter.traffic().get("metadata", Traffic())

    def _aim(self, *, channel: str = "", version: str | None = None, build: int | None = None, **aim: Any) -> Aim:
        return Aim(self.root, Wish(channel, version, build), **aim)

    def _engine(self) -> Engine:
        self.meter = MeteredStore(self.store, _class_of)
        registry = reader_of(self.meter, self.state, self.clock, Contact(FirstUse(), self._recorded()))
        return Engine(registry, self.controls, self.sink, self._usage, self.random_bytes)

    def _recorded(self) -> RootPin | None:
        """The root that the folder remembers, as the command line has it."""
        try:
            pin = parse_pin(InstallFolder(self.root).load().root)
        except (NotInstalled, BadRecord, BadPin):
            return None
        return pin if isinstance(pin, RootPin) else None

    def _usage(self) -> Usage:
        return Usage(
            download_bytes=self.content.received_bytes,
            metadata_bytes=self.metadata.received_bytes,
            requests=self.content.requests + self.metadata.requests,
        )


def _class_of(key: str) -> str:
    return "content" if "/packs/" in key else "metadata"


def read_tree(root: Path) -> dict[str, Entry]:
    """A folder as entries: what it holds, and those of its folders that hold nothing.

    `AssertionError` where a mode is none that an installation gives: 0644, 0755, and 0755 for folders.
    """
    found: dict[str, Entry] = {}
    for top, folders, names in os.walk(root):
        base = os.path.relpath(top, root).replace(os.sep, "/")
        prefix = "" if base == "." else f"{base}/"
        if not prefix and RESERVED_FOLDER in folders:
            folders.remove(RESERVED_FOLDER)
        for name in [*folders, *names]:
            path, place = prefix + name, os.path.join(top, name)
            mode = os.lstat(place).st_mode
            if stat.S_ISLNK(mode):
                found[path] = Entry(target=os.readlink(place))
                continue
            assert stat.S_IMODE(mode) in ((0o755,) if stat.S_ISDIR(mode) else (0o644, 0o755)), (path, oct(mode))
            if stat.S_ISREG(mode):
                found[path] = Entry(Path(place).read_bytes(), executable=stat.S_IMODE(mode) == 0o755)
        if prefix and not folders and not names:
            found[base] = Entry()
    return found


def snapshot(root: Path) -> dict[str, tuple[int, ...]]:
    """What nobody can change unseen: inode, mode, size and times of everything in a folder but `.lading`."""
    found: dict[str, tuple[int, ...]] = {}
    for top, folders, names in os.walk(root):
        if top == os.fspath(root) and RESERVED_FOLDER in folders:
            folders.remove(RESERVED_FOLDER)
        for name in [*folders, *names]:
            place = os.path.join(top, name)
            seen = os.lstat(place)
            times = () if stat.S_ISDIR(seen.st_mode) else (seen.st_mtime_ns, seen.st_ctime_ns)
            found[os.path.relpath(place, root)] = (seen.st_ino, seen.st_mode, *times)
    return found


@dataclass(frozen=True)
class Foreign:
    """Files in an installed folder that are none of Lading's business."""

    root: Path
    entries: dict[str, Entry]
    seen: dict[str, tuple[int, ...]]

    @staticmethod
    def put(root: Path, paths: Iterable[str]) -> Foreign:
        """Writes a file under each path."""
        entries = {path: Entry(f"this is {path}".encode()) for path in paths}
        for path, entry in entries.items():
            place = root / path
            for folder in reversed([above for above in place.parents if not above.exists()]):
                folder.mkdir(mode=0o755)
            place.write_bytes(entry.data or b"")
            place.chmod(0o644)
        return Foreign(root, entries, {path: each for path, each in snapshot(root).items() if path in entries})

    def assert_untouched(self) -> None:
        """Not written, not replaced, not even given another mode."""
        now = snapshot(self.root)
        assert {path: now.get(path) for path in self.seen} == self.seen
