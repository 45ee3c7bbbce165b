"""Two million chunks: memory when a build is huge, its chunks small and distinct, and reuse spans all of it.

The second build has the blocks of the first in an order in which no two neighbours were near each other, so that every
worker needs, all the time, chunks from everywhere in the old build.
"""

from pathlib import Path

from benchmarks import generate, lading
from benchmarks.bench import Bench, store_of
from benchmarks.measure import Sample, run
from benchmarks.peers.peer import Home
from benchmarks.report import TIMING, Table, timing
from benchmarks.workplace import scratch, tree_bytes

BLOCKS = 36_240
AVERAGE = 4096
COLUMNS = ["step", *TIMING, "chunks", "bound MiB", "download MB"]
FIXED_MIB = {"publish": 200, "install": 150, "update": 150}


def measure(bench: Bench) -> Table:
    blocks = 2_000 if bench.quick else BLOCKS
    with scratch() as old, scratch() as new, store_of(lading.PEER) as home, scratch() as installed:
        size = generate.build(old, range(blocks))
        generate.build(new, generate.scattered(blocks))
        samples = {
            "publish old": publish(home, old, "old"),
            "publish new": publish(home, new, "new"),
            "install old": run(lading.install(home, "old", installed)),
            "update to new": run(lading.command(home, "update", installed, "--version", "new")),
        }
        size = tree_bytes(old)
    chunks = {label: lading.result(samples[f"publish {label}"])["chunks"] for label in ("old", "new")}
    rows = [row(step, sample, size, chunks) for step, sample in samples.items()]
    notes = [
        f"{size / 1e9:.2f} GB a build, average chunk {AVERAGE} bytes at the cutter, no block twice, nothing sparse.",
        "Bound: 200 MiB to publish, 150 to install or update, each + 100 bytes a chunk of old and new build together.",
    ]
    return Table("two-million", "Memory at two million distinct chunks", COLUMNS, rows, notes)


def publish(home: Home, folder: Path, label: str) -> Sample:
    words = ["publish", folder, lading.GAME, "--store", home.store, "--version", label, "--chunk-average", AVERAGE]
    return run(lading.command(home, *words))


def row(step: str, sample: Sample, size: int, chunks: dict[str, int]) -> list[object]:
    verb = step.partition(" ")[0]
    involved = chunks["old"] if step.endswith("old") else sum(chunks.values())
    bound = FIXED_MIB[verb] + involved * 100 / 2**20
    download = "" if verb == "publish" else f"{lading.receipt(sample)['download_bytes'] / 1e6:,.0f}"
    return [step, *timing([sample], size), f"{involved:,}", f"{bound:,.0f}", download]
