"""The plan: ordered steps that turn what is on disk into the wanted build, with its price.

An immutable value, made once from manifests and an inventory, shown, then executed. Pure: touches no disk and no network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from chunkstore.columns import Column
from chunkstore.idtable import locate
from chunkstore.placements import Placement
from delta.fetching import Fetches, plan_fetches
from manifest.kinds import Kind
from manifest.model import Manifest

MAX_COPY = 4 * 1024 * 1024
"""Bytes of one copied range: bounds the memory of a worker."""


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Chunks that lie on this disk: for each its id, its size, the file (row of `paths`) and the offset in it."""

    paths: list[str]
    ids: Column
    sizes: Column
    files: Column
    offsets: Column


@dataclass(frozen=True, slots=True, eq=False)
class Inventory:
    """What the installed tree is, compared with what it was made to be.

    `intact` has a bit per file of `manifest`: it is there as listed (content, not mode). `present` has a bit per file of the
    *wanted* manifest: the path holds the wanted content already; `mode_wrong` likewise: only the executable bit differs.
    `staged` has a bit per chunk of the wanted manifest: an interrupted run left it in its place in a staged file.
    """

    manifest: Manifest
    intact: Column
    present: Column
    mode_wrong: Column
    sources: Sources
    staged: Column


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Ranges to copy on this disk: `source` (row of `Sources.paths`), `start`, `file` (row of the manifest), `offset`,
    `length`, and the chunks (rows of the manifest) from `first_chunk` on, as many as `chunk_counts` says."""

    source: Column
    start: Column
    file: Column
    offset: Column
    length: Column
    first_chunk: Column
    chunk_counts: Column


@dataclass(frozen=True, slots=True)
class Price:
    """What a plan costs, in bytes and requests. Shown before, settled after."""

    download_bytes: int
    written_bytes: int
    peak_extra_disk_bytes: int
    final_size_bytes: int
    requests: int
    reused_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Rows are rows of `wanted`. `staged` are the chunks that lie in staged files already, `build` are files to make aside, `moves` files that already lie under another path which
    goes away, `entries` links and folders to make, `modes` files whose executable bit alone is wrong; `remove` are paths
    of the old build that the new one does not have."""

    wanted: Manifest
    sources: Sources
    staged: Column
    build: Column
    moves: dict[int, str]
    entries: list[int]
    modes: list[int]
    remove: list[tuple[str, bool]]
    copies: Copies
    fetches: Fetches
    price: Price
    unplaced: int
    """Chunks that must be fetched and have no place in the given placement; a plan with any is not executable."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (len(self.build) or self.moves or self.entries or self.modes or self.remove)

    @property
    def files_changed(self) -> int:
        """Entries made, changed, moved or removed."""
        return len(self.build) + len(self.moves) + len(self.entries) + len(self.modes) + len(self.remove)


def make_plan(wanted: Manifest, inventory: Inventory, placed: Column, placement: Placement) -> Plan:
    """The plan from an inventory to `wanted`. `placement` places the chunks `placed` (ascending rows of `wanted`)."""
    missing = np.flatnonzero(~inventory.present)
    regular = missing[wanted.kinds[missing] == Kind.FILE]
    moves = _moves(wanted, inventory, regular)
    build = regular[~np.isin(regular, list(moves))] if moves else regular
    chunks = wanted.chunk_rows(build)
    needed = ~inventory.staged[chunks]
    files = np.repeat(build, wanted.chunk_counts[build])[needed]
    offsets = _file_offsets(wanted, build)[needed]
    chunks = chunks[needed]
    at = locate(wanted.chunk_ids[chunks], inventory.sources.ids)
    local = at >= 0
    copies = _copies(wanted, inventory.sources, chunks[local], files[local], offsets[local], at[local])
    away = np.flatnonzero(~local)
    position = np.searchsorted(placed, chunks[away]) if len(placed) else np.zeros(len(away), dtype=np.int64)
    position = np.minimum(position, max(0, len(placed) - 1))
    found = placed[position] == chunks[away] if len(placed) else np.zeros(len(away), dtype=bool)
    away, position = away[found], position[found]
    fetches = plan_fetches(wanted, chunks[away], placement.take(position), files[away], offsets[away])
    written = int(wanted.chunk_sizes[chunks].sum(dtype=np.int64))
    modes = np.flatnonzero(inventory.present & inventory.mode_wrong)
    keep = int(wanted.sizes[inventory.present].sum(dtype=np.int64)) + sum(int(wanted.sizes[row]) for row in moves)
    return Plan(
        wanted=wanted,
        sources=inventory.sources,
        staged=inventory.staged,
        build=build,
        moves=moves,
        entries=missing[wanted.kinds[missing] != Kind.FILE].tolist(),
        modes=modes.tolist(),
        remove=_removals(wanted, inventory),
        copies=copies,
        fetches=fetches,
        price=Price(
            download_bytes=fetches.download_bytes,
            written_bytes=written,
            peak_extra_disk_bytes=written,
            final_size_bytes=wanted.installed_size,
            requests=fetches.requests,
            reused_bytes=keep + int(copies.length.sum(dtype=np.int64)),
        ),
        unplaced=int((~found).sum()),
    )


def refetch(plan: Plan, chunks: Column, placed: Column, placement: Placement) -> Plan:
    """What is left of a plan when these chunks (ascending rows) were not on this disk after all: fetching them."""
    wanted = plan.wanted
    files = wanted.chunk_files()[chunks]
    offsets = wanted.chunk_offsets()[chunks]
    fetches = plan_fetches(wanted, chunks, placement.take(np.searchsorted(placed, chunks)), files, offsets)
    return replace(plan, copies=_no_copies(), fetches=fetches)


def _moves(wanted: Manifest, inventory: Inventory, rows: Column) -> dict[int, str]:
    """Files whose whole content lies intact under a path that the wanted build no longer has with that content."""
    old = inventory.manifest
    if not len(rows) or not len(old.paths):
        return {}
    staying = {path for path, present in zip(wanted.paths, inventory.present.tolist(), strict=True) if present}
    regular = (old.kinds == Kind.FILE) & inventory.intact & (old.sizes > 0)
    free = [row for row in np.flatnonzero(regular).tolist() if old.paths[row] not in staying]
    by_digest: dict[bytes, list[int]] = {}
    for row in free:
        by_digest.setdefault(old.digests[row].tobytes(), []).append(row)
    moves = {}
    for row in rows.tolist():
        candidates = by_digest.get(wanted.digests[row].tobytes())
        if candidates:
            moves[row] = old.paths[candidates.pop()]
    return moves


def _removals(wanted: Manifest, inventory: Inventory) -> list[tuple[str, bool]]:
    """Old paths that the wanted build does not have, and those that change between folder and file.

    A file and a link give way to each other by being replaced.
    """
    folders = {path: kind == Kind.FOLDER for path, kind in zip(wanted.paths, wanted.kinds.tolist(), strict=True)}
    old = inventory.manifest
    pairs = [(path, kind == Kind.FOLDER) for path, kind in zip(old.paths, old.kinds.tolist(), strict=True)]
    return [(path, is_folder) for path, is_folder in pairs if folders.get(path) != is_folder]


def _file_offsets(manifest: Manifest, rows: Column) -> Column:
    """For each chunk of these files its offset in its file."""
    counts = manifest.chunk_counts[rows]
    sizes = manifest.chunk_sizes[manifest.chunk_rows(rows)].astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    first = (np.cumsum(counts, dtype=np.int64) - counts)[counts > 0]
    return starts - np.repeat(starts[first], counts[counts > 0])


def _no_copies() -> Copies:
    none = np.empty(0, dtype=np.int64)
    return Copies(none, none, none, none, none, none, none)


def _copies(wanted: Manifest, have: Sources, chunks: Column, files: Column, offsets: Column, at: Column) -> Copies:
    """Joins chunks that are neighbours both where they lie and where they go, up to `MAX_COPY`."""
    sizes = wanted.chunk_sizes[chunks].astype(np.int64)
    source, start = have.files[at], have.offsets[at].astype(np.int64)
    begins = np.ones(len(chunks), dtype=bool)
    begins[1:] = (
        (chunks[1:] != chunks[:-1] + 1)
        | (files[1:] != files[:-1])
        | (source[1:] != source[:-1])
        | (start[1:] != start[:-1] + sizes[:-1])
        | (offsets[1:] // MAX_COPY != offsets[:-1] // MAX_COPY)
    )
    first = np.flatnonzero(begins)
    return Copies(
        source=source[first],
        start=start[first],
        file=files[first],
        offset=offsets[first],
        length=np.add.reduceat(sizes, first) if len(chunks) else sizes,
        first_chunk=chunks[first],
        chunk_counts=np.diff(np.append(first, len(chunks))),
    )
