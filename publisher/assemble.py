"""From what was scanned and read to a manifest: the columns put together in the order of the scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chunkstore.columns import Column, ids_column
from chunkstore.cutting import CutParameters
from chunkstore.ids import digest_of
from manifest.model import Manifest, ranges
from publisher.patterns import Patterns
from publisher.scan import Scan
from publisher.settings import EXECUTABLE_TAG, TagRule
from publisher.source import FileResult


def assemble(
    scan: Scan, cut: CutParameters, tags: Sequence[TagRule], results: Mapping[int, FileResult], before: Manifest | None, unchanged: Column
) -> Manifest:
    """The manifest of a scan. Files with a row in `unchanged` (>= 0) take their content from that row of `before`."""
    count = len(scan.paths)
    kinds = np.frombuffer(scan.kinds, dtype="|u1")
    sizes = np.zeros(count, dtype="<u8")
    digests = np.zeros((count, 4), dtype="<u8")
    counts = np.zeros(count, dtype="<u4")
    kept = np.flatnonzero(unchanged >= 0)
    if before is not None and len(kept):
        for column, old in ((sizes, before.sizes), (digests, before.digests), (counts, before.chunk_counts)):
            column[kept] = old[unchanged[kept]]
    for row, result in results.items():
        sizes[row] = sum(int(part.sum(dtype=np.int64)) for part in result.sizes.values())
        digests[row] = ids_column(result.digest)[0]
        counts[row] = sum(len(part) for part in result.sizes.values())
    for row, target in scan.targets.items():
        sizes[row] = len(target.encode())
        digests[row] = ids_column(digest_of(target.encode()))[0]
    chunk_ids, chunk_sizes = _chunks(counts, results, before, kept, unchanged)
    tag_sets, tag_names = _tag_sets(scan, tags)
    return Manifest(
        cut=cut,
        paths=scan.paths,
        kinds=kinds,
        flags=np.frombuffer(scan.executable, dtype="|u1"),
        sizes=sizes,
        digests=digests,
        chunk_counts=counts,
        tag_sets=tag_sets,
        tags=tag_names,
        targets=scan.targets,
        chunk_ids=chunk_ids,
        chunk_sizes=chunk_sizes,
    )


def _chunks(
    counts: Column, results: Mapping[int, FileResult], before: Manifest | None, kept: Column, unchanged: Column
) -> tuple[Column, Column]:
    total = int(counts.sum(dtype=np.int64))
    ids = np.empty((total, 4), dtype="<u8")
    sizes = np.empty(total, dtype="<u4")
    first = np.cumsum(counts, dtype=np.int64) - counts
    if before is not None and len(kept):
        mine = ranges(first[kept], counts[kept])
        theirs = before.chunk_rows(unchanged[kept])
        ids[mine] = before.chunk_ids[theirs]
        sizes[mine] = before.chunk_sizes[theirs]
    for row, result in results.items():
        at = int(first[row])
        for number in sorted(result.ids):
            part = result.sizes[number]
            ids[at : at + len(part)] = ids_column(result.ids[number])
            sizes[at : at + len(part)] = part
            at += len(part)
    return ids, sizes


def _tag_sets(scan: Scan, tags: Sequence[TagRule]) -> tuple[Column, list[tuple[str, ...]]]:
    """For each file the number of its set of tags (0: none), and the sets."""
    names = sorted({rule.tag for rule in tags} - {EXECUTABLE_TAG})
    patterns = [(name, Patterns(rule.pattern for rule in tags if rule.tag == name)) for name in names]
    numbers: dict[tuple[str, ...], int] = {}
    column = np.zeros(len(scan.paths), dtype="<u2")
    if patterns:
        for row, path in enumerate(scan.paths):
            carried = tuple(name for name, pattern in patterns if pattern.match(path))
            if carried:
                column[row] = numbers.setdefault(carried, len(numbers) + 1)
    return column, list(numbers)
