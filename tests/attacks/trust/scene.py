"""The scene of an attack: a published game, a player who has an earlier build of it, and a forger's tools.

Publishing is done once for all tests; each works on a copy of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from chunkstore.clock import SystemClock
from chunkstore.store import ObjectReader, ObjectStore
from chunkstore.stores.http import HttpStore
from chunkstore.stores.memory import MemoryStore
from client.engine import Engine
from manifest.bare import BareReader
from manifest.keys import timestamp_key
from manifest.trust.contact import Contact
from manifest.trust.keyplan import KeyPlan
from manifest.trust.keyring import Keyring
from manifest.trust.pins import RootPin, parse_pin
from manifest.trust.roles import BUILDS, CHANNELS, SNAPSHOT, TARGETS, TIMESTAMP
from manifest.trust.rotation import KeyChange, rotate
from tests.kit.clock import FakeClock
from tests.kit.forge import Forge, overwrite
from tests.kit.game import Entry, noise
from tests.kit.rig import GAME, Player, Rig
from tests.kit.signed import games_of
from tests.kit.stores import filled, objects_of
from tests.kit.webhost import WebHost, web_host

OTHER = "other"
"""Another game of the same registry, with keys of its own."""

INSTALLED, NEWEST = 9, 10
"""The build that the player has, and the one that the channel points to. The oldest lie in bins."""

PLAN = KeyPlan(root_keys=3, root_threshold=2, build_keys=2, build_threshold=2)
DAY = 24 * 60 * 60
_LIMIT = 64 * 1024 * 1024
_OLDER = "older-pointer"


def tree(build: int) -> dict[str, Entry]:
    """What a build of the game holds."""
    return {
        "bin/game": Entry(noise(3_000, "game", build), executable=True),
        "data/levels.pak": Entry(noise(12_000, "levels") + bytes([build])),
        "readme.txt": Entry(b"This is build %d.\n" % build),
    }


class PinnedPlayer(Player):
    """A player whose first contact was by a pin, as the command line's is for whoever has a game installed."""

    pin: RootPin

    def reader(self) -> BareReader:
        """What this player has of the registry."""
        games = games_of(self.meter, self.state, self.clock, Contact(recorded=self.pin), self.sink)
        return BareReader(self.meter, games)

    def _engine(self) -> Engine:
        return replace(super()._engine(), registry=self.reader())


@dataclass
class Scene:
    """One attack's world.

    `good` is what the store holds when it is not attacked, and `newest` the build that leads to. `served` is what
    players reach of it. `answer` is what the attack comes to where its row allows more than one, `newcomer` what it
    comes to for a first contact where that differs: a code, or the build that is installed. `mend` puts an end to the
    attack. `pin` is the root that players know.
    """

    folder: Path
    store: ObjectStore
    clock: FakeClock
    patch: pytest.MonkeyPatch
    closing: ExitStack
    newest: int = NEWEST
    answer: str = ""
    newcomer: str | int | None = None
    mend: Callable[[], object] | None = None
    served: ObjectReader = field(init=False)
    good: dict[str, bytes] = field(init=False)
    pin: RootPin = field(init=False)

    def __post_init__(self) -> None:
        self.rig = _rig(self.folder, self.store, self.clock)
        self.served = self.store
        self.good = objects_of(self.store)
        pin = parse_pin(self.keyring.pin(GAME) or "")
        assert isinstance(pin, RootPin)
        self.pin = pin

    @property
    def keyring(self) -> Keyring:
        """The keys of all games."""
        return self.rig.registry().pen.keyring

    @property
    def player(self) -> PinnedPlayer:
        """Who has build `INSTALLED`."""
        return self.player_of("installed")

    def player_of(self, name: str) -> PinnedPlayer:
        """Who knows the pin and has what lies in a folder of that name, if anything does."""
        store = cast("ObjectStore", self.served)  # of which players only read
        player = PinnedPlayer(self.folder / name, store, self.folder / f"{name}.state", self.clock)
        player.pin = self.pin
        return player

    @contextmanager
    def copy_of(self, name: str) -> Iterator[PinnedPlayer]:
        """A player like the one of this name, for a moment."""
        player = self.player_of("copy")
        for folder, of in ((player.root, name), (player.state, f"{name}.state")):
            if (self.folder / of).exists():
                shutil.copytree(self.folder / of, folder, symlinks=True)
        try:
            yield player
        finally:
            for folder in (player.root, player.state):
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def trust(self) -> Path:
        """What the player's machine keeps of the game's trust."""
        return self.player.state / "trust" / self.pin.digest

    @property
    def older(self) -> bytes:
        """The pointer of before the build that the player has."""
        return (self.folder / _OLDER).read_bytes()

    def forge(self, game: str = GAME) -> Forge:
        """The forger's tools, for what is live now."""
        return Forge(self.store, self.keyring, game)

    def settle(self) -> None:
        """What the store holds now is good."""
        self.good = objects_of(self.store)

    def publish(self) -> None:
        """The publisher brings out another build."""
        self.newest += 1
        self.rig.publish(tree(self.newest))
        self.settle()

    def rotate(self, kind: str) -> None:
        """The publisher gives the game new keys of one kind."""
        registry = self.rig.registry()
        rotate(registry.pen, registry.newest(GAME), kind, KeyChange())
        self.settle()

    def restore(self) -> None:
        """Puts the store back as it was before the attack."""
        for key in objects_of(self.store).keys() - self.good.keys():
            self.store.delete(key)
        for key, data in self.good.items():
            overwrite(self.store, key, data)

    def supersede(self) -> None:
        """The publisher signs the good state again, above all versions that were served meanwhile."""
        self.restore()
        forge = self.forge()
        for role in (TARGETS, BUILDS, CHANNELS, SNAPSHOT, TIMESTAMP):
            forge.signed(role)["version"] += 1000
        forge.serve([TARGETS, BUILDS, CHANNELS])
        self.settle()

    def host(self) -> WebHost:
        """A web host that serves what the store holds now; players reach the store by it."""
        root = self.folder / "web"
        for key, data in objects_of(self.store).items():
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_bytes(data)
        host = self.closing.enter_context(web_host(root))
        store = HttpStore(host.url, clock=SystemClock())
        self.closing.callback(store.close)
        self.served = store
        self.mend = host.behave
        return host


def set_up(folder: Path) -> dict[str, bytes]:
    """Publishes the games and installs one, below `folder`; the objects of the store."""
    clock = FakeClock()
    rig = _rig(folder, MemoryStore(clock), clock)
    for game in (GAME, OTHER):
        rig.registry().create(game, game, PLAN)
    rig.publish(tree(99), game=OTHER)
    for build in range(1, NEWEST):
        if build == INSTALLED:
            (folder / _OLDER).write_bytes(rig.store.get(timestamp_key(GAME), limit=_LIMIT).data)
        rig.publish(tree(build))
    with pytest.MonkeyPatch.context() as patch, ExitStack() as closing:
        Scene(folder, rig.store, clock, patch, closing).player.install()
    rig.publish(tree(NEWEST))
    shutil.rmtree(folder / "source")
    return objects_of(rig.store)


def scene_of(
    master: Path, content: dict[str, bytes], folder: Path, patch: pytest.MonkeyPatch, closing: ExitStack
) -> Scene:
    """A copy of what `set_up` made, in a folder of its own."""
    clock = FakeClock()
    clock.advance(100)
    store = filled(content, clock)
    shutil.copytree(master, folder, symlinks=True, dirs_exist_ok=True)
    return Scene(folder, store, clock, patch, closing)


def _rig(folder: Path, store: ObjectStore, clock: FakeClock) -> Rig:
    return Rig(folder, store=store, clock=clock)
