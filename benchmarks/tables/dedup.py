"""Dedup: how little a store grows as build after build is published into it."""

from pathlib import Path

from benchmarks import corpora
from benchmarks.bench import Bench, store_of
from benchmarks.measure import run
from benchmarks.peers.peer import Peer
from benchmarks.report import Table, mb, mib
from benchmarks.workplace import tree_bytes

COLUMNS = ["dedup ratio", "stored MB", "new MB", "new files", "corpus", "build", "program", "publish s", "peak MiB"]


def measure(bench: Bench) -> Table:
    sequences = (
        {"bpy": corpora.fetch("bpy", newest=2)} if bench.quick else {n: corpora.fetch(n) for n in corpora.recipes()}
    )
    rows = [
        row
        for name, builds in sequences.items()
        for peer in bench.contestants(slow=True)
        for row in sequence(peer, name, builds)
    ]
    notes = [
        "Dedup ratio: bytes of all builds published so far ÷ bytes of the store's files. Each time is a single run."
    ]
    return Table("dedup", "Dedup ratio after each build of a sequence", COLUMNS, rows, notes)


def sequence(peer: Peer, corpus: str, builds: list[corpora.Build]) -> list[list[object]]:
    rows: list[list[object]] = []
    logical = stored = files = 0
    with store_of(peer) as home:
        for build in builds:
            sample = run(peer.publish(home, build.folder, build.label))
            logical += tree_bytes(build.folder)
            before, stored = stored, tree_bytes(home.store)
            files_before, files = files, count(home.store)
            cost = [f"{sample.wall:.2f}", mib(sample.rss)]
            sizes = [f"{logical / stored:.2f}", mb(stored), mb(stored - before), files - files_before]
            rows.append([*sizes, corpus, build.label, peer.name, *cost])
    return rows


def count(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
