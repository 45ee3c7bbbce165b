"""What is on this disk: the installed tree against its manifest, what lies at new paths, and what was staged before.

A file whose stat is the one saved when it was written is taken as unchanged; every other one is read and hashed. What
is copied from here later is hashed again on the way, so a wrong guess costs a download and never a wrong byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from stat import S_ISDIR, S_ISLNK, S_ISREG, S_IXUSR

import numpy as np

from chunkstore.columns import Column
from client.checking import Controls, check_files
from client.obstacles import unclaimed
from client.record import FileStats, InstallFolder
from client.staging import Staging
from delta.diff import match_paths
from delta.plan import Inventory, Sources
from manifest.kinds import Kind
from manifest.model import Manifest

_HAS_MODES = os.name != "nt"


@dataclass(frozen=True, slots=True, eq=False)
class TreeCheck:
    """An installed tree against a manifest.

    Bits per file: `there` (an entry of the right kind), `mode_wrong`, `intact` (content as listed). A bit per chunk:
    `chunks` (in its place). `stats` are the stats seen.
    """

    there: Column
    mode_wrong: Column
    intact: Column
    chunks: Column
    stats: FileStats


def check_tree_files(
    folder: InstallFolder,
    manifest: Manifest,
    saved: FileStats,
    controls: Controls,
    *,
    full: bool,
    rows: Sequence[int] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> TreeCheck:
    """Compares the tree with `manifest`: by stat where that suffices, by hash for the rest, or for all with `full`.

    With `rows` only these files are looked at; all others count as not there. `progress` is told bytes that were read.
    """
    count = len(manifest.paths)
    there, mode_wrong = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    seen = FileStats.unknown(count)
    root = os.fspath(folder.root)
    kinds, flags = manifest.kinds.tolist(), manifest.flags.tolist()
    for row in range(count) if rows is None else rows:
        stat = _lstat(os.path.join(root, manifest.paths[row]))
        if stat is None or not _is_kind(stat, kinds[row], manifest, row, root):
            continue
        there[row] = True
        if kinds[row] != Kind.FOLDER:
            note_stat(seen, row, stat)
        if kinds[row] == Kind.FILE:
            mode_wrong[row] = _HAS_MODES and bool(stat.st_mode & S_IXUSR) != bool(flags[row])
    regular = manifest.kinds == Kind.FILE
    sized = there & (~regular | (seen.sizes == manifest.sizes.astype(np.int64)))
    trusted = there & (~regular | _same(seen, saved))
    chunks = np.zeros(len(manifest.chunk_ids), dtype=bool)
    doubtful = np.flatnonzero(there & regular & (True if full else ~trusted))
    checked = check_files(
        [(os.path.join(root, manifest.paths[row]), row) for row in doubtful.tolist()], manifest, controls, progress
    )
    believed = there & regular & (False if full else trusted)
    chunks[manifest.chunk_rows(np.flatnonzero(believed))] = True
    chunks |= checked
    return TreeCheck(there, mode_wrong, sized & _all_chunks(manifest, chunks), chunks, seen)


def take_inventory(
    folder: InstallFolder,
    installed: Manifest,
    stamp: str,
    wanted: Manifest,
    staging: Staging,
    controls: Controls,
    *,
    full: bool,
    progress: Callable[[int], None],
) -> tuple[Inventory, FileStats]:
    """What the planner needs to know, and the stats of the files that are present already.

    `stamp` names the saved stats of `installed`; `full` does not believe them.
    """
    saved = folder.file_stats(len(installed.paths), stamp)
    check = check_tree_files(folder, installed, saved, controls, full=full, progress=progress)
    old_rows = match_paths(installed, wanted)
    at = np.flatnonzero(old_rows >= 0)
    old = old_rows[at]
    present = np.zeros(len(wanted.paths), dtype=bool)
    present[at] = (
        check.intact[old]
        & (wanted.digests[at] == installed.digests[old]).all(axis=1)
        & (wanted.kinds[at] == installed.kinds[old])
        & (wanted.sizes[at] == installed.sizes[old])
    )
    mode_wrong = np.zeros(len(wanted.paths), dtype=bool)
    mode_wrong[at] = check.mode_wrong[old] ^ (wanted.flags[at] != installed.flags[old])
    found = _look_at_new(folder, installed, wanted, np.flatnonzero(old_rows < 0).tolist(), controls, progress)
    present |= found.intact
    mode_wrong |= found.mode_wrong & found.intact
    if not _HAS_MODES:
        mode_wrong[:] = False
    known = check.chunks.any() or not found.chunks.any()
    sources = _sources(installed, check.chunks) if known else _sources(wanted, found.chunks)
    inventory = Inventory(installed, check.intact, present, mode_wrong, sources, staging.present_chunks(controls))
    return inventory, _stats_of_present(present, old_rows, check.stats, found.stats)


def _stats_of_present(present: Column, old_rows: Column, installed: FileStats, adopted: FileStats) -> FileStats:
    """For each present file of the wanted build the stat under which its content was judged."""
    stats = FileStats.unknown(len(present))
    for name in ("sizes", "mtimes", "ctimes", "inodes", "flags"):
        column = getattr(stats, name)
        column[:] = getattr(adopted, name)
        known = old_rows >= 0
        column[known] = getattr(installed, name)[old_rows[known]]
        column[~present] = 0
    return stats


def _look_at_new(
    folder: InstallFolder,
    installed: Manifest,
    wanted: Manifest,
    rows: list[int],
    controls: Controls,
    progress: Callable[[int], None],
) -> TreeCheck:
    """Looks at what lies already under paths that are new in the wanted build: what is equal is taken as it is."""
    open_paths = unclaimed(os.fspath(folder.root), installed, [wanted.paths[row] for row in rows])
    rows = [row for row in rows if wanted.paths[row] in open_paths]
    unknown = FileStats.unknown(len(wanted.paths))
    return check_tree_files(folder, wanted, unknown, controls, full=False, rows=rows, progress=progress)


def _sources(manifest: Manifest, chunks: Column) -> Sources:
    return Sources(manifest, None if chunks.all() else np.flatnonzero(chunks))


def note_stat(stats: FileStats, row: int, stat: os.stat_result) -> None:
    """Enters what was seen of a file."""
    stats.sizes[row] = stat.st_size
    stats.mtimes[row] = stat.st_mtime_ns
    stats.ctimes[row] = stat.st_ctime_ns
    stats.inodes[row] = stat.st_ino
    stats.flags[row] = 1


def _same(seen: FileStats, saved: FileStats) -> Column:
    known: Column = (saved.flags == 1) & (seen.flags == 1)
    for name in ("sizes", "mtimes", "ctimes", "inodes"):
        known &= getattr(seen, name) == getattr(saved, name)
    return known


def _all_chunks(manifest: Manifest, chunks: Column) -> Column:
    """For each file whether all its chunks are there; true for what has none."""
    whole = np.ones(len(manifest.paths), dtype=bool)
    filled = manifest.chunk_counts > 0
    if filled.any():
        whole[filled] = np.logical_and.reduceat(chunks, manifest.first_chunk[filled])
    return whole


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (OSError, ValueError):
        return None


def _is_kind(stat: os.stat_result, kind: int, manifest: Manifest, row: int, root: str) -> bool:
    if kind == Kind.FILE:
        return S_ISREG(stat.st_mode)
    if kind == Kind.FOLDER:
        return S_ISDIR(stat.st_mode)
    path = os.path.join(root, manifest.paths[row])
    try:
        return S_ISLNK(stat.st_mode) and os.readlink(path).replace(os.sep, "/") == manifest.targets[row]
    except OSError:
        return False
