"""Small stays small: 13 changed chunks in a build of 2 GB, from a plain web host, from many versions back."""

import shutil
from pathlib import Path

from benchmarks import generate, lading, webhost
from benchmarks.bench import Bench, store_of
from benchmarks.measure import run
from benchmarks.peers.peer import Home
from benchmarks.report import Table, kb
from benchmarks.workplace import scratch, tree_bytes
from tests.kit.nginx import Nginx

BYTES = 2_000_000_000
VERSIONS = 24
BACK = (1, 2, 4, 8, 12, 16, 17, 20, 23)
COLUMNS = [
    "versions back",
    "metadata KB",
    "other requests",
    "pack KB",
    "pack requests",
    "receipt metadata KB",
    "receipt requests",
]


def measure(bench: Bench) -> Table:
    size, versions, back = (200_000_000, 4, (1, 3)) if bench.quick else (BYTES, VERSIONS, BACK)
    with scratch() as folder, store_of(lading.PEER) as home:
        wrote = publish_versions(home, folder, size // generate.BLOCK, versions, {versions - steps for steps in back})
        with webhost.hosting(home.store) as nginx:
            rows = [update(home, nginx, versions - steps, versions) for steps in back]
        total = tree_bytes(folder)
    notes = [
        f"A generated build of {total / 1e6:,.0f} MB, {versions} versions, 13 chunks changed in each.",
        "Each player last looked when their version was the newest.",
        "Without `receipt`: as nginx itself counted. Metadata is everything but packs.",
        f"The last publish wrote {wrote / 1e3:,.1f} KB into the store.",
    ]
    return Table("small", "A small update of a large build from a plain web host", COLUMNS, rows, notes)


def publish_versions(home: Home, folder: Path, blocks: int, versions: int, met: set[int]) -> int:
    """Publishes the build and its later versions; the bytes that the last publish added to the store.

    Players meet the game at the versions `met`, and do not look again before they update.
    """
    generate.build(folder, range(blocks))
    before = 0
    for version in range(1, versions + 1):
        if version > 1:
            generate.touch(folder, version)
        before = tree_bytes(home.store)
        run(lading.publish(home, folder, f"v{version}"))
        if version in met:
            with scratch(in_memory=True) as target:
                lading.call(home, "install", lading.GAME, "--into", target, "--store", home.store)
            lading.memory(home).rename(_memory_of(home, version))
    return tree_bytes(home.store) - before


def _memory_of(home: Home, version: int) -> Path:
    return home.private / f"met-at-{version}"


def update(home: Home, nginx: Nginx, old: int, newest: int) -> list[object]:
    with scratch(in_memory=True) as folder:
        lading.call(home, "install", lading.GAME, "--into", folder, "--store", home.store, "--version", f"v{old}")
        shutil.rmtree(lading.memory(home))
        shutil.copytree(_memory_of(home, old), lading.memory(home), symlinks=True)
        nginx.forget()
        sample = run(lading.command(home, "update", folder, "--store", nginx.url))
        asked = nginx.requests()
    packs = [request for request in asked if "/packs/" in request.path]
    other = [request for request in asked if "/packs/" not in request.path]
    actual = lading.receipt(sample)
    return [
        newest - old,
        kb(sum(request.body_bytes for request in other)),
        len(other),
        kb(sum(request.body_bytes for request in packs)),
        len(packs),
        kb(actual["metadata_bytes"]),
        actual["requests"],
    ]
