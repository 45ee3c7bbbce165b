"""The exact content of one depot at one build, as columns: a row per file, a row per chunk in file order.

A `Manifest` is valid by construction: making one checks every rule that the format has, so whoever holds one need not
ask again. How it becomes bytes is `manifest.payload`'s business; the model does not know its encoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from chunkstore.columns import Column, ids_column
from chunkstore.cutting import CutParameters
from chunkstore.errors import Corrupt
from chunkstore.ids import digest_of
from manifest.kinds import Kind
from manifest.paths import check_link, check_tree

MAX_FILES = 4_000_000
MAX_CHUNKS = 64_000_000
MAX_TAG_BYTES = 32 * 1024
"""What the names of all sets of tags may take together, each with 8 bytes more: a payload's header has room for it."""

EXECUTABLE = 1
"""The bit of `flags` that is set for an executable file; the others are zero."""

_DTYPES = {
    "kinds": "|u1",
    "flags": "|u1",
    "sizes": "<u8",
    "digests": "<u8",
    "chunk_counts": "<u4",
    "tag_sets": "<u2",
    "chunk_ids": "<u8",
    "chunk_sizes": "<u4",
}


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """Files and their chunks.

    Columns with a row per file: `kinds`, `flags`, `sizes` (bytes), `digests` (BLAKE3 of the content, of the target for
    a link, zero for a folder), `chunk_counts`, `tag_sets` (which of `tags` the file carries, counted from 1; 0 is
    none). With a row per chunk, file after file: `chunk_ids`, `chunk_sizes`. `targets` maps the row of each link to
    where it points. `tags` are sets of names, in order, as are the names in each.

    Raises `BadManifest`, and for paths `BadPath`, `PathCollision`, `PathsUnordered`.
    """

    cut: CutParameters
    paths: Sequence[str]
    kinds: Column
    flags: Column
    sizes: Column
    digests: Column
    chunk_counts: Column
    tag_sets: Column
    tags: Sequence[tuple[str, ...]]
    targets: Mapping[int, str]
    chunk_ids: Column
    chunk_sizes: Column
    first_chunk: Column = field(init=False)
    """For each file the row of its first chunk; derived."""

    def __post_init__(self) -> None:
        _check_shape(self)
        ends = np.cumsum(self.chunk_counts, dtype=np.int64)
        object.__setattr__(self, "first_chunk", ends - self.chunk_counts)
        check_tree(self.paths, self.kinds.tolist())
        for row, target in self.targets.items():
            check_link(self.paths[row], target)
        _check_tags(self)
        _check_content(self)
        _check_digests(self)

    @property
    def installed_size(self) -> int:
        """Bytes of all files."""
        return int(self.sizes.sum(dtype=np.int64))

    def chunks_of(self, row: int) -> slice:
        """The rows of the chunks of one file."""
        first = int(self.first_chunk[row])
        return slice(first, first + int(self.chunk_counts[row]))

    def chunk_files(self) -> Column:
        """For each chunk the row of its file."""
        return np.repeat(np.arange(len(self.paths)), self.chunk_counts)

    def chunk_offsets(self) -> Column:
        """For each chunk its offset in its file, in bytes."""
        ends = np.cumsum(self.chunk_sizes, dtype=np.int64)
        starts = ends - self.chunk_sizes
        begun = self.chunk_counts > 0
        return starts - np.repeat(starts[self.first_chunk[begun]], self.chunk_counts[begun])

    def place_chunks(self, rows: Column) -> tuple[Column, Column]:
        """For each of these chunks the row of its file and its offset in the file, in bytes."""
        files = np.searchsorted(self.first_chunk, rows, side="right") - 1
        before = np.cumsum(self.chunk_sizes, dtype=np.int64) - self.chunk_sizes
        return files, before[rows] - before[self.first_chunk[files]]

    def opens_file(self) -> Column:
        """For each chunk whether it is the first of its file."""
        opens = np.zeros(len(self.chunk_ids), dtype=bool)
        opens[self.first_chunk[self.chunk_counts > 0]] = True
        return opens

    def select(self, rows: Column) -> Manifest:
        """The manifest of these files alone; `rows` ascend."""
        if len(rows) == len(self.paths):
            return self
        counts = self.chunk_counts[rows]
        return Manifest(
            cut=self.cut,
            paths=[self.paths[row] for row in rows.tolist()],
            kinds=self.kinds[rows],
            flags=self.flags[rows],
            sizes=self.sizes[rows],
            digests=self.digests[rows],
            chunk_counts=counts,
            tag_sets=self.tag_sets[rows],
            tags=self.tags,
            targets={new: self.targets[old] for new, old in enumerate(rows.tolist()) if old in self.targets},
            chunk_ids=self.chunk_ids[(chunks := self.chunk_rows(rows))],
            chunk_sizes=self.chunk_sizes[chunks],
        )

    def chunk_rows(self, rows: Column) -> Column:
        """The rows of all chunks of these files, file after file."""
        return ranges(self.first_chunk[rows], self.chunk_counts[rows])


def ranges(starts: Column, counts: Column) -> Column:
    """`start, start + 1, …` for each start, `count` of them, one after another."""
    total = int(counts.sum(dtype=np.int64))
    before = np.cumsum(counts, dtype=np.int64) - counts
    return np.arange(total, dtype=np.int64) + np.repeat(starts.astype(np.int64) - before, counts)


def _check_shape(m: Manifest) -> None:
    files, chunks = len(m.paths), len(m.chunk_ids)
    if files > MAX_FILES or chunks > MAX_CHUNKS:
        raise BadManifest(f"{files} files with {chunks} chunks are more than a manifest can hold")
    for name, dtype in _DTYPES.items():
        if getattr(m, name).dtype != dtype:
            raise ValueError(f"column {name} of a manifest has the type {dtype}")
    columns = (m.kinds, m.flags, m.sizes, m.digests, m.chunk_counts, m.tag_sets)
    if any(len(column) != files for column in columns) or len(m.chunk_sizes) != chunks:
        raise BadManifest("the columns are not equally long")
    if int(m.chunk_counts.sum(dtype=np.int64)) != chunks:
        raise BadManifest("the files do not account for all chunks")
    if np.flatnonzero(m.kinds == Kind.LINK).tolist() != sorted(m.targets):
        raise BadManifest("links and targets do not match")


def _check_tags(m: Manifest) -> None:
    names = [name for names in m.tags for name in names]
    if not all(name and name.isprintable() for name in names) or not all(m.tags):
        raise BadManifest("a tag has no printable name")
    if any(list(each) != sorted(set(each)) for each in m.tags) or list(m.tags) != sorted(set(m.tags)):
        raise BadManifest("the tags are not in order")
    if sum(len(name.encode()) + 8 for name in names) > MAX_TAG_BYTES:
        raise BadManifest(f"the sets of tags take more than {MAX_TAG_BYTES} bytes")
    if (m.tag_sets > len(m.tags)).any():
        raise BadManifest("a file carries tags that are not listed")


def _check_content(m: Manifest) -> None:
    regular = m.kinds == Kind.FILE
    if (m.kinds > max(Kind)).any() or (m.flags > EXECUTABLE).any() or (m.flags[~regular] != 0).any():
        raise BadManifest("an entry has an unknown kind or flag")
    wrong_link = any(int(m.sizes[row]) != len(target.encode()) for row, target in m.targets.items())
    if wrong_link or m.sizes[m.kinds == Kind.FOLDER].any():
        raise BadManifest("a link or folder has a wrong size")
    if (m.chunk_counts[~regular] != 0).any() or ((m.chunk_counts == 0) & regular & (m.sizes != 0)).any():
        raise BadManifest("an entry has chunks where it can have none, or none where it has content")
    if len(m.chunk_sizes) and (m.chunk_sizes.min() == 0 or m.chunk_sizes.max() > m.cut.maximum):
        raise BadManifest("a chunk is empty or larger than the cutter makes them")
    filled = m.chunk_counts > 0
    sums = np.add.reduceat(m.chunk_sizes, m.first_chunk[filled], dtype=np.uint64) if filled.any() else m.sizes[:0]
    if not np.array_equal(sums, m.sizes[filled]):
        raise BadManifest("the chunks of a file do not add up to its size")


def _check_digests(m: Manifest) -> None:
    """As far as a digest follows from the rest, it is the one that follows."""
    filled = m.chunk_counts > 0
    expected = m.digests.copy()
    expected[m.kinds == Kind.FOLDER] = 0
    expected[(m.kinds == Kind.FILE) & ~filled] = ids_column(digest_of(b""))
    expected[m.chunk_counts == 1] = m.chunk_ids[m.first_chunk[m.chunk_counts == 1]]
    for row, target in m.targets.items():
        expected[row] = ids_column(digest_of(target.encode()))[0]
    if not np.array_equal(expected, m.digests):
        raise BadManifest("an entry has a digest that does not fit its content")


class BadManifest(Corrupt):
    """A manifest that breaks its own rules."""

    code = "bad-manifest"
    default_cause = "The manifest is damaged, or was not made by Lading."
    default_next = "Run `lading store check STORE`; publish the build again with --rescan."
