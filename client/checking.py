"""Comparing files on this disk with the chunks that a manifest lists: which chunks are there, each in its place.

Works in ranges of a few MiB on several threads. A range is hashed chunk by chunk and compared as a whole first, so that
the usual answer, "all of it", costs no loop over ids.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from blake3 import blake3

from chunkstore.cancel import Cancel
from chunkstore.columns import Column, ids_column
from client.disk import READ, read_at
from client.work import Brake, run_tasks
from manifest.model import Manifest

RANGE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Controls:
    """How much at once, and how it is told to stop or wait."""

    threads: int
    cancel: Cancel
    brake: Brake


@dataclass(frozen=True, slots=True)
class _Task:
    path: str
    first: int
    sizes: list[int]
    offset: int
    length: int


def check_files(
    files: Sequence[tuple[str, int]], manifest: Manifest, controls: Controls, progress: Callable[[int], None]
) -> Column:
    """For each chunk of `manifest` whether it lies in its place, for the files given as (path to open, row).

    Chunks of other files are false. A file that cannot be read, or is shorter, simply lacks those chunks.
    """
    found = np.zeros(len(manifest.chunk_ids), dtype=bool)
    expected = manifest.chunk_ids

    def check(task: _Task) -> None:
        digests = _hash_range(task)
        ids = ids_column(digests)
        rows = slice(task.first, task.first + len(ids))
        if ids.tobytes() == expected[rows].tobytes():
            found[rows] = True
        else:
            found[rows] = (ids == expected[rows]).all(axis=1)
        progress(task.length)

    run_tasks(_tasks(files, manifest), check, threads=controls.threads, cancel=controls.cancel, brake=controls.brake)
    return found


def _tasks(files: Sequence[tuple[str, int]], manifest: Manifest) -> Iterator[_Task]:
    for path, row in files:
        chunks = manifest.chunks_of(row)
        sizes = manifest.chunk_sizes[chunks].tolist()
        start, offset, length = 0, 0, 0
        for number, size in enumerate(sizes):
            if length + size > RANGE:
                yield _Task(path, chunks.start + start, sizes[start:number], offset, length)
                start, offset, length = number, offset + length, 0
            length += size
        if length:
            yield _Task(path, chunks.start + start, sizes[start:], offset, length)


def _hash_range(task: _Task) -> bytes:
    """The ids of the whole chunks that can be read at this place."""
    try:
        file = os.open(task.path, READ)
        try:
            data = memoryview(read_at(file, task.offset, task.length))
        finally:
            os.close(file)
    except OSError:
        return b""
    digests, at = [], 0
    for size in task.sizes:
        if at + size > len(data):
            break
        digests.append(blake3(data[at : at + size], max_threads=1).digest())
        at += size
    return b"".join(digests)
