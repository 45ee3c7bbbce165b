"""A registry that signs and verifies like the real one, over any store, with its keys in a folder of the test."""

from __future__ import annotations

from pathlib import Path

from chunkstore.clock import Clock
from chunkstore.store import ObjectStore
from manifest.bare import BareReader, BareRegistry
from manifest.events import EventSink, NullSink
from manifest.trust.contact import Contact
from manifest.trust.keyring import Keyring
from manifest.trust.pins import FirstUse
from manifest.trust.reading import SignedGames


def games_of(
    store: ObjectStore,
    state: Path,
    clock: Clock,
    contact: Contact = Contact(FirstUse()),  # noqa: B008 - frozen
    sink: EventSink | None = None,
    *,
    accept_stale: bool = False,
) -> SignedGames:
    """The games of a store as a machine with this state folder believes them; a first contact is believed."""
    return SignedGames(store, state / "trust", clock, lambda _: contact, sink or NullSink(), accept_stale=accept_stale)


def reader_of(
    store: ObjectStore,
    state: Path,
    clock: Clock,
    contact: Contact = Contact(FirstUse()),  # noqa: B008
) -> BareReader:
    """What a player has of the registry in `store`."""
    return BareReader(store, games_of(store, state, clock, contact))


def registry_of(store: ObjectStore, state: Path, clock: Clock) -> BareRegistry:
    """What a publisher has of it, whose keys lie in the state folder."""
    return BareRegistry(store, games_of(store, state, clock), lambda name: Keyring(state / name / "keys"), clock)
