"""The one place that wires objects: from the settings of a run to stores, registries and what work needs around them.

A location becomes a store, patient and limited where its medium wants that; around it lies the meter that every receipt
is read from; a registry stands on top. What must never lie in one another (store, source, state) is kept apart here.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from chunkstore.errors import Refused
from chunkstore.opening import open_store
from chunkstore.oserrors import leaf_for
from chunkstore.scratch import scratch_folder
from chunkstore.store import ObjectStore, ReadOnly
from chunkstore.stores.memory import MemoryStore
from chunkstore.wrappers.dry import DryStore
from chunkstore.wrappers.limit import RateLimit
from chunkstore.wrappers.meter import MeteredStore, Traffic
from chunkstore.wrappers.retry import Retried, RetryingStore
from cli.call import Run
from cli.keyrings import keyring_of, registries
from cli.words import Usage
from manifest.bare import BareRegistry
from manifest.documents import GameMissing
from manifest.keys import game_prefix
from manifest.store_document import init_store, is_store
from manifest.trust.contact import Contact
from manifest.trust.keyring import Keyring
from manifest.trust.pins import RootPin, parse_pin
from manifest.trust.reading import SignedGames

if TYPE_CHECKING:
    from manifest.trust.writing import Pen
    from publisher.world import World

REGISTRY_ID_SIZE = 32
TRUST = "trust"
_CONTENT = "content"
_METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class Opened:
    """A store as one command uses it. `folder` is where it lies on this machine, if it does; `created`: just now."""

    registry: BareRegistry
    folder: Path | None
    meter: MeteredStore
    retries: Callable[[], Retried]
    created: bool = False

    @property
    def content(self) -> Traffic:
        """What moved so far of packs and patches."""
        return self.meter.traffic().get(_CONTENT, Traffic())

    @property
    def metadata(self) -> Traffic:
        """What moved so far of everything else."""
        return self.meter.traffic().get(_METADATA, Traffic())

    @property
    def retried(self) -> Retried:
        """What had to be asked for again."""
        return self.retries()


@contextmanager
def reading(run: Run, location: str | None = None, *, accept_stale: bool = False) -> Iterator[Opened]:
    """The store at `location`, or that the settings name, for a command that looks at it.

    A game that is not trusted on this machine is believed for this once, with `accept_stale` also after it expired.
    Raises `NotAStore`, `NewerStore`, and `Usage` if none is named.
    """
    store, folder = _store(run, location)
    try:
        with scratch_folder() as scratch:
            looking = partial(_contact, run, Contact(confirm=_whoever, scratch=scratch))
            opened = _opened(run, store, folder, looking, accept_stale=accept_stale)
            _ = opened.registry.registry_id
            yield opened
    finally:
        store.close()


@contextmanager
def playing(run: Run, location: str | None, contact: Contact, *, accept_stale: bool = False) -> Iterator[Opened]:
    """The store at `location`, or that the settings name, for a player: what `contact` does not allow is not believed.

    Raises `NotAStore` where there is no game and no store either.
    """
    store, folder = _store(run, location)
    try:
        opened = _opened(run, store, folder, partial(_contact, run, contact), accept_stale=accept_stale)
        try:
            yield opened
        except GameMissing:
            _ = opened.registry.registry_id
            raise
    finally:
        store.close()


@contextmanager
def writing(
    run: Run,
    *,
    dry_run: bool,
    create: bool = False,
    static: bool = False,
    source: Path | None = None,
    accept_stale: bool = False,
) -> Iterator[Opened]:
    """The store that the settings name, for a command that changes it or, in a dry run, would.

    With `create` an absent or empty folder becomes a store, `static` one that no server signs. `source` is the folder
    that is about to be published. With `accept_stale` metadata that has expired is built upon all the same.
    Raises `ReadOnly`, `Occupied`, `Entangled` and what `reading` raises.
    """
    store, folder = _store(run)
    try:
        if folder is None:
            raise ReadOnly("this store can only be read", where=store.url)
        keep_apart(folder, run.settings.state_dir, source)
        created = create and not is_store(store)
        if created:
            _check_empty(folder)
            registry_id = secrets.token_bytes(REGISTRY_ID_SIZE)
            if dry_run:
                store = MemoryStore(run.clock)
            else:
                keyring_of(run, registry_id.hex()).make_registry_key()
            init_store(store, registry_id, static=static)
        with scratch_folder() as scratch:

            def looking(game: str) -> Contact:
                # Whoever signs remembers what it was on top of, and signs no older state that is put in its place.
                registry = opened.registry.registry_id
                signs = not dry_run and (keyring_of(run, registry).folder / game).is_dir()
                home = None if signs else scratch
                return _contact(run, Contact(confirm=_whoever, scratch=home, registry=registry), game)

            used = DryStore(store) if dry_run else store
            opened = _opened(run, used, folder, looking, created=created, accept_stale=accept_stale)
            _ = opened.registry.registry_id
            yield opened
    finally:
        store.close()


@contextmanager
def rehearsing(run: Run, pen: Pen, game: str) -> Iterator[Pen]:
    """A pen that signs with copies of a game's keys and writes into a copy of what is signed of it, all soon gone.

    Raises `BadKeyFile`, `KeyExposed`.
    """
    store = MemoryStore(run.clock)
    for entry in pen.store.list(game_prefix(game)):
        store.put(entry.key, pen.store.get(entry.key, limit=entry.size).data)
    with scratch_folder() as scratch:
        held, pin = [*pen.keyring.keys(game)], pen.keyring.pin(game)
        if registry := pen.keyring.registry_key():
            held.append(registry)
        copy = Keyring(scratch / "keys", pen.keyring.passphrase)
        copy.add((pen.keyring.document(key) for key in held), {game: pin} if pin else None)
        yield replace(pen, store=store, keyring=copy)


def world(run: Run, opened: Opened) -> World:
    """What a publish takes from outside."""
    from publisher.world import World

    return World(opened.registry, run.clock, secrets.token_bytes, run.events, run.cancel)


def _store(run: Run, location: str | None = None) -> tuple[ObjectStore, Path | None]:
    location = location or run.settings.store
    if location is None:
        raise Usage(
            "no store is named",
            cause="A store is where games are published to and installed from.",
            next="Name it with --store, or set LADING_STORE.",
        )
    rate = run.settings.download_limit_rate
    store = open_store(
        os.path.expanduser(location),
        clock=run.clock,
        jitter=secrets.SystemRandom().random,
        cancel=run.cancel,
        limit=RateLimit(run.clock, rate, run.cancel) if rate else None,
    )
    return store, _folder_of(store.url)


def _folder_of(url: str) -> Path | None:
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    return Path(path[1:] if os.name == "nt" else path)


def _opened(
    run: Run,
    store: ObjectStore,
    folder: Path | None,
    contact: Callable[[str], Contact],
    *,
    created: bool = False,
    accept_stale: bool = False,
) -> Opened:
    meter = MeteredStore(store, _class_of)
    retried = store.retried if isinstance(store, RetryingStore) else Retried
    trust = run.settings.state_dir / TRUST
    games = SignedGames(meter, trust, run.clock, contact, run.events, accept_stale=accept_stale)
    registry = BareRegistry(meter, games, lambda registry_id: keyring_of(run, registry_id), run.clock)
    return Opened(registry, folder, meter, retried, created)


def keyring_meant(run: Run) -> Keyring:
    """The keys of the registry of the store that the settings name, else those of the only one on this machine.

    Raises `Usage` if that does not say which.
    """
    if run.settings.store is not None:
        with reading(run) as opened:
            return keyring_of(run, opened.registry.registry_id)
    known = registries(run)
    if len(known) != 1:
        found = "the keys of several registries lie" if known else "no keys lie"
        raise Usage(f"no store is named, and {found} on this machine", next="Name the store with --store.")
    return keyring_of(run, known[0])


def _whoever(game: str, pin: RootPin) -> bool:
    """Who only looks takes what is served."""
    return True


def _contact(run: Run, base: Contact, game: str) -> Contact:
    """How a game may be believed here: the roots of games whose keys lie on this machine always are."""
    pins = (keyring_of(run, registry_id).pin(game) for registry_id in registries(run))
    known = [pin for text in pins if text and isinstance(pin := parse_pin(text), RootPin)]
    return replace(base, known=known)


def _class_of(key: str) -> str:
    """Content is what lies in a scope under `packs` or `patches`."""
    return _CONTENT if key.split("/")[2:3] in (["packs"], ["patches"]) else _METADATA


def _check_empty(folder: Path) -> None:
    """Raises `Occupied` if something lies in the folder but what an interrupted `init` left."""
    try:
        found = sorted(entry.name for entry in os.scandir(folder) if entry.name != ".tmp")
    except FileNotFoundError:
        return
    except OSError as error:
        raise leaf_for(error, folder) from error
    if found:
        raise Occupied(f"the folder is not empty and not a store: it holds {found[0]}", where=str(folder))


def keep_apart(store: Path, state: Path, source: Path | None) -> None:
    """Raises `Entangled` if the state would be copied with the store, or either be published with the source."""
    for inner, outer, message in (
        (state, store, "the state folder lies inside the store"),
        (store, source, "the store lies inside the folder that is published"),
        (state, source, "the state folder lies inside the folder that is published"),
    ):
        if outer is not None and inner.resolve().is_relative_to(outer.resolve()):
            raise Entangled(message, where=str(inner))


class Occupied(Refused):
    """A folder that holds something else cannot become a store."""

    code = "store-occupied"
    default_cause = (
        "A store is made of an absent or an empty folder only, so that nothing of yours gets mixed up in it."
    )
    default_next = "Name another folder; if this should be a store, its lading.json is missing."


class Entangled(Refused):
    """Store, source and state must not lie in one another."""

    code = "folders-entangled"
    default_cause = "A store is copied and served as it is, and a source is published as it is: neither may hold keys."
    default_next = "Name another --store, or set LADING_STATE_DIR to a folder outside."
