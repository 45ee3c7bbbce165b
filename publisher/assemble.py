"""From what was scanned and read to a manifest: the columns put together in the order of the scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chunkstore.columns import Column, ids_column
from chunkstore.cutting import CutParameters
from chunkstore.ids import digest_of
from manifest.model import Manifest, ranges
from publisher.scan import Scan
from publisher.source import FileResult


def assemble(
    scan: Scan,
    cut: CutParameters,
    tagged: tuple[Sequence[tuple[str, ...]], Sequence[int]],
    results: Mapping[int, FileResult],
    before: Manifest | None,
    unchanged: Column,
) -> Manifest:
    """The manifest of a scan; uses the chunks of `results` up, which may be many.

    Files with a row in `unchanged` (>= 0) take their content from that row of `before`.

    `tagged` is the answer of `publisher.tags.tag_files` for the paths of the scan.
    """
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
    tag_names, tag_sets = tagged
    return Manifest(
        cut=cut,
        paths=scan.paths,
        kinds=kinds,
        flags=np.frombuffer(scan.executable, dtype="|u1"),
        sizes=sizes,
        digests=digests,
        chunk_counts=counts,
        tag_sets=np.asarray(tag_sets, dtype="<u2"),
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
            part = result.sizes.pop(number)
            ids[at : at + len(part)] = ids_column(result.ids.pop(number))
            sizes[at : at + len(part)] = part
            at += len(part)
    return ids, sizes
