"""One publish from end to end: scan, read what changed, store what is new, make the build live.

Everything that another publish could do at the same time is settled by the registry: packs and payloads are named by their
content, and the game's pointer moves by compare-and-set. A run that dies leaves the old build live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from chunkstore.cancel import Cancel
from chunkstore.clock import Clock
from chunkstore.columns import Column
from chunkstore.cutting import DEFAULT, CutParameters, parameters_for
from chunkstore.errors import Refused
from chunkstore.packs import NONCE_SIZE
from chunkstore.store import Buffer
from manifest.documents import Build, DepotRef, GameMissing, GameState
from manifest.events import EventSink, Phase
from manifest.model import Manifest
from manifest.payload import decode_manifest
from manifest.registry import RegistryWriter
from publisher.assemble import assemble
from publisher.commit import Release, Sealed, commit, parent_build, plan_build, seal, write_diffs, write_sealed
from publisher.filecache import FileCache, unchanged_rows
from publisher.known import KnownChunks, load_known
from publisher.pipeline import Pipeline, Tally
from publisher.resume import PackJournal, learn_packs
from publisher.scan import Scan, scan
from publisher.settings import DepotConfig
from publisher.source import SourceReader


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What to publish and how. `average` is the depot's chunk size in bytes, None for what it has or the default."""

    root: Path
    game: str
    depot: DepotConfig
    release: Release
    state_folder: Path
    workers: int = 2
    average: int | None = None
    if_changed: bool = False
    rescan: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """What came of it. `build` is an earlier one if the content was there already and no new build was wanted."""

    build: Build
    created: bool
    manifest: str
    files: int
    chunks: int
    source_bytes: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class World:
    """What a publish takes from outside: the registry, time, random bytes, its audience and its brake."""

    registry: RegistryWriter
    clock: Clock
    random_bytes: Callable[[int], bytes]
    sink: EventSink
    cancel: Cancel


def publish(request: PublishRequest, world: World) -> Published:
    """Publishes one depot of a game."""
    run = _Publish(request, world)
    manifest = run.read()
    sealed = run.seal(manifest)
    tally = run.tally
    same = run.same_build(sealed)
    if same is not None:
        build, created = same, False
    elif request.dry_run:
        number = max(run.state.builds, default=0) + 1
        _, build = plan_build(world.registry, run.state, sealed, request.release, number, int(world.clock.now()))
        created = True
    else:
        build, created = run.go_live(sealed), True
    size = manifest.installed_size
    return Published(build, created, sealed.ref.manifest, len(manifest.paths), len(manifest.chunk_ids), size, tally)


class _Publish:
    """The state of one publish between its steps."""

    def __init__(self, request: PublishRequest, world: World) -> None:
        self.request = request
        self.world = world
        self.tally = Tally()
        self.state = _game(world.registry, request.game)
        parent = parent_build(self.state, request.release.channel)
        self.before = parent.depots.get(request.depot.name) if parent else None
        folder = request.state_folder / world.registry.registry_id
        if not request.dry_run:
            folder.mkdir(parents=True, exist_ok=True)
        stem = f"{request.game}.{request.depot.name}"
        self._cache_path = folder / f"{stem}.files"
        self._journal = PackJournal(folder / f"{stem}.packs")

    def read(self) -> Manifest:
        """The manifest of the folder, after all its new chunks are stored."""
        request, world = self.request, self.world
        self._started_ns = int(world.clock.now() * 1e9)
        world.sink.emit(Phase("scan"))
        found = scan(request.root, request.depot)
        before, unchanged = self._unchanged(found)
        cut = self._cut(before)
        rows = [row for row in np.flatnonzero(unchanged < 0).tolist() if found.kinds[row] == 0]
        reader = SourceReader(rows, found.sizes, found.sources.__getitem__, cut)
        total = sum(found.sizes[row] for row in rows)
        world.sink.emit(Phase("chunk", total))
        pipeline = Pipeline(
            reader=reader,
            known=self.known if rows else KnownChunks(),
            put_pack=self._put_pack,
            nonce=world.random_bytes(NONCE_SIZE),
            cut=cut,
            sink=world.sink,
            cancel=world.cancel,
            total=total,
        )
        if rows:
            self.tally = pipeline.run(max(1, min(request.workers, len(rows) + total // (8 << 20))))
        manifest = assemble(found, cut, request.depot.tags, reader.results, before, unchanged)
        self._found = found
        return manifest

    def seal(self, manifest: Manifest) -> Sealed:
        """The manifest as a depot of a build. Not stored yet."""
        live = {ref.manifest for build in self.state.builds.values() for ref in build.depots.values()}
        known = set() if self.request.rescan else live
        return seal(self.request.depot.name, manifest, lambda: self.known.placement_of(manifest.chunk_ids), known, self._like())

    def same_build(self, sealed: Sealed) -> Build | None:
        """The build that has this content already, if a new one is not wanted."""
        release = self.request.release
        parent = parent_build(self.state, release.channel)
        if parent is None or parent.depots.get(sealed.depot) != sealed.ref:
            return None
        return parent if self.request.if_changed or release.version == parent.version else None

    def go_live(self, sealed: Sealed) -> Build:
        """Stores the metadata in order and moves the game's pointer."""
        world, registry = self.world, self.world.registry
        world.sink.emit(Phase("commit"))
        write_sealed(registry, self.state, sealed)
        write_diffs(registry, self.state, sealed, newest_only=True)
        world.cancel.check()
        self.state, build = commit(registry, self.state, sealed, self.request.release, int(world.clock.now()))
        self._journal.clear()
        FileCache.of(bytes.fromhex(sealed.ref.manifest), self._started_ns, self._found).save(self._cache_path)
        write_diffs(registry, self.state, sealed, newest_only=False)
        return build

    @cached_property
    def known(self) -> KnownChunks:
        """What is in the store already; asked once, and only if a file was read."""
        registry = self.world.registry
        packs = registry.packs(self.state.scope)
        known = load_known(registry, self.state, self.request.depot.name, packs)
        learn_packs(registry, self.state.scope, self._journal, packs, known)
        return known

    def _unchanged(self, found: Scan) -> tuple[Manifest | None, Column]:
        """The manifest before, and which of its rows each file still is, by the file cache."""
        nothing = np.full(len(found.paths), -1, dtype=np.int64)
        if self.before is None:
            return None, nothing
        size = self.before.payload_size
        before = decode_manifest(self.world.registry.manifest(self.state.scope, self.before.manifest, size))
        cache = None if self.request.rescan else FileCache.load(self._cache_path)
        if cache is None or cache.manifest.hex() != self.before.manifest:
            return before, nothing
        return before, np.asarray(unchanged_rows(found, cache), dtype=np.int64)

    def _cut(self, before: Manifest | None) -> CutParameters:
        """The depot's cutter parameters, which its first publish settled. Raises `CutterFixed`."""
        wanted = self.request.average
        if before is None:
            return parameters_for(wanted) if wanted else DEFAULT
        if wanted and wanted != before.cut.average:
            raise CutterFixed(
                f"depot {self.request.depot.name} is cut at an average of {before.cut.average} bytes, not {wanted}",
                where=self.request.game,
            )
        return before.cut

    def _like(self) -> DepotRef:
        """The fields of the depot's reference that do not come from the manifest. Raises `PlatformFixed`."""
        depot = self.request.depot
        if self.before is None:
            platform = depot.platform or "any"
            return DepotRef("", 0, 0, 0, 0, platform, depot.language, depot.optional)
        if depot.platform not in (None, self.before.platform):
            raise PlatformFixed(
                f"depot {depot.name} is for the platform {self.before.platform}, not {depot.platform}",
                where=self.request.game,
            )
        return replace(self.before, language=depot.language, optional=depot.optional)

    def _put_pack(self, pack: str, data: Buffer) -> None:
        self.world.registry.put_pack(self.state.scope, pack, data)
        if not self.request.dry_run:
            self._journal.add(pack)


def _game(registry: RegistryWriter, game: str) -> GameState:
    """The game's state; a game that does not exist yet begins empty, with a scope of its own name."""
    try:
        return registry.game(game)
    except GameMissing:
        return GameState(game=game, scope=game)


class CutterFixed(Refused):
    """Chunk sizes never change silently within a depot: nothing would deduplicate across the change."""

    code = "cutter-fixed"
    default_cause = "The first publish of a depot settles its chunk size."
    default_next = "Leave the chunk size out, or publish to a new depot."


class PlatformFixed(Refused):
    """A depot's platform is settled by its first publish."""

    code = "platform-fixed"
    default_cause = "The first publish of a depot settles its platform."
    default_next = "Leave --platform out, or publish to a new depot."
