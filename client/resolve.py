"""From a wish ("channel beta", "version 1.2") to the manifests of a build: whole, or by diffs from what is here.

A manifest is asked for by the id that the build document names; however it is come by, it must hash to that id.
"""

from __future__ import annotations

import platform as host
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from blake3 import blake3

from chunkstore.columns import Column, NewerFormat
from chunkstore.errors import Corrupt, NotFound, Refused
from chunkstore.placements import Placement, join, no_placement
from delta.diff import Rows, apply_diff
from manifest.documents import (
    FULL_ROLLOUT,
    BadDocument,
    Build,
    BuildMissing,
    Channel,
    DepotMissing,
    DepotRef,
    GameState,
    found_at,
)
from manifest.heads import DiffRef, Head
from manifest.model import Manifest
from manifest.payload import decode_manifest
from manifest.placed import read_placement
from manifest.registry import RegistryReader
from manifest.trust.reading import RollbackRefused
from manifest.union import Union

MAX_HOPS = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for: a build number or a version for this once, else where the channel points."""

    channel: str
    version: str | None = None
    build: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DepotContent:
    """One depot's manifest with its payload, and the placement of the chunks `placed` (rows, ascending)."""

    ref: DepotRef
    manifest: Manifest
    payload: bytes
    placed: Column
    placement: Placement


def choose_build(registry: RegistryReader, state: GameState, wish: Wish, install_id: str, installed: int) -> Build:
    """The build that the wish means for this installation, of whose channel `installed` is the build that is here.

    The channel counts as seen whatever is wished for. Raises `BuildMissing`, `ChannelMissing`, `RollbackRefused`,
    `BuildWithdrawn`.
    """
    follows = wish.build is None and wish.version is None
    pointed = 0
    if follows or wish.channel in state.channels:
        try:
            pointed = _pointed(registry, state, wish.channel, install_id, installed if follows else 0)
        except (Corrupt, BuildMissing):
            if follows:
                raise
    build = _named(registry, state, wish, pointed)
    if build.withdrawn:
        raise BuildWithdrawn(f"build #{build.number} of {state.game} was withdrawn", where=state.game)
    return build


def _pointed(registry: RegistryReader, state: GameState, name: str, install_id: str, installed: int) -> int:
    """Where a channel leads this installation. Who has seen the build that is rolled out, in another one, is not sent
    back by a lot."""
    channel = state.channel(name)
    number = rolled_out(channel, install_id)
    try:
        registry.admit(state, name, number, installed)
    except RollbackRefused:
        if number == channel.build:
            raise
        number = channel.build
        registry.admit(state, name, number, installed)
    return number


def _named(registry: RegistryReader, state: GameState, wish: Wish, pointed: int) -> Build:
    if wish.version is None:
        return registry.build(state, pointed if wish.build is None else wish.build)
    try:
        return state.select(wish.version)
    except BuildMissing:
        return registry.whole(state.game).select(wish.version)


def rolled_out(channel: Channel, install_id: str) -> int:
    """Where a channel points for this installation: outside the rollout it is the build before.

    Nobody is left below the channel's minimum.
    """
    if channel.rollout >= FULL_ROLLOUT or not channel.previous or channel.previous < channel.minimum:
        return channel.build
    seed = bytes.fromhex(install_id) + channel.build.to_bytes(8, "little")
    bucket = int.from_bytes(blake3(seed).digest()[:8], "little") % FULL_ROLLOUT
    return channel.build if bucket < channel.rollout else channel.previous


def choose_depots(build: Build, asked: Sequence[str], system: str | None = None) -> list[str]:
    """The depots to install: those asked for, else every one that is not optional and fits this system, sorted."""
    for name in asked:
        if name not in build.depots:
            raise DepotMissing(f"build #{build.number} has no depot {name}", data={"depots": sorted(build.depots)})
    if asked:
        return sorted(set(asked))
    system = system or _SYSTEMS.get(host.system(), "linux")
    fitting = [n for n, ref in build.depots.items() if not ref.optional and ref.platform in ("any", system)]
    if not fitting:
        raise DepotMissing(f"no depot of build #{build.number} fits {system}", data={"depots": sorted(build.depots)})
    return sorted(fitting)


_SYSTEMS = {"Windows": "windows", "Darwin": "macos", "Linux": "linux"}


def read_depot(registry: RegistryReader, scope: str, ref: DepotRef) -> DepotContent:
    """A depot's whole manifest and the placement of all its chunks: three requests."""
    payload = registry.manifest(scope, ref.manifest, ref.payload_size)
    with found_at(f"manifest {ref.manifest}"):
        manifest = decode_manifest(payload)
        if (len(manifest.paths), len(manifest.chunk_ids)) != (ref.files, ref.chunks):
            raise BadDocument("the build document and the manifest disagree about their counts")
    return place_depot(registry, scope, ref, manifest, payload)


def place_depot(
    registry: RegistryReader, scope: str, ref: DepotRef, manifest: Manifest, payload: bytes
) -> DepotContent:
    """The depot with the placement of all its chunks: two requests."""
    placement = read_placement(registry, scope, ref.manifest, manifest)
    return DepotContent(ref, manifest, payload, np.arange(len(manifest.chunk_ids)), placement)


def update_depot(
    registry: RegistryReader, scope: str, ref: DepotRef, manifest: Manifest, name: bytes, since: int
) -> DepotContent | None:
    """The depot's manifest by diffs from the manifest `name` of build `since`, with the placement of what that lacks.

    None where no chain of diffs leads here more cheaply than the manifest itself, or a diff is damaged.
    """
    try:
        chain = _chain(registry, scope, ref, name, since)
        return _follow(registry, scope, ref, manifest, chain) if chain else None
    except (Corrupt, NotFound, NewerFormat):
        return None


def _chain(registry: RegistryReader, scope: str, ref: DepotRef, name: bytes, since: int) -> list[tuple[bytes, DiffRef]]:
    """Diffs to apply in order, with the id of what each leads to; found by following heads backwards."""
    chain: list[tuple[bytes, DiffRef]] = []
    target = bytes.fromhex(ref.manifest)
    budget = ref.payload_size
    for _ in range(MAX_HOPS):
        step = _step(registry.head(scope, target.hex()), name, since)
        if step is None or step.payload_size > budget:
            return []
        budget -= step.payload_size
        chain.insert(0, (target, step))
        if step.origin == name:
            return chain
        target = step.origin
    return []


def _step(head: Head, name: bytes, since: int) -> DiffRef | None:
    """The diff to go back along: the one from `name`, else the longest stride that does not go past its build."""
    later = [ref for ref in head.diffs if ref.build > since]
    return head.diff_from(name) or min(later, key=lambda ref: ref.build, default=None)


def _follow(
    registry: RegistryReader, scope: str, ref: DepotRef, manifest: Manifest, chain: list[tuple[bytes, DiffRef]]
) -> DepotContent:
    """Applies a chain. The places that came with an earlier diff are carried on to the later manifests.

    What lies between has no document at hand: it must be about as large as the manifests that it lies between.
    """
    exact = Rows(ref.files, ref.chunks)
    between = Rows(2 * max(ref.files, len(manifest.paths)) + 1024, 2 * max(ref.chunks, len(manifest.chunk_ids)) + 1024)
    placed, placement = np.empty(0, dtype=np.int64), no_placement()
    for target, step in chain:
        payload = registry.diff(scope, step.diff.hex(), step.payload_size)
        last = target == chain[-1][0]
        applied = apply_diff(manifest, payload, wanted=target, rows=exact if last else between, exact=last)
        new = np.flatnonzero(applied.sources < 0)
        position = np.full(len(manifest.chunk_ids) + 1, -1, dtype=np.int64)
        position[placed] = np.arange(len(placed))
        carried = position[applied.sources]  # a new chunk's -1 looks up the spare last entry
        old = np.flatnonzero(carried >= 0)
        rows = np.concatenate([old, new])
        order = np.argsort(rows)
        placement = join([placement.take(carried[old]), applied.placement]).take(order)
        placed = rows[order]
        manifest = applied.manifest
    return DepotContent(ref, manifest, applied.payload, placed, placement)


def unite_placements(union: Union, parts: Sequence[DepotContent]) -> tuple[Column, Placement]:
    """The placed chunks of all parts as rows of the united manifest, ascending, with their placement."""
    columns, placements = [], []
    for part, target in zip(parts, union.chunk_rows, strict=True):
        rows = target[part.placed]
        used = np.flatnonzero(rows >= 0)
        columns.append(rows[used])
        placements.append(part.placement if len(used) == len(rows) else part.placement.take(used))
    rows = np.concatenate(columns)
    placement = join(placements)
    if len(rows) > 1 and (np.diff(rows) < 0).any():
        order = np.argsort(rows)
        return rows[order], placement.take(order)
    return rows, placement


class BuildWithdrawn(Refused):
    """The publisher took the build back."""

    code = "build-withdrawn"
    default_cause = "A build is withdrawn when it must not be installed any more."
    default_next = "Install another build; the channel leads to one."
