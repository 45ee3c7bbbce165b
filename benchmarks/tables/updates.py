"""Updates: what goes over the wire between every two builds of a corpus, by Lading's receipts and by the peers."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations, pairwise
from pathlib import Path

from benchmarks import corpora, lading
from benchmarks.bench import Bench, store_of
from benchmarks.measure import run
from benchmarks.peers import casync, xdelta3, zchunk
from benchmarks.peers.peer import Home
from benchmarks.report import Table, kb, mb, mib
from benchmarks.workplace import say, scratch

COLUMNS = ["from", "to", "MB", "requests", "metadata KB", "seconds", "peak MiB"]


def measure(bench: Bench) -> Table:
    builds = corpora.fetch("bpy", newest=2 if bench.quick else None)
    with ExitStack() as stack:
        home = stack.enter_context(store_of(lading.PEER, *((build.label, build.folder) for build in builds)))
        pairs = list(combinations(builds, 2))
        rows = [update(home, old.label, new.label) for old, new in pairs]
        others = peer_columns(stack, bench, builds)
    table = [[*row, *(column.get((row[0], row[1]), "") for column in others.values())] for row in rows]
    notes = [
        "MB: bytes of packs; metadata: everything else received; requests: all. From the receipts of `lading update`.",
        "Peers: bytes that a client holding the old build lacks; in brackets chunks, each a request or part of one.",
        "xdelta3: one delta between whole tar archives, made for one pair of builds; steps to the next build only.",
    ]
    return Table("updates", "Update from any bpy build to any later one", [*COLUMNS, *others], table, notes)


def update(home: Home, old: str, new: str) -> list[object]:
    with scratch(in_memory=True) as folder:
        lading.call(home, "install", lading.GAME, "--into", folder, "--store", home.store, "--version", old)
        sample = run(lading.command(home, "update", folder, "--version", new))
    actual = lading.receipt(sample)
    wire = [mb(actual["download_bytes"]), actual["requests"], kb(actual["metadata_bytes"])]
    return [old, new, *wire, f"{sample.wall:.2f}", mib(sample.rss)]


def peer_columns(
    stack: ExitStack, bench: Bench, builds: Sequence[corpora.Build]
) -> dict[str, dict[tuple[object, object], str]]:
    """A column a peer: a cell for each pair of builds that it was measured on."""
    columns: dict[str, dict[tuple[object, object], str]] = {}
    present = {peer.name: peer for peer in bench.contestants(slow=True)}
    for module in (casync, zchunk):
        if peer := present.get(module.PEER.name):
            home = stack.enter_context(store_of(peer, *((build.label, build.folder) for build in builds)))
            counts = {pair: module.update(home, *pair) for pair in combinations([b.label for b in builds], 2)}
            columns[f"{peer.name} MB"] = {pair: f"{mb(size)} ({pieces})" for pair, (size, pieces) in counts.items()}
    if bench.with_peers and not bench.quick:
        columns["xdelta3 MB"] = deltas(builds)
    return columns


def deltas(builds: Sequence[corpora.Build]) -> dict[tuple[object, object], str]:
    if not xdelta3.ready():
        say("xdelta3 is not installed and could not be: the table goes without it")
        return {}
    return {(old.label, new.label): mb(delta(old.folder, new.folder)) for old, new in pairwise(builds)}


def delta(old: Path, new: Path) -> int:
    with scratch() as folder:
        return xdelta3.delta_bytes(old, new, folder)
