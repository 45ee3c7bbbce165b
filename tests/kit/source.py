"""Small source folders, and a publish of them straight through the engine, without a command line."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chunkstore.cancel import Cancel
from chunkstore.store import ObjectStore
from chunkstore.stores.memory import MemoryStore
from manifest.bare import BareRegistry
from manifest.documents import Build
from manifest.events import Collector
from manifest.store_document import init_store
from publisher.candidates import Release
from publisher.publish import Published, PublishRequest, publish
from publisher.settings import DepotConfig
from publisher.world import World
from tests.kit.clock import FakeClock
from tests.kit.published import hand_over_keys
from tests.kit.signed import registry_of
from tests.kit.stores import copy_of


def write(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    """Put files into a folder that may exist; others stay."""
    for path, data in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


@dataclass
class Publisher:
    """One machine that publishes one folder to a store in memory, at a time when all its files are at rest."""

    folder: Path
    state: Path
    store: ObjectStore = field(default_factory=lambda: MemoryStore(FakeClock()))
    events: Collector = field(default_factory=Collector)
    random: int = 0
    clock: FakeClock = field(default_factory=lambda: FakeClock(time.time() + 60))

    def __post_init__(self) -> None:
        init_store(self.store, bytes(32))

    @property
    def registry(self) -> BareRegistry:
        """The registry over the store."""
        return registry_of(self.store, self.state, self.clock)

    def publish(self, *, depot: DepotConfig | None = None, **said: Any) -> Published:
        """Publish the folder; `said` are fields of the request or of the release."""
        release = Release(version=None, channel="stable")
        release = replace(release, **{name: said.pop(name) for name in Release.__slots__ if name in said})
        request = PublishRequest(
            root=self.folder,
            game="toy",
            depot=depot or DepotConfig(),
            release=release,
            state_folder=self.state,
            **said,
        )
        return publish(request, World(self.registry, self.clock, self._random_bytes, self.events, Cancel()))

    def build_of(self, published: Published) -> Build:
        """The build that a publish made live, or found."""
        return self.registry.whole("toy").build(published.number)

    def colleague(self, folder: Path, state: Path) -> Publisher:
        """Another machine that has the keys of this one, as far as there are any, and publishes another folder."""
        hand_over_keys(self.state, state)
        return Publisher(folder, state, self.store, clock=self.clock)

    def copy(self, home: Path) -> Publisher:
        """The same store and the same state of this machine, in another folder; the source is the very same."""
        if self.state.exists():
            shutil.copytree(self.state, home / "state")
        store = copy_of(self.store, self.clock)
        return Publisher(self.folder, home / "state", store, random=self.random, clock=FakeClock(self.clock.now()))

    def _random_bytes(self, count: int) -> bytes:
        self.random += 1
        return self.random.to_bytes(count, "little")
