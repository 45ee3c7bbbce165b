"""Publish: a first build, the next one, and the same folder again, each beside the floor and the peers."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import corpora, lading
from benchmarks.bench import Bench, from_snapshot, store_of
from benchmarks.floors import programs
from benchmarks.measure import Command, Contestant, Sample, alternate
from benchmarks.peers.peer import Home, Peer
from benchmarks.report import TIMING, Table, timing, wall
from benchmarks.workplace import emptied, scratch, tree_bytes


def measure(bench: Bench) -> Table:
    old, new = corpora.fetch("bpy", newest=2)
    size = tree_bytes(new.folder)
    rows: list[list[object]] = []
    samples: dict[str, list[Sample]] = {}
    for case, prepared in (("first", first), ("next", following), ("unchanged", unchanged)):
        with ExitStack() as stack:
            runs = alternate(prepared(stack, bench, old, new), bench.rounds)
        rows += [[case, name, *timing(taken, size), *against(runs, taken)] for name, taken in runs.items()]
        samples |= {f"{case} {name}": taken for name, taken in runs.items()}
    notes = [
        f"Folder: bpy {new.label}, {size / 1e6:,.0f} MB in the page cache; `next` publishes it after {old.label}.",
        "`unchanged`: the floor is a bare walk that looks at every file, plus the imports of `lading publish`.",
        "Lading and the floor make every pack durable before they go on; not every peer does.",
    ]
    columns = ["case", "program", *TIMING, "floor ÷ it", "it ÷ lading"]
    return Table("publish", "Publish", columns, rows, notes, samples)


def against(runs: dict[str, list[Sample]], taken: list[Sample]) -> list[str]:
    """How fast it is measured by the floor (1 is as fast), and how many times as long as Lading it takes."""
    return [f"{wall(runs['floor']) / wall(taken):.2f}", f"{wall(taken) / wall(runs['lading']):.2f}"]


def first(stack: ExitStack, bench: Bench, _: corpora.Build, new: corpora.Build) -> list[Contestant]:
    out = stack.enter_context(scratch())
    entries = [programs.contestant(lambda: programs.floor("publish", new.folder, emptied(out)))]
    for peer in bench.contestants():
        home = stack.enter_context(store_of(peer))
        entries.append(Contestant(peer.name, from_snapshot(home, publishing(peer, home, new))))
    return entries


def following(stack: ExitStack, bench: Bench, old: corpora.Build, new: corpora.Build) -> list[Contestant]:
    out = stack.enter_context(scratch())
    entries = [programs.contestant(lambda: programs.floor("republish", new.folder, old.folder, emptied(out)))]
    for peer in bench.contestants():
        home = stack.enter_context(store_of(peer, (old.label, old.folder)))
        entries.append(Contestant(peer.name, from_snapshot(home, publishing(peer, home, new))))
    return entries


def unchanged(stack: ExitStack, bench: Bench, _: corpora.Build, new: corpora.Build) -> list[Contestant]:
    entries = []
    modules: list[str] = []
    for peer in bench.contestants():
        home = stack.enter_context(store_of(peer, ("before", new.folder)))
        if peer is lading.PEER:
            modules = imports_of_publish(home, new.folder)
        entries.append(Contestant(peer.name, from_snapshot(home, publishing(peer, home, new))))
    return [programs.contestant(lambda: programs.floor("walk", new.folder, *modules)), *entries]


def imports_of_publish(home: Home, folder: Path) -> list[str]:
    return lading.imported_by(home, "publish", folder, lading.GAME, "--store", home.store, "--version", "imports")


def publishing(peer: Peer, home: Home, build: corpora.Build) -> Callable[[], Command]:
    return lambda: peer.publish(home, build.folder, build.label)
