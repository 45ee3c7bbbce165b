"""Diffs: the payload of one manifest made from another's, and where the chunks that are new lie.

Both tables of a manifest, files and chunks, are told in runs: so many rows copied from the old table, so many given
literally. The literal chunks are exactly the missing ones, and the diff carries their placement, so its size follows
the change and not the build. A diff needs no signature: its result must hash to an id that is signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chunkstore.columns import BadPayload, Column, decode_columns, encode_columns
from chunkstore.errors import Corrupt
from chunkstore.idtable import locate
from chunkstore.placements import Placement, decode_placement, encode_placement
from chunkstore.store import Buffer
from manifest.model import MAX_CHUNKS, MAX_FILES, BadManifest, Manifest, ranges
from manifest.payload import (
    FILE_SPEC,
    FileTable,
    build_manifest,
    decode_files,
    decode_manifest,
    encode_files,
    encode_manifest,
    files_of,
    header_of,
    manifest_id,
    parse_header,
)

MAGIC = b"LADDIF"
VERSION = 1
_LITERAL = 0xFFFFFFFF
_NO_TAGS = 0xFFFF
_STRIDE = 1 << 18
_SPEC: Mapping[str, tuple[str, int]] = {
    "file_starts": ("<u4", 1),
    "file_counts": ("<u4", 1),
    **FILE_SPEC,
    "chunk_starts": ("<u4", 1),
    "chunk_run_lengths": ("<u4", 1),
    "chunk_sizes": ("<u4", 1),
    "chunk_ids": ("<u8", 4),
    "placement": ("|u1", 1),
}


@dataclass(frozen=True, slots=True)
class Applied:
    """What a diff yields: the new manifest with its payload, for each chunk its row in the old one or -1, and where the
    chunks lie that the old one lacks."""

    manifest: Manifest
    payload: bytes
    sources: Column
    placement: Placement


def make_diff(old: Manifest, new: Manifest, placement: Placement) -> bytes:
    """The payload of the diff from `old` to `new`; `placement` is that of all chunks of `new`."""
    files = file_sources(old, new)
    chunks = chunk_sources(old, new, files)
    literal_chunks = np.flatnonzero(chunks < 0)
    sizes = new.chunk_sizes[literal_chunks]
    place = np.frombuffer(encode_placement(placement.take(literal_chunks), sizes), dtype="|u1")
    file_starts, file_counts = _runs(files)
    chunk_starts, chunk_counts = _runs(chunks)
    return encode_columns(
        MAGIC,
        VERSION,
        header_of(new),
        [
            ("file_starts", file_starts),
            ("file_counts", file_counts),
            *encode_files(files_of(new, np.flatnonzero(files < 0).tolist())),
            ("chunk_starts", chunk_starts),
            ("chunk_run_lengths", chunk_counts),
            ("chunk_sizes", sizes),
            ("chunk_ids", new.chunk_ids[literal_chunks]),
            ("placement", place),
        ],
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """How large a manifest is."""

    files: int
    chunks: int


def apply_diff(old: Manifest, diff: Buffer, *, wanted: bytes, rows: Rows, exact: bool = True) -> Applied:
    """The manifest `wanted`, which has so many rows by its build document, made from `old`.

    Where no document is at hand, it has at most so many and `exact` is False. Raises `BadDiff` if the result is
    anything else, `NewerFormat` and `UnknownFeature`; takes no more memory than these counts allow.
    """
    if exact and (rows.files > MAX_FILES or rows.chunks > MAX_CHUNKS):
        raise BadDiff(f"{rows.files} files with {rows.chunks} chunks are more than a manifest can hold")
    most_files, most_chunks = min(rows.files, MAX_FILES), min(rows.chunks, MAX_CHUNKS)
    try:
        header, columns = decode_columns(diff, MAGIC, VERSION, _SPEC)
        file_rows = _sources(columns["file_starts"], columns["file_counts"], len(old.paths), most_files, exact=exact)
        chunk_rows = _sources(
            columns["chunk_starts"], columns["chunk_run_lengths"], len(old.chunk_ids), most_chunks, exact=exact
        )
        sizes, ids = columns["chunk_sizes"], columns["chunk_ids"]
        placement = decode_placement(columns["placement"].tobytes(), sizes)
        manifest = build_manifest(
            header,
            _merged_files(_renumbered(old, parse_header(header)[1]), decode_files(columns), file_rows),
            _merged(old.chunk_sizes, sizes, chunk_rows),
            _merged(old.chunk_ids, ids, chunk_rows),
        )
    except (BadPayload, BadManifest) as error:
        raise BadDiff(error.message) from error
    payload = encode_manifest(manifest)
    if manifest_id(payload) != wanted:
        raise BadDiff("the diff does not lead to the wanted manifest")
    del manifest  # its columns are in the payload now; the one that is returned views them there
    return Applied(decode_manifest(payload), payload, chunk_rows, placement)


def file_sources(old: Manifest, new: Manifest) -> Column:
    """For each file of `new` the row of an entry of `old` that says the same in every column, or -1."""
    rows = match_paths(old, new)
    there = np.flatnonzero(rows >= 0)
    at = rows[there]
    equal = (new.digests[there] == old.digests[at]).all(axis=1)
    for name in ("kinds", "flags", "sizes", "chunk_counts"):
        equal &= getattr(new, name)[there] == getattr(old, name)[at]
    equal &= new.tag_sets[there] == _tag_numbers(old, new.tags)[old.tag_sets[at]]
    rows[there[~equal]] = -1
    return rows


def match_paths(old: Manifest, new: Manifest) -> Column:
    """For each file of `new` the row of the entry of `old` with the same path, or -1."""
    by_path = {path: row for row, path in enumerate(old.paths)}
    return np.fromiter((by_path.get(path, -1) for path in new.paths), dtype=np.int64, count=len(new.paths))


def chunk_sources(old: Manifest, new: Manifest, files: Column) -> Column:
    """For each chunk of `new` a row of `old` with its id, or -1: in the equal file first, so that runs stay long."""
    sources = np.full(len(new.chunk_ids), -1, dtype=np.int64)
    equal = np.flatnonzero(files >= 0)
    mine, theirs = new.chunk_rows(equal), old.chunk_rows(files[equal])
    for start in range(0, len(mine), _STRIDE):
        here, there = mine[start : start + _STRIDE], theirs[start : start + _STRIDE]
        same = (new.chunk_ids[here] == old.chunk_ids[there]).all(axis=1)
        sources[here[same]] = there[same]
    open_rows = np.flatnonzero(sources < 0)
    if len(open_rows):
        everything = len(open_rows) == len(sources)
        sources[open_rows] = locate(new.chunk_ids if everything else new.chunk_ids[open_rows], old.chunk_ids)
    return sources


def _tag_numbers(old: Manifest, tags: Sequence[tuple[str, ...]]) -> Column:
    """For each number of a set of tags in `old` its number in `tags`, or one that no set has.

    Without it a new tag would touch every file, because sets are numbered in order.
    """
    numbers = {names: number for number, names in enumerate(tags, 1)}
    return np.array([0, *(numbers.get(names, _NO_TAGS) for names in old.tags)], dtype="<u2")


def _renumbered(old: Manifest, tags: Sequence[tuple[str, ...]]) -> FileTable:
    return replace(files_of(old), tag_sets=_tag_numbers(old, tags)[old.tag_sets])


def _runs(sources: Column) -> tuple[Column, Column]:
    """`sources` as runs of consecutive rows, `_LITERAL` standing for the start of a run of -1."""
    breaks = np.ones(len(sources), dtype=bool)
    step = np.diff(sources)
    literal = sources < 0
    # What follows a literal row is no step from it: -1 and 0 are not neighbours.
    breaks[1:] = np.where(literal[1:], ~literal[:-1], literal[:-1] | (step != 1))
    starts = np.flatnonzero(breaks)
    counts = np.diff(np.append(starts, len(sources)))
    first = sources[starts] if len(sources) else sources
    return np.where(first < 0, _LITERAL, first).astype("<u4"), counts.astype("<u4")


def _sources(starts: Column, counts: Column, available: int, expected: int, *, exact: bool) -> Column:
    """The inverse of `_runs`. The sum is compared with what is expected before memory is taken."""
    total = int(counts.sum(dtype=np.int64))
    if len(starts) != len(counts) or (total != expected if exact else total > expected):
        raise BadDiff("the diff leads to another number of rows")
    literal = starts == _LITERAL
    ends = starts[~literal].astype(np.int64) + counts[~literal]
    if len(ends) and int(ends.max()) > available:
        raise BadDiff("the diff copies rows that the old manifest does not have")
    rows = ranges(np.where(literal, 0, starts), counts)
    rows[np.repeat(literal, counts)] = -1
    return rows


def _merged(old: Column, literal: Column, rows: Column) -> Column:
    copied = rows >= 0
    if len(rows) - int(copied.sum()) != len(literal):
        raise BadDiff("the diff gives more or fewer literal rows than it uses")
    if not len(old):
        return literal
    merged = np.empty((len(rows), *old.shape[1:]), dtype=old.dtype)
    np.take(old, rows, axis=0, out=merged, mode="wrap")  # -1 wraps to some row; what it brings is overwritten
    merged[~copied] = literal
    return merged


def _merged_files(old: FileTable, literal: FileTable, rows: Column) -> FileTable:
    columns: dict[str, Any] = {
        name: _merged(getattr(old, name), getattr(literal, name), rows)
        for name in ("kinds", "flags", "sizes", "digests", "chunk_counts", "tag_sets")
    }
    paths, targets = [], {}
    given = 0
    for row, source in enumerate(rows.tolist()):
        table, at = (old, source) if source >= 0 else (literal, given)
        given += source < 0
        paths.append(table.paths[at])
        if at in table.targets:
            targets[row] = table.targets[at]
    return FileTable(paths=paths, targets=targets, **columns)


class BadDiff(Corrupt):
    """A diff that breaks its format or does not lead where it must."""

    code = "bad-diff"
    default_cause = "The diff is damaged, or starts from another manifest."
    default_next = "The whole manifest is fetched instead; run `lading store check STORE`."
