"""Comparing files on this disk with the chunks that a manifest lists: which chunks are there, each in its place.

Works on several threads. A file is hashed as a whole first, because the usual answer is "all of it": only files that
differ, and those too large for one thread, are hashed chunk by chunk, in ranges.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from blake3 import blake3

from chunkstore.cancel import Cancel
from chunkstore.columns import Column, ids_column
from client.disk import READ, read_at
from client.work import Brake, run_tasks
from manifest.model import Manifest

RANGE = 1024 * 1024
_SPLIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Controls:
    """How much at once, and how it is told to stop or wait."""

    threads: int
    cancel: Cancel
    brake: Brake


def check_files(
    files: Sequence[tuple[str, int]], manifest: Manifest, controls: Controls, progress: Callable[[int], None]
) -> Column:
    """For each chunk of `manifest` whether it lies in its place, for the files given as (path to open, row).

    Chunks of other files are false. A file that cannot be read, or is shorter, simply lacks those chunks.
    """
    found = np.zeros(len(manifest.chunk_ids), dtype=bool)
    damaged: list[tuple[str, int]] = []

    def check(task: _Whole | _Range) -> None:
        if isinstance(task, _Whole):
            for path, row in task.files:
                if _digest(path) == manifest.digests[row].tobytes():
                    found[manifest.chunks_of(row)] = True
                    progress(int(manifest.sizes[row]))
                else:
                    damaged.append((path, row))
        else:
            _check_range(task, manifest.chunk_ids, found)
            progress(task.length)

    for tasks in (_tasks(files, manifest), _ranges_of(damaged, manifest)):
        run_tasks(tasks, check, threads=controls.threads, cancel=controls.cancel, brake=controls.brake)
    return found


@dataclass(frozen=True, slots=True)
class _Whole:
    """Files to compare by their digests: no more Python for a file of a thousand chunks than for one of one."""

    files: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class _Range:
    """A run of chunks of one file to compare one by one, from the row `first` on."""

    path: str
    first: int
    sizes: list[int]
    offset: int
    length: int


def _tasks(files: Sequence[tuple[str, int]], manifest: Manifest) -> Iterator[_Whole | _Range]:
    """Small files together and whole; a file that would keep one thread busy alone in ranges, for all threads."""
    group: list[tuple[str, int]] = []
    size = 0
    for path, row in files:
        length = int(manifest.sizes[row])
        if length > _SPLIT:
            yield from _ranges_of([(path, row)], manifest)
            continue
        if length:
            group.append((path, row))
            size += length
        if size > RANGE:
            yield _Whole(group)
            group, size = [], 0
    if group:
        yield _Whole(group)


def _ranges_of(files: Iterable[tuple[str, int]], manifest: Manifest) -> Iterator[_Range]:
    for path, row in files:
        chunks = manifest.chunks_of(row)
        sizes = manifest.chunk_sizes[chunks].tolist()
        start, offset, length = 0, 0, 0
        for number, size in enumerate(sizes):
            if length + size > RANGE:
                yield _Range(path, chunks.start + start, sizes[start:number], offset, length)
                start, offset, length = number, offset + length, 0
            length += size
        if length:
            yield _Range(path, chunks.start + start, sizes[start:], offset, length)


def _digest(path: str) -> bytes:
    """BLAKE3 of a file, or nothing if it cannot be read."""
    hasher = blake3(max_threads=1)
    try:
        with _reading(path) as file:
            at = 0
            while data := read_at(file, at, RANGE):
                hasher.update(data)
                at += len(data)
    except OSError:
        return b""
    return hasher.digest()


def _check_range(task: _Range, expected: Column, found: Column) -> None:
    """Notes which chunks of a range are right; whole chunks past the end of a short file are not."""
    try:
        with _reading(task.path) as file:
            data = memoryview(read_at(file, task.offset, task.length))
    except OSError:
        return
    digests, at = [], 0
    for size in task.sizes:
        if at + size > len(data):
            break
        digests.append(blake3(data[at : at + size], max_threads=1).digest())
        at += size
    rows = slice(task.first, task.first + len(digests))
    found[rows] = (ids_column(b"".join(digests)) == expected[rows]).all(axis=1)


@contextmanager
def _reading(path: str) -> Iterator[int]:
    file = os.open(path, READ)
    try:
        yield file
    finally:
        os.close(file)
