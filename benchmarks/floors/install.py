"""Floor of an install: `python -m benchmarks.floors.install STORE OUT [--threads 2]`; STORE is the publish floor's.

Each thread takes runs of neighbouring frames: reads them in one range, decompresses, hashes every chunk, writes it
wherever the build has it, and makes a file durable when its last byte is there.
"""

import argparse
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from benchmarks.floors.stopwatch import Stopwatch, keep_freed_memory

RUN = 16


@dataclass(slots=True)
class Plan:
    """Where everything lies and goes: runs of frame numbers, chunks of each frame, bytes that each file still lacks."""

    packs: dict[int, int]
    frames: dict[int, tuple[int, int, int]]
    chunks: dict[int, list[tuple[bytes, int, int]]]
    targets: dict[bytes, list[tuple[str, int]]]
    lacking: dict[str, int]
    lock: Lock = field(default_factory=Lock)

    def runs(self) -> list[list[int]]:
        order = sorted(self.frames, key=lambda number: self.frames[number][:2])
        return [order[start : start + RUN] for start in range(0, len(order), RUN)]


def main() -> None:
    watch = Stopwatch()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    keep_freed_memory()
    watch.report(install(chosen.store, chosen.out, chosen.threads))


def install(store: Path, out: Path, threads: int) -> int:
    plan = read_plan(store, out)
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(lambda run: fill(plan, run), plan.runs()))


def read_plan(store: Path, out: Path) -> Plan:
    import msgpack

    index: dict[str, Any] = msgpack.unpackb((store / "index.msgpack").read_bytes(), strict_map_key=False)
    packs = {number: os.open(store / name, os.O_RDONLY) for number, name in index["packs"].items()}
    plan = Plan(packs, index["frames"], defaultdict(list), defaultdict(list), {})
    for identity, (frame, start, size) in index["chunks"].items():
        plan.chunks[frame].append((identity, start, size))
    for relative, ids in index["files"]:
        path, position = str(out / relative), 0
        os.makedirs(os.path.dirname(path), exist_ok=True)
        for identity in ids:
            plan.targets[identity].append((path, position))
            position += index["chunks"][identity][2]
        plan.lacking[path] = position
        if not ids:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
    return plan


def fill(plan: Plan, run: list[int]) -> int:
    import zstandard
    from blake3 import blake3

    decompressor = zstandard.ZstdDecompressor()
    written: dict[str, int] = defaultdict(int)
    files: dict[str, int] = {}
    for number, stored in read_run(plan, run):
        raw = memoryview(decompressor.decompress(stored))
        for identity, start, size in plan.chunks[number]:
            piece = raw[start : start + size]
            if blake3(piece, max_threads=1).digest() != identity:
                raise SystemExit("a chunk of the floor's own store is damaged")
            for path, position in plan.targets[identity]:
                if path not in files:
                    files[path] = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
                os.pwrite(files[path], piece, position)
                written[path] += size
    for path, size in written.items():
        finish(plan, path, files[path], size)
    return sum(written.values())


def read_run(plan: Plan, run: list[int]) -> list[tuple[int, memoryview]]:
    """The stored bytes of neighbouring frames, one read for each pack that they lie in."""
    pieces: list[tuple[int, memoryview]] = []
    for pack in {plan.frames[number][0] for number in run}:
        inside = [number for number in run if plan.frames[number][0] == pack]
        _, first, _ = plan.frames[inside[0]]
        _, last, length = plan.frames[inside[-1]]
        data = memoryview(os.pread(plan.packs[pack], last + length - first, first))
        for number in inside:
            _, offset, length = plan.frames[number]
            pieces.append((number, data[offset - first : offset - first + length]))
    return pieces


def finish(plan: Plan, path: str, descriptor: int, size: int) -> None:
    with plan.lock:
        plan.lacking[path] -= size
        complete = not plan.lacking[path]
    if complete:
        os.fsync(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    main()
