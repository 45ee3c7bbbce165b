"""The registry: a catalogue of builds plus an object store, and the rules between them.

The ports that publisher, client and server meet at. Payloads are checked against the id they were asked for by; what a
payload means is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from chunkstore.packs import PackIndex
from chunkstore.store import Buffer
from manifest.documents import Build, GameState
from manifest.heads import Head

if TYPE_CHECKING:
    from manifest.trust.keyplan import KeyPlan
    from manifest.trust.pins import RootPin

MAX_NOTES = 1024 * 1024
"""Bytes of the longest release notes."""

MAX_CANDIDATE = 64 * 1024
"""Bytes of the longest document of a sealed build."""


class RegistryReader(Protocol):
    """What a player's machine needs of a registry."""

    @property
    def url(self) -> str:
        """Where the registry is, for people and for records."""
        ...

    @property
    def registry_id(self) -> str:
        """The name that the registry gave itself when it was made."""
        ...

    def game(self, game: str) -> GameState:
        """The channels of a game and its newest builds, verified. Raises `GameMissing` and the refusals of trust."""
        ...

    def whole(self, game: str) -> GameState:
        """As `game`, with every build."""
        ...

    def build(self, state: GameState, number: int) -> Build:
        """A build of a game, however old. Raises `BuildMissing`."""
        ...

    def admit(self, state: GameState, channel: str, number: int, installed: int) -> None:
        """Lets a channel point to a build, and remembers it. Raises `RollbackRefused`."""
        ...

    def pin(self, game: str) -> RootPin:
        """What the trust in a game, which was read, began with."""
        ...

    def head(self, scope: str, manifest: str) -> Head:
        """The present head of a manifest. Raises `KeyMissing`."""
        ...

    def manifest(self, scope: str, manifest: str, size: int) -> bytes:
        """The payload of a manifest, `size` bytes by the build document."""
        ...

    def placement(self, scope: str, placement: str, size: int) -> bytes:
        """The payload of a placement."""
        ...

    def diff(self, scope: str, diff: str, size: int) -> bytes:
        """The payload of a diff."""
        ...

    def notes(self, scope: str, notes: str) -> str:
        """Release notes that are too long for the build's document."""
        ...

    def pack_range(self, scope: str, pack: str, offset: int, length: int) -> bytes:
        """Bytes of a pack, unverified."""
        ...


class RegistryWriter(RegistryReader, Protocol):
    """What a publisher needs besides. Everything written is durable when a call returns."""

    def games(self) -> list[str]:
        """The names of all games, sorted."""
        ...

    def packs(self, scope: str) -> Mapping[str, int]:
        """The packs that are there now, with their sizes in bytes."""
        ...

    def pack_index(self, scope: str, pack: str) -> PackIndex:
        """What a pack holds. Raises `KeyMissing`, `BadPack`."""
        ...

    def put_pack(self, scope: str, pack: str, data: Buffer) -> None:
        """Store a pack under its id."""
        ...

    def put_manifest(self, scope: str, payload: Buffer) -> str:
        """Store a manifest; its id."""
        ...

    def put_placement(self, scope: str, payload: Buffer) -> str:
        """Store a placement; its id."""
        ...

    def put_diff(self, scope: str, payload: Buffer) -> str:
        """Store a diff; its id."""
        ...

    def put_notes(self, scope: str, notes: str) -> str:
        """Store long release notes; their id."""
        ...

    def change_head(self, scope: str, manifest: str, change: Callable[[Head | None], Head]) -> None:
        """Replace a head by what `change` makes of the present one; tried again when somebody else was first.

        A head that is missing or damaged is None.
        """
        ...

    def seal(self, game: str, number: int, candidate: bytes) -> bool:
        """Store a sealed build under a number; False if somebody has the number already."""
        ...

    def candidate(self, game: str, number: int) -> bytes:
        """The sealed build of this number. Raises `KeyMissing`."""
        ...

    def candidates(self, game: str) -> list[int]:
        """The numbers of all builds that were ever sealed, ascending."""
        ...

    def neighbours(self, scope: str) -> list[str]:
        """The games of a scope, sorted."""
        ...

    def require_keys(self, state: GameState) -> None:
        """Raises `KeysMissing` if the keys that sign builds and channels are not here."""
        ...

    def create(self, game: str, scope: str, plan: KeyPlan) -> GameState:
        """Make a game, with keys. Raises `GameTaken`."""
        ...

    def commit(self, before: GameState, after: GameState, signed: Callable[[], object]) -> GameState:
        """Make `after` the present state of its game; both are whole. `signed` is called just before it goes live.

        Raises `Conflict` if the game moved since `before`, `KeysMissing`, `SignaturesMissing`.
        """
        ...
