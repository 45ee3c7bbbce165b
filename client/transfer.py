"""Carrying out the bytes of a plan: ranges fetched and local ranges copied, decoded, verified, staged.

One task a range, on a few threads; a range passes from the network to the disk on one thread without being handed over.
Whatever comes, from a pack or from this disk, is hashed before it is staged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from chunkstore.columns import Column
from chunkstore.errors import Corrupt
from chunkstore.frames import BadChunk, decode_frame, verify_run
from client.checking import Controls
from client.disk import READ, read_at
from client.staging import Staging
from client.work import run_tasks
from delta.plan import Plan
from manifest.registry import RegistryReader

_COPIES_A_TASK = 64


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where from and where to. `moved(staged, copied)` is told bytes after each task; what is copied is staged, too."""

    registry: RegistryReader
    scope: str
    root: str
    staging: Staging
    controls: Controls
    moved: Callable[[int, int], None]


def transfer(plan: Plan, t: Transfer) -> Column:
    """Stages everything that the plan says; the chunks (rows of the wanted manifest) that were not where they should
    have been on this disk, and are still to be fetched."""
    lost: list[range] = []
    tasks = _tasks(plan)

    def work(task: tuple[str, int, int]) -> None:
        kind, first, last = task
        if kind == "fetch":
            _fetch(plan, first, t)
        else:
            lost.extend(_copy(plan, range(first, last), t))

    run_tasks(tasks, work, threads=t.controls.threads, cancel=t.controls.cancel, brake=t.controls.brake)
    for row, source in plan.moves.items():
        path = os.path.join(t.root, source)
        if not t.staging.link(row, path):
            lost.extend(copy_file(plan, row, path, t))
    rows = [np.arange(each.start, each.stop) for each in lost]
    return np.sort(np.concatenate([np.empty(0, np.int64), *rows]))


def copy_file(plan: Plan, row: int, source: str, t: Transfer) -> list[range]:
    """Copies a whole file of the tree as this row's; the chunk rows of what was not as it should be."""
    wanted = plan.wanted
    chunks = wanted.chunks_of(row)
    sizes = wanted.chunk_sizes[chunks].tolist()
    lost, at = [], 0
    file = _open(source)
    try:
        for number, size in enumerate(sizes, chunks.start):
            data = read_at(file, at, size) if file >= 0 else b""
            verified = verify_run(memoryview(data), [size], wanted.chunk_ids[number].tobytes())
            if verified is None:
                lost.append(range(number, number + 1))
            else:
                t.staging.write(row, at, verified)
            at += size
    finally:
        if file >= 0:
            os.close(file)
    return lost


def _tasks(plan: Plan) -> Iterator[tuple[str, int, int]]:
    for number in range(plan.fetches.requests):
        yield ("fetch", number, number + 1)
    count = len(plan.copies.source)
    for first in range(0, count, _COPIES_A_TASK):
        yield ("copy", first, min(count, first + _COPIES_A_TASK))


def _copy(plan: Plan, numbers: range, t: Transfer) -> list[range]:
    """Copies some ranges; the chunk rows of those that were not what they should be."""
    copies, wanted = plan.copies, plan.wanted
    lost = []
    rows = slice(numbers.start, numbers.stop)
    columns = (
        copies.source,
        copies.start,
        copies.file,
        copies.offset,
        copies.length,
        copies.first_chunk,
        copies.chunk_counts,
    )
    opened, file = -1, -1
    moved = 0
    try:
        for source, start, row, offset, length, first, count in zip(*(c[rows].tolist() for c in columns), strict=True):
            if source != opened:
                if file >= 0:
                    os.close(file)
                file, opened = _open(os.path.join(t.root, plan.sources.manifest.paths[source])), source
            data = read_at(file, start, length) if file >= 0 else b""
            chunks = slice(first, first + count)
            verified = verify_run(
                memoryview(data), wanted.chunk_sizes[chunks].tolist(), wanted.chunk_ids[chunks].tobytes()
            )
            if verified is None:
                lost.append(range(first, first + count))
            else:
                t.staging.write(row, offset, verified)
                moved += length
    finally:
        if file >= 0:
            os.close(file)
    t.moved(moved, moved)
    return lost


def _open(path: str) -> int:
    try:
        return os.open(path, READ)
    except OSError:
        return -1


def _fetch(plan: Plan, number: int, t: Transfer) -> None:
    """Fetches one range and stages what it holds, frame by frame. Damage is asked for once more before it counts."""
    fetches = plan.fetches
    pack = fetches.packs[int(fetches.pack[number])].tobytes().hex()
    offset, length = int(fetches.offset[number]), int(fetches.length[number])
    frame, end = int(fetches.first_frame[number]), int(fetches.first_frame[number + 1])
    for last_try in (False, True):
        data = memoryview(t.registry.pack_range(t.scope, pack, offset, length))
        try:
            while frame < end:
                _stage_frame(plan, frame, data, offset, t)
                frame += 1
            return
        except Corrupt as error:
            error.where = error.where or f"pack {pack} at {int(fetches.frame_offset[frame])}"
            if last_try:
                raise
            t.controls.cancel.check()


def _stage_frame(plan: Plan, frame: int, data: memoryview, base: int, t: Transfer) -> None:
    """Decodes a frame, verifies all that is wanted of it, then stages it: all or nothing, so it can be tried again."""
    fetches, wanted = plan.fetches, plan.wanted
    start = int(fetches.frame_offset[frame]) - base
    stored = data[start : start + int(fetches.frame_stored[frame])]
    raw = decode_frame(int(fetches.frame_kind[frame]), stored, int(fetches.frame_raw[frame]))
    runs = []
    for run in range(int(fetches.first_run[frame]), int(fetches.first_run[frame + 1])):
        begin, size = int(fetches.run_start[run]), int(fetches.run_length[run])
        chunks = fetches.chunks[int(fetches.first_chunk[run]) : int(fetches.first_chunk[run + 1])]
        sizes, ids = wanted.chunk_sizes[chunks].tolist(), wanted.chunk_ids[chunks].tobytes()
        verified = verify_run(raw[begin : begin + size], sizes, ids)
        if verified is None:
            raise BadChunk("a chunk of the store does not have the bytes that its id names")
        runs.append((int(fetches.run_file[run]), int(fetches.run_offset[run]), verified))
    for row, offset, verified in runs:
        t.staging.write(row, offset, verified)
    t.moved(sum(len(verified.data) for _, _, verified in runs), 0)
