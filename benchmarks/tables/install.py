"""Install: a build out of a local store, and out of the same store behind nginx, into memory."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import corpora, lading, webhost
from benchmarks.bench import Bench, into, store_of
from benchmarks.floors import programs
from benchmarks.measure import Command, Contestant, alternate, run
from benchmarks.peers.peer import Home
from benchmarks.report import TIMING, Table, timing, wall
from benchmarks.workplace import scratch, tree_bytes


def measure(bench: Bench) -> Table:
    build = corpora.fetch("bpy", newest=1)[0]
    size = tree_bytes(build.folder)
    with ExitStack() as stack:
        target = stack.enter_context(scratch(in_memory=True)) / "build"
        samples = alternate(entries(stack, bench, build, target), bench.rounds)
    rows = [
        [
            name,
            *timing(runs, size),
            f"{wall(samples['floor']) / wall(runs):.2f}",
            f"{wall(runs) / wall(samples['lading']):.2f}",
        ]
        for name, runs in samples.items()
    ]
    notes = [f"bpy {build.label}, {size / 1e6:,.0f} MB, from a store in the page cache to tmpfs."]
    columns = ["program", *TIMING, "floor ÷ it", "it ÷ lading"]
    return Table("install", "Install", columns, rows, notes, samples)


def entries(stack: ExitStack, bench: Bench, build: corpora.Build, target: Path) -> list[Contestant]:
    dump = stack.enter_context(scratch())
    run(programs.floor("publish", build.folder, dump))
    found = [programs.contestant(into(target, lambda folder: programs.floor("install", dump, folder)))]
    for peer in bench.contestants():
        if peer.install is None:
            continue
        home = stack.enter_context(store_of(peer, (build.label, build.folder)))
        found.append(Contestant(peer.name, into(target, installing(peer.install, home, build))))
        if peer is lading.PEER and webhost.available():
            url = stack.enter_context(webhost.hosting(home.store)).url
            found.append(Contestant("lading from nginx", into(target, from_web(home, url))))
    return found


def installing(
    install: Callable[[Home, str, Path], Command], home: Home, build: corpora.Build
) -> Callable[[Path], Command]:
    return lambda folder: install(home, build.label, folder)


def from_web(home: Home, url: str) -> Callable[[Path], Command]:
    return lambda folder: lading.command(home, "install", lading.GAME, "--into", folder, "--store", url)
