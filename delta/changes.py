"""What differs between two builds for those who look: files by what became of them, and what an update would cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chunkstore.columns import Column
from chunkstore.placements import Placement
from delta.diff import match_paths
from delta.plan import Inventory, Plan, Sources, make_plan
from manifest.kinds import Kind
from manifest.model import Manifest


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths, ascending; `moved` are (from, to): the same content under a path that the old build did not have."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    moved: list[tuple[str, str]]


def compare(old: Manifest, new: Manifest) -> Changes:
    """What became of the files, links and empty folders of `old` in `new`."""
    rows = match_paths(old, new)
    kept = np.flatnonzero(rows >= 0)
    same = _same_content(old, new, kept, rows[kept]) & (old.flags[rows[kept]] == new.flags[kept])
    gone = np.setdiff1d(np.arange(len(old.paths)), rows[kept])
    fresh = np.flatnonzero(rows < 0)
    moved = dict(_moves(old, new, gone.tolist(), fresh.tolist()))
    return Changes(
        added=[new.paths[row] for row in fresh.tolist() if row not in moved],
        removed=[old.paths[row] for row in gone.tolist() if row not in set(moved.values())],
        changed=[new.paths[row] for row in kept[~same].tolist()],
        moved=[(old.paths[moved[row]], new.paths[row]) for row in sorted(moved)],
    )


def forecast(old: Manifest, new: Manifest, placement: Placement) -> Plan:
    """The plan of an update where `old` is installed and untouched; `placement` is that of all chunks of `new`."""
    rows = match_paths(old, new)
    at = np.flatnonzero(rows >= 0)
    present, mode_wrong = np.zeros(len(new.paths), dtype=bool), np.zeros(len(new.paths), dtype=bool)
    present[at] = _same_content(old, new, at, rows[at])
    mode_wrong[at] = old.flags[rows[at]] != new.flags[at]
    inventory = Inventory(
        manifest=old,
        intact=np.ones(len(old.paths), dtype=bool),
        present=present,
        mode_wrong=mode_wrong,
        sources=Sources(old),
        staged=np.zeros(len(new.chunk_ids), dtype=bool),
    )
    return make_plan(new, inventory, np.arange(len(new.chunk_ids)), placement)


def _same_content(old: Manifest, new: Manifest, rows: Column, old_rows: Column) -> Column:
    same: Column = (old.digests[old_rows] == new.digests[rows]).all(axis=1)
    for name in ("kinds", "sizes"):
        same &= getattr(old, name)[old_rows] == getattr(new, name)[rows]
    return same


def _moves(old: Manifest, new: Manifest, gone: list[int], fresh: list[int]) -> Iterator[tuple[int, int]]:
    """Pairs (row of new, row of old) with equal content; each old row at most once, empty files never."""
    waiting: dict[bytes, list[int]] = {}
    for row in reversed(gone):
        if old.kinds[row] == Kind.FILE and old.sizes[row]:
            waiting.setdefault(old.digests[row].tobytes(), []).append(row)
    for row in fresh:
        candidates = waiting.get(new.digests[row].tobytes())
        if candidates and new.kinds[row] == Kind.FILE:
            yield row, candidates.pop()
