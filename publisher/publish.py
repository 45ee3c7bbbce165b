"""One publish from end to end: scan, read what changed, store what is new, make the build live.

Everything that another publish could do at the same time is settled by the registry: packs and payloads are named by
their content, and the game's pointer moves by compare-and-set. A run that dies leaves the old build live.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np

from chunkstore.columns import Column
from chunkstore.errors import Corrupt, NotFound
from chunkstore.packs import NONCE_SIZE
from chunkstore.placements import Placement
from chunkstore.store import Buffer
from manifest.documents import MAX_INLINE_NOTES, Build, GameMissing, GameState
from manifest.events import NullSink, Phase, WarningEvent
from manifest.kinds import Kind
from manifest.model import Manifest
from manifest.payload import encode_manifest
from manifest.placed import read_manifest
from manifest.registry import RegistryWriter
from manifest.trust.keyplan import KeyPlan
from manifest.trust.refusals import SignaturesMissing
from publisher.assemble import assemble
from publisher.candidates import (
    Candidate,
    Release,
    candidate_of,
    is_free,
    numbers_above,
    same_candidate,
    seal_candidate,
    waiting,
)
from publisher.channels import ChannelChange, set_channel
from publisher.commit import Commit, check_fits, commit, parent_build, planned_build, same_build
from publisher.diffs import write_diffs
from publisher.filecache import FileCache, unchanged_rows
from publisher.known import DEDUP_DEPTH, UNREADABLE, KnownChunks, load_known
from publisher.pipeline import Pipeline, Tally
from publisher.resume import PackJournal, learn_packs
from publisher.scan import Scan, scan
from publisher.sealed import Sealed, seal, write_sealed
from publisher.sessions import Session, SessionFile
from publisher.settings import DepotConfig
from publisher.settled import cut_of, depot_before, reference_of
from publisher.signing import reconcile
from publisher.source import SourceReader
from publisher.tags import tag_files
from publisher.world import World

Tagged: TypeAlias = tuple[list[tuple[str, ...]], "array[int]"]
"""The answer of `tag_files`."""

BYTES_A_WORKER = 8 * 1024 * 1024
"""So much of big files is worth a thread of its own."""


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What to publish and how."""

    root: Path
    game: str
    depot: DepotConfig
    release: Release
    state_folder: Path
    workers: int = 2
    if_changed: bool = False
    rescan: bool = False
    dry_run: bool = False
    candidate: bool = False
    """Stop when the build is sealed: it is signed elsewhere."""


@dataclass(frozen=True, slots=True)
class Published:
    """What came of it. The build is an earlier one, not `created` now, if the content was there already and no new
    build was wanted; `pointed` says whether the channel came to point to it, `live` whether it is more than a
    candidate. A candidate that was signed here has `signatures` of those that are `needed`. `founded` is a game that
    was made for it, with keys.
    """

    number: int
    version: str
    created: bool
    pointed: bool
    live: bool
    founded: bool
    signatures: int
    needed: int
    manifest: str
    files: int
    chunks: int
    source_bytes: int
    tally: Tally


def publish(request: PublishRequest, world: World) -> Published:
    """Publishes one depot of a game. Raises `KeysMissing` before anything is stored."""
    run = _Publish(request, world)
    sealed = run.seal(run.read())
    candidate = candidate_of(sealed.depot, sealed.ref, request.release, int(world.clock.now()))
    same = same_build(run.state, candidate, if_changed=request.if_changed)
    if same:
        return run.keep(sealed, same)
    if request.candidate and (number := run.waiting(candidate)):
        return run.told(sealed, planned_build(run.state, candidate, number), created=False, live=False)
    check_fits(world.registry, run.state, candidate, sealed.manifest)
    if request.dry_run:
        return run.told(sealed, run.planned(candidate), live=not request.candidate)
    return run.leave(sealed, candidate) if request.candidate else run.go_live(sealed, candidate)


class _Publish:
    """The state of one publish between its steps."""

    def __init__(self, request: PublishRequest, world: World) -> None:
        self.request = request
        self.world = world
        self.tally = Tally()
        folder = request.state_folder / world.registry.registry_id
        stem = f"{request.game}.{request.depot.name}"
        self._session = SessionFile(folder / f"{stem}.session")
        if not request.dry_run and not request.candidate:
            reconcile(world, request.game, self._session)
        self.state = _game(world.registry, request.game, make=not request.candidate)
        if self.state.version and not request.candidate:
            world.registry.require_keys(self.state)
        self.before = depot_before(self.state, parent_build(self.state, request.release), request.depot.name)
        self._like = reference_of(request.depot, self.before)
        self._cache_path = folder / f"{stem}.files"
        self._journal = PackJournal(folder / f"{stem}.packs")
        self._scanned: tuple[int, Scan] | None = None
        self._expected = 0
        self._founded = False

    def read(self) -> bytes:
        """The payload of the folder's manifest, after all its new chunks are stored."""
        request, world = self.request, self.world
        started_ns = int(world.clock.now() * 1e9)
        world.sink.emit(Phase("scan"))
        found = scan(request.root, request.depot)
        self._scanned = started_ns, found
        tagged = tag_files(found.paths, request.depot.tags)
        before = self._manifest_before()
        cut = cut_of(request.depot, before.cut if before else None)
        unchanged = self._unchanged(found, tagged, before)
        if (unchanged < 0).all():
            before = None
        rows = [row for row in np.flatnonzero(unchanged < 0).tolist() if found.kinds[row] == Kind.FILE]
        reader = SourceReader(rows, found.sizes, found.sources.__getitem__, cut)
        total = sum(found.sizes[row] for row in rows)
        world.sink.emit(Phase("chunk", total))
        self._expected = total // cut.average
        if rows:
            pipeline = Pipeline(
                reader=reader,
                known=self.known,
                put_pack=self._put_pack,
                nonce=world.random_bytes(NONCE_SIZE),
                cut=cut,
                sink=world.sink,
                cancel=world.cancel,
                total=total,
            )
            self.tally = pipeline.run(max(1, min(request.workers, len(rows) + total // BYTES_A_WORKER)))
        return encode_manifest(assemble(found, cut, tagged, reader.results, before, unchanged))

    def seal(self, payload: bytes) -> Sealed:
        """The manifest as a depot of a build. Not stored yet."""
        return seal(self.request.depot.name, payload, self._placement, self._is_placed, self._like)

    def _placement(self, ids: Column) -> Placement:
        known = self.known
        del self.known  # the largest thing that a publish holds, and not needed any more
        return known.into_placement(ids)

    def told(
        self,
        sealed: Sealed,
        build: Build,
        *,
        created: bool = True,
        pointed: bool = False,
        live: bool = True,
        signatures: tuple[int, int] = (0, 0),
    ) -> Published:
        """What came of the publish, for who asked for it."""
        return Published(
            number=build.number,
            version=build.version,
            created=created,
            pointed=pointed,
            live=live,
            founded=self._founded,
            signatures=signatures[0],
            needed=signatures[1],
            manifest=sealed.ref.manifest,
            files=sealed.ref.files,
            chunks=sealed.ref.chunks,
            source_bytes=sealed.ref.installed_size,
            tally=self.tally,
        )

    def waiting(self, candidate: Candidate) -> int | None:
        """The number under which the candidate was sealed before, if a new one is not wanted."""
        if not (self.request.if_changed or candidate.release.version):
            return None
        return same_candidate(self._sealed, candidate, if_changed=self.request.if_changed)

    def planned(self, candidate: Candidate) -> Build:
        """The build that would be made now."""
        state, taken = self.state, set(self.world.registry.candidates(self.state.game))
        number = next(n for n in numbers_above(state) if n not in taken and is_free(state, candidate.release, n))
        return planned_build(state, candidate, number)

    def keep(self, sealed: Sealed, build: Build) -> Published:
        """Writes what the store had lost of a build that is live already, and lets its channel point to it."""
        request, registry = self.request, self.world.registry
        if request.dry_run:
            return self.told(sealed, build, created=False)
        if sealed.placement is not None:
            write_sealed(registry, self.state.scope, sealed)
            write_diffs(registry, self.state, sealed, newest_only=False)
            self._store_notes()
        self._remember(sealed)
        return self.told(sealed, build, created=False, pointed=not request.candidate and self._point_to(build))

    def store(self, sealed: Sealed) -> None:
        """Stores the metadata of a build, in order; what is missing after a crash on any line is written again."""
        world = self.world
        world.sink.emit(Phase("commit"))
        write_sealed(world.registry, self.state.scope, sealed)
        write_diffs(world.registry, self.state, sealed, newest_only=True)
        self._store_notes()
        world.cancel.check()

    def leave(self, sealed: Sealed, candidate: Candidate) -> Published:
        """Seals the build for others to sign."""
        self.store(sealed)
        number = seal_candidate(self.world.registry, self.state, candidate)
        self._remember(sealed)
        return self.told(sealed, planned_build(self.state, candidate, number), live=False)

    def go_live(self, sealed: Sealed, candidate: Candidate) -> Published:
        """Stores the metadata, signs, and moves the game's timestamp, unless others have to sign first.

        The build is not new if another publish of the same content was faster.
        """
        registry, request = self.world.registry, self.request
        if not self.state.version:
            self.state = registry.create(request.game, self.state.scope, KeyPlan())
            self._founded = True
            if same := same_build(self.state, candidate, if_changed=request.if_changed):
                return self.keep(sealed, same)
        self.store(sealed)

        def signed(number: int, version: int) -> None:
            self._session.save(Session(number, version))

        work = Commit(candidate, sealed.manifest, if_changed=request.if_changed, signed=signed)
        try:
            self.state, build, created = commit(registry, self.state, work)
        except SignaturesMissing as missing:
            self._remember(sealed)
            build = planned_build(self.state, candidate, missing.data["build"])
            return self.told(sealed, build, live=False, signatures=(missing.data["signatures"], missing.data["needed"]))
        self._session.clear()
        self._remember(sealed)
        write_diffs(registry, self.state, sealed, newest_only=False)
        pointed = request.release.channel is not None if created else self._point_to(build)
        return self.told(sealed, build, created=created, pointed=pointed)

    def _point_to(self, build: Build) -> bool:
        """Moves the channel to a build that was live already; whether it had to move.

        It only moves forward: going back is a decision, and `channel set` takes it.
        """
        state, channel = self.state, self.request.release.channel
        if channel is None or (channel in state.channels and state.channels[channel].build >= build.number):
            return False
        self.state, pointed = set_channel(self.world.registry, state.game, channel, ChannelChange(build=build.number))
        return pointed

    @cached_property
    def known(self) -> KnownChunks:
        """What is in the store already; asked once, and only if a file was read."""
        registry = self.world.registry
        packs = registry.packs(self.state.scope)
        depot = self.request.depot.name
        # Only what is to be signed elsewhere relies on what nobody signed yet.
        sealed = [other.ref for _, other in self._sealed if other.depot == depot] if self.request.candidate else []
        known = load_known(registry, self.state, depot, packs, self._expected, sealed[-DEDUP_DEPTH:])
        learn_packs(registry, self.state.scope, self._journal, packs, known)
        return known

    @cached_property
    def _sealed(self) -> list[tuple[int, Candidate]]:
        """The candidates that wait."""
        return list(waiting(self.world.registry, self.state, NullSink()))

    def _manifest_before(self) -> Manifest | None:
        """What the depot was before, if it was and the store can still tell."""
        if self.before is None:
            return None
        try:
            return read_manifest(self.world.registry, self.state.scope, self.before)
        except (Corrupt, NotFound) as error:
            self.world.sink.emit(WarningEvent(error.code, error.message, error.where, "Every file is read again."))
            return None

    def _unchanged(self, found: Scan, tagged: Tagged, before: Manifest | None) -> Column:
        """The row of the manifest before that each file still is, or -1: by the file cache, and only if the store holds
        all its chunks. Nobody is asked for them when nothing changed at all."""
        nothing = np.full(len(found.paths), -1, dtype=np.int64)
        cache = None if self.request.rescan or before is None else FileCache.load(self._cache_path)
        if before is None or self.before is None or cache is None or cache.manifest.hex() != self.before.manifest:
            return nothing
        rows = np.array(unchanged_rows(found, cache), dtype=np.int64)
        same_files = np.array_equal(rows, np.arange(len(before.paths)))
        if same_files and list(before.tags) == tagged[0] and before.tag_sets.tolist() == tagged[1].tolist():
            return rows
        lost = np.zeros(len(before.paths), dtype=bool)
        lost[before.chunk_files()[~self.known.holds(before.chunk_ids)]] = True
        rows[(rows >= 0) & lost[rows]] = -1
        return rows

    def _is_placed(self, manifest: str) -> bool:
        """Whether a live build has this manifest, and its head can be read."""
        live = (ref.manifest for build in self.state.builds.values() for ref in build.depots.values())
        if self.request.rescan or manifest not in live:
            return False
        try:
            self.world.registry.head(self.state.scope, manifest)
        except UNREADABLE:
            return False
        return True

    def _store_notes(self) -> None:
        """Notes that are too long for the build's document lie beside it."""
        notes = self.request.release.notes
        if len(notes.encode()) > MAX_INLINE_NOTES:
            self.world.registry.put_notes(self.state.scope, notes)

    def _remember(self, sealed: Sealed) -> None:
        """What saves the next publish its time."""
        self._journal.clear()
        if self._scanned is not None:
            started_ns, found = self._scanned
            FileCache.of(bytes.fromhex(sealed.ref.manifest), started_ns, found).save(self._cache_path)

    def _put_pack(self, pack: str, data: Buffer) -> None:
        self.world.registry.put_pack(self.state.scope, pack, data)
        if not self.request.dry_run:  # what a dry run stores is not there
            self._journal.add(pack)


def _game(registry: RegistryWriter, game: str, *, make: bool) -> GameState:
    """The game's state; one that does not exist yet, and may be made, begins empty with a scope of its own name."""
    try:
        return registry.whole(game)
    except GameMissing as error:
        if make:
            return GameState(game=game, scope=game)
        error.next = "Make it where its keys are to be, with `lading game create`."
        raise
