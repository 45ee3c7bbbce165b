"""Locality: what it costs to install the newest build from a store that holds all builds instead of only it."""

from benchmarks import corpora, lading
from benchmarks.bench import Bench, store_of
from benchmarks.measure import run
from benchmarks.report import Table, mb
from benchmarks.workplace import scratch


def measure(bench: Bench) -> Table:
    builds = corpora.fetch("bpy", newest=2 if bench.quick else None)
    one, many = install(builds[-1:]), install(builds)
    rows: list[list[object]] = [
        [f"only {builds[-1].label}", mb(one["download_bytes"]), one["requests"], "", ""],
        [
            f"{len(builds)} builds",
            mb(many["download_bytes"]),
            many["requests"],
            f"{many['requests'] / one['requests']:.2f}",
            f"{many['download_bytes'] / one['download_bytes'] - 1:.1%}",
        ],
    ]
    notes = ["More bytes: gaps that were read over, and frames of older builds of which only a part is still wanted."]
    columns = ["store holds", "MB", "requests", "requests, times", "more bytes"]
    return Table("locality", f"Install bpy {builds[-1].label} from a store with a past", columns, rows, notes)


def install(builds: list[corpora.Build]) -> dict[str, int]:
    newest = builds[-1].label
    with store_of(lading.PEER, *((b.label, b.folder) for b in builds)) as home, scratch(in_memory=True) as folder:
        return lading.receipt(run(lading.install(home, newest, folder)))
