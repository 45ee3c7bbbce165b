"""One run along the road: resolve, inventory, plan, fetch, stage, swap.

The price is known before the first byte of content is fetched; until the swap begins the tree is the old build, after
it only the new one.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import asdict, replace

import numpy as np

from chunkstore.errors import Corrupt, NotFound
from chunkstore.placements import no_placement
from chunkstore.store import DiskFull
from client.apply import begin_swap, end_swap, finish_swap, swap_of
from client.disk import sync_files
from client.engine import Aim, Engine, Receipt, Settled
from client.installed import Installed, installed_depots, tree_of
from client.inventory import note_stat, take_inventory
from client.obstacles import clear_ground
from client.record import FileStats, InstallFolder, Record, stamp_of
from client.resolve import (
    DepotContent,
    Wish,
    choose_build,
    choose_depots,
    place_depot,
    read_depot,
    unite_placements,
    update_depot,
)
from client.staging import Staging
from client.tally import Tally
from client.transfer import Transfer, transfer
from client.work import run_aside
from delta.plan import Plan, make_plan, refetch
from manifest.events import Phase
from manifest.kinds import Kind
from manifest.payload import decode_manifest
from manifest.trust.refusals import OtherRegistry
from manifest.union import unite

_SPARE = 16 * 1024 * 1024
"""Bytes that must stay free beside what the plan needs: records, manifests, other programs."""


class Journey:
    """One run along the road; the folder is locked and no swap is pending.

    `before` is what the folder remembers, `wish` the same with what is asked for now.
    """

    def __init__(self, folder: InstallFolder, before: Record, wish: Record, aim: Aim, engine: Engine) -> None:
        self.folder = folder
        self.before = before
        self.wish = replace(wish, source=engine.registry.url)
        self.aim = aim
        self.engine = engine

    def go(self) -> Settled:
        """Plans, and unless it is a dry run carries the plan out."""
        controls = self.engine.controls
        plan, stats = run_aside(self._prepare, cancel=controls.cancel, brake=controls.brake)
        settled = Settled(
            game=self.state.game,
            before=self.before.build or None,
            build=self.build,
            changed=not plan.empty or self.before.build != self.build.number,
            files_changed=plan.files_changed,
            reused_bytes=plan.price.reused_bytes,
            planned=self._planned(plan),
            actual=None,
        )
        if self.aim.dry_run:
            return settled
        self._check_space(plan)
        if not self.before.build:
            self.folder.save(self.wish)  # so that a first install that is interrupted is known for one
        for content in self.contents:
            self.folder.keep_manifest(content.ref.manifest, content.payload)
        peak = 0 if plan.empty else self._stage(plan)
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

    def _prepare(self) -> tuple[Plan, FileStats]:
        """Finds out what is wanted and what is here. Changes nothing."""
        self.engine.sink.emit(Phase("resolve"))
        registry = self.engine.registry
        self.state = registry.game(self.wish.game)
        if self.before.build and self.before.registry != self.state.registry:
            raise OtherRegistry("the game was installed from another registry", where=registry.url)
        root = str(registry.pin(self.wish.game))
        wish = self.wish = replace(self.wish, registry=self.state.registry, root=root)
        self.build = choose_build(registry, self.state, self._build_wish(), wish.install_id, self._on_channel())
        self.depots = choose_depots(self.build, wish.depots)
        self.installed = self._installed()
        self.contents = [self._content(name) for name in self.depots]
        self.union = unite([content.manifest for content in self.contents], frozenset(wish.tags))
        self.staging = Staging(self.folder.staging, self.union.manifest)
        return self._plan()

    def _build_wish(self) -> Wish:
        if self.aim.present_build and self.before.build:
            return Wish(self.before.channel, build=self.before.build)
        return replace(self.aim.wish, channel=self.wish.channel)

    def _on_channel(self) -> int:
        """The build that the channel is known to have had here, by what is installed."""
        return self.before.build if self.wish.channel == self.before.channel else 0

    def _installed(self) -> dict[str, Installed]:
        """The installed depots. A manifest that is lost here is fetched again, if the registry still has it."""
        depots = installed_depots(self.folder, self.before)
        for depot, name in self.before.manifests.items():
            if depot in depots:
                continue
            with suppress(Corrupt, NotFound):
                ref = self.engine.registry.build(self.state, self.before.build).depots.get(depot)
                if ref is not None and ref.manifest == name:
                    payload = self.engine.registry.manifest(self.state.scope, name, ref.payload_size)
                    depots[depot] = Installed(name, decode_manifest(payload), payload)
        return dict(sorted(depots.items()))

    def _content(self, depot: str) -> DepotContent:
        """A depot of the wanted build, come by as cheaply as what is installed allows."""
        self.engine.controls.cancel.check()
        ref, registry, scope = self.build.depots[depot], self.engine.registry, self.state.scope
        have = self.installed.get(depot)
        if have is None:
            kept = self.folder.manifest_payload(ref.manifest)
            if kept is None:
                return read_depot(registry, scope, ref)
            return place_depot(registry, scope, ref, decode_manifest(kept), kept)
        if have.name == ref.manifest:
            return DepotContent(ref, have.manifest, have.payload, np.empty(0, dtype=np.int64), no_placement())
        name = bytes.fromhex(have.name)
        by_diff = update_depot(registry, scope, ref, have.manifest, name, self.before.build)
        return by_diff or read_depot(registry, scope, ref)

    def _plan(self) -> tuple[Plan, FileStats]:
        """The plan. If damage makes chunks needed that a diff does not place, whole placements are fetched."""
        self.engine.controls.cancel.check()
        self.engine.sink.emit(Phase("check"))
        wanted = self.union.manifest
        inventory, stats = take_inventory(
            self.folder,
            tree_of(self.installed.values(), self.before),
            stamp_of(self.before.manifests, self.before.tags),
            wanted,
            self.staging,
            self.engine.controls,
            full=self.aim.full,
            progress=Tally(self.engine.sink).add,
        )
        self.old_tree = inventory.manifest
        plan = make_plan(wanted, inventory, *unite_placements(self.union, self.contents))
        self._obstacles(plan)
        if plan.unplaced:
            self._place_all()
            plan = make_plan(wanted, inventory, *unite_placements(self.union, self.contents))
        return plan, stats

    def _obstacles(self, plan: Plan) -> list[tuple[str, bool]]:
        return clear_ground(os.fspath(self.folder.root), plan, self.old_tree, replace=self.aim.replace)

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

    def _stage(self, plan: Plan) -> int:
        """Makes every new file aside; the bytes that this took on the disk."""
        engine, total = self.engine, plan.price.written_bytes
        engine.sink.emit(Phase("fetch", total))
        root, tally = os.fspath(self.folder.root), Tally(engine.sink, total)
        job = Transfer(engine.registry, self.state.scope, root, self.staging, engine.controls, tally.add)
        try:
            begun = self.staging.prepare(plan.build.tolist(), plan.staged)
            lost = transfer(plan, job)
            if len(lost):
                run_aside(self._place_all, cancel=engine.controls.cancel, brake=engine.controls.brake)
                transfer(refetch(plan, lost, *unite_placements(self.union, self.contents)), job)
        finally:
            self.staging.close()
        if self.staging.incomplete([*plan.build.tolist(), *plan.moves]):
            raise RuntimeError("the plan did not cover every byte of the files it builds")
        return self.staging.disk_bytes() - begun

    def _swap(self, plan: Plan, stats: FileStats) -> None:
        """From the old tree to the new one, and what is remembered of it."""
        controls, after = self.engine.controls, self._record_after()
        if not plan.empty:
            self.engine.sink.emit(Phase("apply"))
            run_aside(lambda: sync_files(self.folder.staging), cancel=controls.cancel, brake=controls.brake)
            swap = swap_of(plan, self.staging, self._obstacles(plan), asdict(after))
            controls.cancel.check()
            begin_swap(self.folder, swap)
            finish_swap(self.folder, swap)
        self._note_stats(plan, stats)
        self.folder.save_file_stats(stats, stamp_of(after.manifests, after.tags))
        if after != self.before:
            self.folder.save(after)
        end_swap(self.folder)
        self.folder.forget_manifests(set(after.manifests.values()))

    def _note_stats(self, plan: Plan, stats: FileStats) -> None:
        """Enters the stats of what was put in place; what somebody took away since stays unknown."""
        links = [row for row in plan.entries if plan.wanted.kinds[row] == Kind.LINK]
        for row in [*plan.build.tolist(), *plan.moves, *plan.modes, *links]:
            with suppress(FileNotFoundError, NotADirectoryError):
                note_stat(stats, row, os.lstat(self.folder.root / plan.wanted.paths[row]))

    def _record_after(self) -> Record:
        wish, build = self.wish, self.build
        return replace(
            wish,
            build=build.number,
            version=build.version,
            scope=self.state.scope,
            manifests={name: build.depots[name].manifest for name in self.depots},
            previous=wish.build if build.number != wish.build else wish.previous,
        )
