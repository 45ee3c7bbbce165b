"""The plan: ordered steps that turn what is on disk into the wanted build, with its price.

An immutable value, made once from manifests and an inventory, shown, then executed. Pure: no disk and no network.
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
    """Chunks that lie on this disk in the files of `manifest`: all of them, or those of these `rows`."""

    manifest: Manifest
    rows: Column | None = None

    @property
    def ids(self) -> Column:
        """The ids of these chunks."""
        return self.manifest.chunk_ids if self.rows is None else self.manifest.chunk_ids[self.rows]

    def chunk_rows(self, at: Column) -> Column:
        """Positions among these chunks as rows of the manifest."""
        return at if self.rows is None else self.rows[at]


@dataclass(frozen=True, slots=True, eq=False)
class Inventory:
    """What the installed tree is, compared with what it was made to be.

    `intact` has a bit per file of `manifest`: it is there as listed (content, not mode). Of the *wanted* manifest,
    `present` has a bit per file: the path holds the wanted content already; `mode_wrong` likewise: the executable bit
    differs; `staged` has a bit per chunk: an interrupted run left it in its place in a staged file.
    """

    manifest: Manifest
    intact: Column
    present: Column
    mode_wrong: Column
    sources: Sources
    staged: Column


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Ranges to copy on this disk.

    `source` is a row of the sources' manifest and `start` an offset there, `file` and `offset` the same of the wanted
    manifest; of `length` bytes, they hold the wanted chunks from row `first_chunk` on, as many as `chunk_counts` says.
    """

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
    """What to do; rows are rows of `wanted`.

    `staged` has a bit per chunk that lies in a staged file already, `build` are files to make aside, `moves` files that
    already lie under another path which goes away, `entries` links and folders to make, `modes` files whose executable
    bit alone is wrong; `remove` are paths of the old build that must go, each with whether it is a folder.
    """

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
    if inventory.staged.any():
        chunks = chunks[~inventory.staged[chunks]]
    everything = len(chunks) == len(wanted.chunk_ids)
    at = locate(wanted.chunk_ids if everything else wanted.chunk_ids[chunks], inventory.sources.ids)
    local = at >= 0
    copies = _copies(wanted, inventory.sources, chunks[local], at[local])
    away = chunks[~local]
    del at, local
    position, there = _positions(away, placed)
    if len(position) < len(placed):
        placement = placement.take(position)
    fetches = plan_fetches(wanted, away[there], placement)
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
        unplaced=len(away) - len(position),
    )


def refetch(plan: Plan, chunks: Column, placed: Column, placement: Placement) -> Plan:
    """What is left of a plan when these chunks (ascending rows) were not on this disk after all: fetching them."""
    fetches = plan_fetches(plan.wanted, chunks, placement.take(np.searchsorted(placed, chunks)))
    return replace(plan, moves={}, copies=_no_copies(), fetches=fetches)


def _positions(chunks: Column, placed: Column) -> tuple[Column, Column]:
    """Which of these chunks are among the `placed`, both ascending: where they stand there, and a bit for each."""
    position = np.searchsorted(placed, chunks)
    there = position < len(placed)
    there[there] = placed[position[there]] == chunks[there]
    return position[there], there


def _moves(wanted: Manifest, inventory: Inventory, rows: Column) -> dict[int, str]:
    """Files that lie intact, with the same mode, under a path that the wanted build no longer has with that content."""
    old = inventory.manifest
    if not len(rows) or not len(old.paths):
        return {}
    staying = {path for path, present in zip(wanted.paths, inventory.present.tolist(), strict=True) if present}
    regular = (old.kinds == Kind.FILE) & inventory.intact & (old.sizes > 0)
    free = [row for row in np.flatnonzero(regular).tolist() if old.paths[row] not in staying]
    content: dict[tuple[bytes, int], list[int]] = {}
    for row in free:
        content.setdefault((old.digests[row].tobytes(), int(old.flags[row])), []).append(row)
    moves = {}
    for row in rows.tolist():
        candidates = content.get((wanted.digests[row].tobytes(), int(wanted.flags[row])))
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


def _no_copies() -> Copies:
    none = np.empty(0, dtype=np.int64)
    return Copies(none, none, none, none, none, none, none)


def _copies(wanted: Manifest, have: Sources, chunks: Column, at: Column) -> Copies:
    """Joins chunks that are neighbours where they lie and where they go, into ranges of at most `MAX_COPY` bytes."""
    if not len(chunks):
        return _no_copies()
    lying = have.chunk_rows(at)
    begins = np.ones(len(chunks), dtype=bool)
    begins[1:] = (
        (chunks[1:] != chunks[:-1] + 1)
        | (lying[1:] != lying[:-1] + 1)
        | wanted.opens_file()[chunks[1:]]
        | have.manifest.opens_file()[lying[1:]]
        | (chunks[1:] % (MAX_COPY // wanted.cut.maximum) == 0)
    )
    first = np.flatnonzero(begins)
    source, start = have.manifest.place_chunks(lying[first])
    file, offset = wanted.place_chunks(chunks[first])
    return Copies(
        source=source,
        start=start,
        file=file,
        offset=offset,
        length=np.add.reduceat(wanted.chunk_sizes[chunks], first, dtype=np.int64),
        first_chunk=chunks[first],
        chunk_counts=np.diff(np.append(first, len(chunks))),
    )
