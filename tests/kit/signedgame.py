"""A signed game with a publisher's machine, made once and copied for each try: nothing is cut, all of it is signed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chunkstore.store import ObjectStore
from chunkstore.stores.memory import MemoryStore
from manifest.bare import BareRegistry
from manifest.documents import Build, Channel, DepotRef, GameState
from manifest.events import NullSink
from manifest.keys import metadata_key
from manifest.store_document import init_store
from manifest.trust.contact import Contact
from manifest.trust.keyplan import KeyPlan
from manifest.trust.keyring import Keyring
from manifest.trust.pins import FIRST_USE, FirstUse, RootPin, parse_pin
from manifest.trust.reading import SignedGames
from manifest.trust.writing import Pen
from tests.kit.clock import FakeClock
from tests.kit.signed import games_of
from tests.kit.stores import copy_of, objects_of

GAME = "toy"
REGISTRY = bytes(range(32))
_MEBIBYTE = 1 << 20


def build(number: int, **other: Any) -> Build:
    """A build that names a manifest which nobody stored. Players may go back from it to the one before."""
    depots = {"main": DepotRef("ab" * 32, 10, 1, 1, 5)}
    return replace(Build(number, f"{number}.0", depots, 1000 + number, rollback_to=number - 1), **other)


@dataclass
class SignedGame:
    """The store, and the folder in which the publisher's machine has its state and each player's has a trust folder."""

    folder: Path
    store: MemoryStore
    clock: FakeClock

    @staticmethod
    def made(folder: Path, plan: KeyPlan = KeyPlan(), builds: int = 10, *, vouched: bool = False) -> SignedGame:  # noqa: B008 - frozen
        """So many builds, the oldest in their bins, with the last on `stable`; `vouched` for by the registry."""
        made = SignedGame(folder, MemoryStore(FakeClock()), FakeClock())
        init_store(made.store, REGISTRY)
        if vouched:
            made.pen.keyring.make_registry_key()
        before = made.registry.create(GAME, GAME, plan)
        after = replace(
            before,
            builds={number: build(number) for number in range(1, builds + 1)},
            channels={"stable": Channel("stable", builds, 1)},
        )
        made.registry.commit(before, after, lambda: None)
        return made

    def copy(self, folder: Path) -> SignedGame:
        """The same, for changes that the original is not to see."""
        shutil.copytree(self.folder, folder)
        return SignedGame(folder, copy_of(self.store, self.clock), FakeClock(self.clock.now()))

    def objects(self) -> dict[str, bytes]:
        """All that lies in the store."""
        return objects_of(self.store)

    @property
    def registry(self) -> BareRegistry:
        """The registry as a new process of the publisher's machine opens it."""
        return self.registry_on(self.store)

    def registry_on(self, store: ObjectStore) -> BareRegistry:
        """The same through another way to the store; the root that the keys were made with is believed."""
        state = self.folder / "publisher"

        def keyring(registry: str) -> Keyring:
            return Keyring(state / registry / "keys", self.passphrase)

        def contact(game: str) -> Contact:
            pin = parse_pin(keyring(REGISTRY.hex()).pin(game) or FIRST_USE)
            return Contact(FirstUse(), known=[pin] if isinstance(pin, RootPin) else [])

        games = SignedGames(store, state / "trust", self.clock, contact, NullSink())
        return BareRegistry(store, games, keyring, self.clock)

    def passphrase(self) -> bytes:
        """What opens the keys that have one."""
        return b"open sesame"

    @property
    def pen(self) -> Pen:
        """What the publisher signs with."""
        return self.registry.pen

    def whole(self) -> GameState:
        """The game as the publisher reads it."""
        return self.registry.whole(GAME)

    def keyids(self, kind: str) -> set[str]:
        """The keys of a kind whose files lie on the publisher's machine."""
        return {key.keyid for key in self.pen.keyring.keys(GAME) if key.role == kind}

    def games(self, player: str, store: ObjectStore | None = None, pin: RootPin | None = None) -> SignedGames:
        """What a new process on a player's machine believes, which trusts by `pin` or by what it trusted before."""
        contact = Contact(pin or RootPin.of(self.store.get(metadata_key(GAME, "root", 1), limit=_MEBIBYTE).data, 1))
        return games_of(store or self.store, self.folder / player, self.clock, contact)

    def read(self, player: str, store: ObjectStore | None = None, pin: RootPin | None = None) -> GameState:
        """The whole game as that machine believes it."""
        return self.games(player, store, pin).whole(GAME)

    def commit(self, **other: Any) -> GameState:
        """A change by the publisher."""
        before = self.whole()
        return self.registry.commit(before, replace(before, **other), lambda: None)

    def publish(self) -> int:
        """The next build, on `stable`."""
        state = self.whole()
        number = max(state.builds) + 1
        self.commit(
            builds={**state.builds, number: build(number)},
            channels={"stable": replace(state.channel("stable"), build=number, sequence=number)},
        )
        return number


def said(state: GameState) -> tuple[Mapping[int, Build], Mapping[str, Channel]]:
    """What a state says to players."""
    return state.builds, state.channels
