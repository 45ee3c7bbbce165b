"""The one road of install, update and repair: resolve, inventory, plan, fetch, stage, swap.

What differs is only where it starts: from nothing, from an older build, from a damaged one. The price is known before
the first byte of content is fetched; until the swap begins the tree is the old build, after it only the new one.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from chunkstore.errors import Refused
from chunkstore.placements import no_placement
from chunkstore.store import DiskFull
from client.apply import begin_swap, end_swap, finish_swap, pending_swap, swap_of
from client.checking import Controls
from client.inventory import note_stat, take_inventory
from client.record import FileStats, InstallFolder, NotInstalled, Record, record_from_json, stamp_of
from client.resolve import (
    DepotContent,
    Known,
    Wish,
    choose_build,
    choose_depots,
    place_depot,
    read_depot,
    unite_placements,
    update_depot,
)
from client.staging import Staging
from client.transfer import Transfer, transfer
from delta.plan import Plan, make_plan, refetch
from manifest.documents import Build
from manifest.events import EventSink, Phase, Progress
from manifest.model import Manifest
from manifest.payload import decode_manifest
from manifest.registry import RegistryReader
from manifest.union import unite

_SPARE = 16 * 1024 * 1024
"""Bytes that must stay free beside what the plan needs: records, manifests, other programs."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was received so far, in bytes and requests; `download` counts packs and patches, `metadata` all else."""

    download_bytes: int = 0
    metadata_bytes: int = 0
    requests: int = 0
    retried_bytes: int = 0
    retried_requests: int = 0


@dataclass(frozen=True, slots=True)
class Engine:
    """What the road takes from outside. `usage` tells what the registry's store has received."""

    registry: RegistryReader
    controls: Controls
    sink: EventSink
    usage: Callable[[], Usage]
    random_bytes: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Aim:
    """What the tree is to become. `depots` and `tags` are those of the first install; empty means the fitting ones."""

    folder: Path
    wish: Wish
    game: str = ""
    depots: Sequence[str] = ()
    tags: Sequence[str] = ()
    replace: bool = False
    full: bool = False
    dry_run: bool = False
    present_build: bool = False
    """Stay at the build that is installed, as repair does."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The numbers of a plan, or what they came to; bytes and requests."""

    download_bytes: int
    metadata_bytes: int
    written_bytes: int
    peak_extra_disk_bytes: int
    final_size_bytes: int
    requests: int


@dataclass(frozen=True, slots=True)
class Settled:
    """How it ended. `before` is the build number before, None if nothing was installed; `actual` None in a dry run."""

    game: str
    before: int | None
    build: Build
    changed: bool
    files_changed: int
    reused_bytes: int
    planned: Receipt
    actual: Receipt | None
    retried_bytes: int = 0
    retried_requests: int = 0


def install(aim: Aim, engine: Engine) -> Settled:
    """Installs a game into a folder, or brings what is there to the wanted build. Raises `OtherGame`."""
    folder = InstallFolder(aim.folder)
    with folder.locked(create=not aim.dry_run):
        _finish_or_refuse(folder, aim)
        try:
            record = folder.load()
        except NotInstalled:
            record = _new_record(aim, engine)
        if record.game != aim.game:
            raise OtherGame(f"{record.game} is installed here, not {aim.game}", where=str(aim.folder))
        depots = tuple(aim.depots) or record.depots
        record = replace(record, depots=depots, tags=tuple(aim.tags) or record.tags, channel=aim.wish.channel)
        return _Journey(folder, record, aim, engine).go()


def update(aim: Aim, engine: Engine) -> Settled:
    """Brings an installed folder to the wanted build, or mends it with `present_build`. Raises `NotInstalled`."""
    folder = InstallFolder(aim.folder)
    folder.load()
    with folder.locked():
        _finish_or_refuse(folder, aim)
        record = folder.load()
        return _Journey(folder, replace(record, channel=aim.wish.channel or record.channel), aim, engine).go()


def _finish_or_refuse(folder: InstallFolder, aim: Aim) -> None:
    if not aim.dry_run:
        finish_pending(folder)
    elif pending_swap(folder) is not None:
        raise SwapPending("an interrupted run is not finished yet", where=str(folder.root))


def finish_pending(folder: InstallFolder) -> bool:
    """Ends the swap that an interrupted run had begun. Whether there was one."""
    swap = pending_swap(folder)
    if swap is None:
        return False
    finish_swap(folder, swap)
    folder.save(record_from_json(swap.record, str(folder.root)))
    end_swap(folder)
    return True


def installed_tree(folder: InstallFolder, record: Record) -> Manifest | None:
    """What the record says is installed, by the payloads kept in the folder; None if one of them is lost."""
    payloads = [folder.manifest_payload(record.manifests[name]) for name in sorted(record.manifests)]
    if any(payload is None for payload in payloads):
        return None
    return unite([decode_manifest(payload) for payload in payloads if payload], frozenset(record.tags)).manifest


class _Journey:
    """One run along the road; the folder is locked and no swap is pending."""

    def __init__(self, folder: InstallFolder, record: Record, aim: Aim, engine: Engine) -> None:
        registry = engine.registry
        if record.registry != registry.registry_id:
            raise OtherRegistry("the game was installed from another registry", where=registry.url)
        self.folder = folder
        self.record = record = replace(record, source=registry.url)
        self.aim = aim
        self.engine = engine
        engine.sink.emit(Phase("resolve"))
        self.state = engine.registry.game(record.game)
        self.build = choose_build(self.state, self._wish(), record.install_id)
        self.depots = choose_depots(self.build, record.depots)
        self.contents = [self._content(name) for name in self.depots]
        self.union = unite([content.manifest for content in self.contents], frozenset(record.tags))
        self.staging = Staging(folder.staging, self.union.manifest)

    def go(self) -> Settled:
        """Plans, and unless it is a dry run carries the plan out."""
        plan, stats = self._plan()
        settled = Settled(
            game=self.state.game,
            before=self.record.build or None,
            build=self.build,
            changed=not plan.empty or self.record.build != self.build.number,
            files_changed=plan.files_changed,
            reused_bytes=plan.price.reused_bytes,
            planned=self._planned(plan),
            actual=None,
        )
        if self.aim.dry_run:
            return settled
        self._check_space(plan)
        self.folder.save(self.record)
        for content in self.contents:
            self.folder.keep_manifest(content.ref.manifest, content.payload)
        begun = self.staging.disk_bytes()
        self._stage(plan)
        peak = self.staging.disk_bytes() - begun
        self._swap(plan, stats)
        usage = self.engine.usage()
        actual = Receipt(
            download_bytes=usage.download_bytes,
            metadata_bytes=usage.metadata_bytes,
            written_bytes=self.staging.written,
            peak_extra_disk_bytes=peak,
            final_size_bytes=int(stats.sizes.sum()),
            requests=usage.requests,
        )
        return replace(
            settled, actual=actual, retried_bytes=usage.retried_bytes, retried_requests=usage.retried_requests
        )

    def _wish(self) -> Wish:
        if self.aim.present_build and self.record.build:
            return Wish(self.record.channel, build=self.record.build)
        return replace(self.aim.wish, channel=self.aim.wish.channel or self.record.channel)

    def _content(self, name: str) -> DepotContent:
        """A depot of the wanted build, come by as cheaply as what is installed allows."""
        ref, registry, scope = self.build.depots[name], self.engine.registry, self.state.scope
        installed = self.record.manifests.get(name)
        payload = self.folder.manifest_payload(installed) if installed else None
        if installed is None or payload is None:
            kept = self.folder.manifest_payload(ref.manifest)
            if kept is None:
                return read_depot(registry, scope, ref)
            return place_depot(registry, scope, ref, decode_manifest(kept), kept)
        old = decode_manifest(payload)
        if installed == ref.manifest:
            return DepotContent(ref, old, payload, np.empty(0, dtype=np.int64), no_placement())
        known = Known.of(self.state, name)
        return update_depot(registry, scope, ref, old, bytes.fromhex(installed), known) or read_depot(
            registry, scope, ref
        )

    def _plan(self) -> tuple[Plan, FileStats]:
        """The plan. If damage makes chunks needed that a diff does not place, whole placements are fetched."""
        self.engine.sink.emit(Phase("check"))
        record, wanted = self.record, self.union.manifest
        inventory, stats = take_inventory(
            self.folder,
            installed_tree(self.folder, record) or unite([]).manifest,
            stamp_of(record.manifests, record.tags),
            wanted,
            self.staging,
            self.engine.controls,
            full=self.aim.full,
            replace=self.aim.replace,
        )
        plan = make_plan(wanted, inventory, *unite_placements(self.union, self.contents))
        if plan.unplaced:
            self._place_all()
            plan = make_plan(wanted, inventory, *unite_placements(self.union, self.contents))
        return plan, stats

    def _place_all(self) -> None:
        """Fetches the whole placement of every depot that came by a diff."""
        registry, scope = self.engine.registry, self.state.scope
        self.contents = [
            content
            if len(content.placed) == len(content.manifest.chunk_ids)
            else place_depot(registry, scope, content.ref, content.manifest, content.payload)
            for content in self.contents
        ]

    def _planned(self, plan: Plan) -> Receipt:
        usage, price = self.engine.usage(), plan.price
        return Receipt(
            download_bytes=price.download_bytes,
            metadata_bytes=usage.metadata_bytes,
            written_bytes=price.written_bytes,
            peak_extra_disk_bytes=price.peak_extra_disk_bytes,
            final_size_bytes=price.final_size_bytes,
            requests=usage.requests + price.requests,
        )

    def _check_space(self, plan: Plan) -> None:
        free = shutil.disk_usage(self.folder.own).free
        needed = plan.price.peak_extra_disk_bytes + _SPARE
        if plan.price.peak_extra_disk_bytes and free < needed:
            raise DiskFull(
                f"{needed - free} bytes are missing: {needed} are needed beside the installed game, {free} are free",
                where=str(self.folder.root),
                data={"needed_bytes": needed, "free_bytes": free},
            )

    def _stage(self, plan: Plan) -> None:
        """Makes every new file aside."""
        self.engine.sink.emit(Phase("fetch", plan.price.written_bytes))
        tally = _Tally(self.engine.sink, plan.price.written_bytes)
        root = os.fspath(self.folder.root)
        engine = self.engine
        job = Transfer(engine.registry, self.state.scope, root, self.staging, engine.controls, tally.add)
        try:
            self.staging.prepare(plan.build.tolist(), plan.staged)
            lost = transfer(plan, job)
            if len(lost):
                self._place_all()
                transfer(refetch(plan, lost, *unite_placements(self.union, self.contents)), job)
        finally:
            self.staging.close()
        if self.staging.incomplete(plan.build.tolist()):
            raise RuntimeError("the plan did not cover every byte of the files it builds")

    def _swap(self, plan: Plan, stats: FileStats) -> None:
        """From the old tree to the new one, and what is remembered of it."""
        self.engine.controls.cancel.check()
        self.engine.sink.emit(Phase("apply"))
        after = self._record_after()
        if not plan.empty:
            swap = swap_of(plan, self.staging, asdict(after))
            begin_swap(self.folder, swap)
            finish_swap(self.folder, swap)
        for row in [*plan.build.tolist(), *plan.moves, *plan.modes]:
            note_stat(stats, row, os.lstat(self.folder.root / plan.wanted.paths[row]))
        self.folder.save_file_stats(stats, stamp_of(after.manifests, after.tags))
        self.folder.save(after)
        end_swap(self.folder)
        self.folder.forget_manifests(set(after.manifests.values()))

    def _record_after(self) -> Record:
        record, build = self.record, self.build
        return replace(
            record,
            build=build.number,
            version=build.version,
            scope=self.state.scope,
            manifests={name: build.depots[name].manifest for name in self.depots},
            previous=record.build if build.number != record.build else record.previous,
        )


class _Tally:
    """Counts staged bytes for the audience; told from many threads."""

    def __init__(self, sink: EventSink, total: int) -> None:
        self._sink = sink
        self._total = total
        self._done = 0
        self._saved = 0
        self._lock = threading.Lock()

    def add(self, done: int, saved: int) -> None:
        """So many bytes more are staged, so many of them from this disk."""
        with self._lock:
            self._done += done
            self._saved += saved
            progress = Progress(self._done, self._total, self._saved)
        self._sink.emit(progress)


def _new_record(aim: Aim, engine: Engine) -> Record:
    return Record(
        source=engine.registry.url,
        registry=engine.registry.registry_id,
        game=aim.game,
        scope="",
        channel=aim.wish.channel,
        install_id=engine.random_bytes(16).hex(),
    )


class OtherRegistry(Refused):
    """The folder was installed from another registry."""

    code = "other-registry"
    default_cause = "Build numbers and games of two registries have nothing to do with each other."
    default_next = "Name the store that the game was installed from, or a copy of it."


class OtherGame(Refused):
    """The folder belongs to another game."""

    code = "other-game"
    default_cause = "Each folder holds one game."
    default_next = "Choose another --into folder, or uninstall the game that is there."


class SwapPending(Refused):
    """An interrupted run must be finished before anything can be planned."""

    code = "swap-pending"
    default_cause = "A run was stopped while it put files in place."
    default_next = "Run the command without --dry-run: it finishes that first."
