"""Manifest: encoding, decoding and planning with a million chunks; the one table that calls the library itself."""

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np

from benchmarks.bench import Bench
from benchmarks.report import Table
from chunkstore.columns import Column
from chunkstore.cutting import DEFAULT
from chunkstore.placements import Placement
from delta.plan import Inventory, Plan, Sources, make_plan
from manifest.model import Manifest
from manifest.payload import decode_manifest, encode_manifest

CHUNKS = 1_000_000
FILES = 10_000
CHUNKS_PER_FRAME, FRAMES_PER_PACK, CHUNK, STORED = 14, 40, 36 * 1024, 400 * 1024


def measure(bench: Bench) -> Table:
    chunks, files = (CHUNKS // 10, FILES // 10) if bench.quick else (CHUNKS, FILES)
    old = manifest(files, chunks // files)
    new = changed(old, every=100)
    payload = encode_manifest(new)
    rounds = 1 if bench.quick else bench.rounds
    share = chunks / CHUNKS
    bound = 36 * chunks + 90 * files + 1024
    rows: list[list[object]] = [
        ["encode", milliseconds(lambda: encode_manifest(new), rounds), f"{150 * share:.0f} ms"],
        [
            "decode and check",
            milliseconds(lambda: decode_manifest(payload), rounds),
            f"{60 * share + files * 5e-3:.0f} ms",
        ],
        ["plan, 1 % of the chunks changed", milliseconds(lambda: plan(old, new), rounds), f"{1500 * share:.0f} ms"],
        ["payload", f"{len(payload):,} bytes", f"{bound:,} bytes"],
    ]
    notes = [f"{chunks:,} chunks in {files:,} files, in this process, medians."]
    return Table("manifest", "Manifest", ["step", "measured", "goal"], rows, notes)


def manifest(files: int, per_file: int) -> Manifest:
    """A manifest of random ids in files of equal length."""
    random = np.random.default_rng(1)
    count = files * per_file
    return Manifest(
        cut=DEFAULT,
        paths=[f"content/level{row // 100:03}/asset{row % 100:02}.pak" for row in range(files)],
        kinds=np.zeros(files, "|u1"),
        flags=np.zeros(files, "|u1"),
        sizes=np.full(files, per_file * CHUNK, "<u8"),
        digests=ids(random, files),
        chunk_counts=np.full(files, per_file, "<u4"),
        tag_sets=np.zeros(files, "<u2"),
        tags=(),
        targets={},
        chunk_ids=ids(random, count),
        chunk_sizes=np.full(count, CHUNK, "<u4"),
    )


def changed(old: Manifest, every: int) -> Manifest:
    """The next build: one chunk in so many is another one, and so is each file that has one."""
    random = np.random.default_rng(2)
    chunk_ids, digests = old.chunk_ids.copy(), old.digests.copy()
    rows = np.arange(0, len(chunk_ids), every)
    chunk_ids[rows] = ids(random, len(rows))
    files = np.unique(old.chunk_files()[rows])
    digests[files] = ids(random, len(files))
    return replace(old, chunk_ids=chunk_ids, digests=digests)


def plan(old: Manifest, new: Manifest) -> Plan:
    """The plan of the update, with the old build intact on disk."""
    sources = Sources(old)
    inventory = Inventory(
        manifest=old,
        intact=np.ones(len(old.paths), dtype=bool),
        present=(old.digests == new.digests).all(axis=1),
        mode_wrong=np.zeros(len(new.paths), dtype=bool),
        sources=sources,
        staged=np.zeros(len(new.chunk_ids), dtype=bool),
    )
    missing = np.flatnonzero((old.chunk_ids != new.chunk_ids).any(axis=1))
    return make_plan(new, inventory, missing, placement(len(missing)))


def placement(chunks: int) -> Placement:
    """The chunks one after another in frames of full length, the frames one after another in packs."""
    frame = np.arange(chunks, dtype="<u4") // CHUNKS_PER_FRAME
    frames = np.arange(-(-chunks // CHUNKS_PER_FRAME), dtype="<u4")
    packs = -(-len(frames) // FRAMES_PER_PACK)
    return Placement(
        packs=ids(np.random.default_rng(3), packs),
        frame_pack=frames // FRAMES_PER_PACK,
        frame_offset=frames % FRAMES_PER_PACK * np.uint32(STORED),
        frame_stored=np.full(len(frames), STORED, "<u4"),
        frame_raw=np.full(len(frames), CHUNKS_PER_FRAME * CHUNK, "<u4"),
        frame_kind=np.ones(len(frames), "|u1"),
        chunk_frame=frame,
        chunk_offset=np.arange(chunks, dtype="<u4") % CHUNKS_PER_FRAME * np.uint32(CHUNK),
    )


def ids(random: np.random.Generator, count: int) -> Column:
    return random.integers(0, 1 << 64, size=(count, 4), dtype="<u8")


def milliseconds(work: Callable[[], object], rounds: int) -> str:
    taken = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return f"{median(taken[1:]) * 1000:,.1f} ms"
