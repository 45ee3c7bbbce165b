"""Verify: every byte of an installed build against its manifest, and the quick look that trusts unchanged files."""

from benchmarks import corpora, lading
from benchmarks.bench import Bench, store_of
from benchmarks.floors import programs
from benchmarks.measure import Contestant, alternate
from benchmarks.report import TIMING, Table, timing, wall
from benchmarks.workplace import scratch, tree_bytes


def measure(bench: Bench) -> Table:
    build = corpora.fetch("bpy", newest=1)[0]
    size = tree_bytes(build.folder)
    with store_of(lading.PEER, (build.label, build.folder)) as home, scratch(in_memory=True) as folder:
        lading.call(home, "install", lading.GAME, "--into", folder, "--store", home.store)
        entries = [
            programs.contestant(lambda: programs.floor("verify", folder)),
            Contestant("lading verify --full", lambda: lading.command(home, "verify", folder, "--full")),
            Contestant("lading verify", lambda: lading.command(home, "verify", folder)),
        ]
        samples = alternate(entries, bench.rounds)
    rows = [[name, *timing(runs, size), f"{wall(samples['floor']) / wall(runs):.2f}"] for name, runs in samples.items()]
    notes = [
        f"bpy {build.label}, {size / 1e6:,.0f} MB in memory. The floor reads and hashes every file on two threads."
    ]
    return Table("verify", "Verify", ["program", *TIMING, "floor ÷ it"], rows, notes, samples)
