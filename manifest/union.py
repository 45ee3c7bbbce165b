"""Several depots of a build as the one tree that they are installed as."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from chunkstore.columns import Column
from chunkstore.cutting import DEFAULT
from manifest.kinds import Kind
from manifest.model import Manifest, ranges

_MARKS = frozenset({"user-owned"})
"""Tags that say something of a file without making it a matter of choice."""


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """`manifest` holds the selected files of all parts; `chunk_rows[k]` says where the chunks of part k went, or -1."""

    manifest: Manifest
    chunk_rows: list[Column]


def unite(parts: Sequence[Manifest], tags: frozenset[str] = frozenset()) -> Union:
    """The tree of these manifests: all files that no tag makes optional, and those with one of `tags`.

    Raises `PathCollision` or `PathsUnordered` if two parts claim one path.
    """
    if len(parts) == 1 and not parts[0].tags:
        return Union(parts[0], [np.arange(len(parts[0].chunk_ids))])
    chosen = _without_shared_folders(parts, [_selected(part, tags) for part in parts])
    paths = [part.paths[row] for part, rows in zip(parts, chosen, strict=True) for row in rows.tolist()]
    order = sorted(range(len(paths)), key=paths.__getitem__)

    def joined(name: str, dtype: str) -> Column:
        columns = [getattr(part, name)[rows] for part, rows in zip(parts, chosen, strict=True)]
        result: Column = np.concatenate([np.empty((0, *columns[0].shape[1:]) if columns else 0, dtype), *columns])[
            order
        ]
        return result

    bases = np.cumsum([0] + [len(part.chunk_ids) for part in parts])
    firsts = [part.first_chunk[rows] + base for part, rows, base in zip(parts, chosen, bases, strict=False)]
    counts = joined("chunk_counts", "<u4")
    source = ranges(np.concatenate([np.empty(0, np.int64), *firsts])[order], counts)
    target = np.full(int(bases[-1]), -1, dtype=np.int64)
    target[source] = np.arange(len(source))
    links = [part.targets.get(row) for part, rows in zip(parts, chosen, strict=True) for row in rows.tolist()]
    manifest = Manifest(
        cut=max((part.cut for part in parts), key=lambda cut: cut.maximum, default=DEFAULT),
        paths=[paths[row] for row in order],
        kinds=joined("kinds", "|u1"),
        flags=joined("flags", "|u1"),
        sizes=joined("sizes", "<u8"),
        digests=joined("digests", "<u8").reshape(-1, 4),
        chunk_counts=counts,
        tag_sets=np.zeros(len(order), dtype="<u2"),
        tags=(),
        targets={row: link for row, old in enumerate(order) if (link := links[old]) is not None},
        chunk_ids=np.concatenate([np.empty((0, 4), "<u8"), *(part.chunk_ids for part in parts)])[source],
        chunk_sizes=np.concatenate([np.empty(0, "<u4"), *(part.chunk_sizes for part in parts)])[source],
    )
    return Union(manifest, [target[start:end] for start, end in pairwise(bases.tolist())])


def _selected(part: Manifest, tags: frozenset[str]) -> Column:
    """The rows of the files that are wanted: those that are no matter of choice, and those that were chosen."""
    wanted = np.array([True] + [not set(names) - _MARKS or bool(tags.intersection(names)) for names in part.tags])
    return np.flatnonzero(wanted[part.tag_sets])


def _without_shared_folders(parts: Sequence[Manifest], chosen: list[Column]) -> list[Column]:
    """The same rows less the folders, empty in one part, that another one fills, or records, too."""
    paths = sorted(part.paths[row] for part, rows in zip(parts, chosen, strict=True) for row in rows.tolist())
    seen = set()
    kept = []
    for part, rows in zip(parts, chosen, strict=True):
        dropped = set()
        for row in rows[part.kinds[rows] == Kind.FOLDER].tolist():
            path = part.paths[row]
            after = bisect_left(paths, f"{path}/")
            filled = after < len(paths) and paths[after].startswith(f"{path}/")
            if filled or path in seen:
                dropped.add(row)
            seen.add(path)
        kept.append(rows[~np.isin(rows, list(dropped))] if dropped else rows)
    return kept
