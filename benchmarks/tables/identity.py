"""Identity: every build installed, and updated to every later one, compared with its source by foreign tools."""

import subprocess
from itertools import combinations
from pathlib import Path

from benchmarks import corpora, lading, webhost
from benchmarks.bench import Bench, store_of
from benchmarks.peers.peer import Home
from benchmarks.report import Table
from benchmarks.workplace import emptied, scratch

COLUMNS = ["corpus", "store", "installs", "updates", "differences"]
TAR = "tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --exclude=./.lading -cf - . | sha256sum"


def measure(bench: Bench) -> Table:
    rows: list[list[object]] = []
    for name in ("bpy", "wesnoth"):
        builds = corpora.fetch(name, newest=2 if bench.quick else None)
        with store_of(lading.PEER, *((b.label, b.folder) for b in builds)) as home:
            rows.append([name, "folder", *compared(home, str(home.store), builds)])
            if webhost.available():
                with webhost.hosting(home.store) as nginx:
                    rows.append([name, "nginx", *compared(home, nginx.url, builds)])
    notes = [
        "Each build installed by itself, and each updated to every later one, so also past the ones between.",
        "Compared by `diff -r` for bytes and by the SHA-256 of a sorted `tar` without times and owners for modes.",
    ]
    return Table("identity", "What is installed is what was published", COLUMNS, rows, notes)


def compared(home: Home, store: str, builds: list[corpora.Build]) -> list[int]:
    """Installs, updates and differences found."""
    installs = updates = differences = 0
    modes = {build.label: digest(build.folder) for build in builds}
    with scratch(in_memory=True) as folder:
        for build in builds:
            install(home, store, build, emptied(folder / "tree"))
            differences += differs(build.folder, folder / "tree", modes[build.label])
            installs += 1
        for old, new in combinations(builds, 2):
            install(home, store, old, emptied(folder / "tree"))
            lading.call(home, "update", folder / "tree", "--version", new.label)
            differences += differs(new.folder, folder / "tree", modes[new.label])
            updates += 1
    return [installs, updates, differences]


def install(home: Home, store: str, build: corpora.Build, into: Path) -> None:
    lading.call(home, "install", lading.GAME, "--into", into, "--store", store, "--version", build.label)


def differs(source: Path, tree: Path, modes: str) -> bool:
    same_bytes = subprocess.run(["diff", "-r", "--exclude=.lading", source, tree], capture_output=True, check=False)
    return same_bytes.returncode != 0 or digest(tree) != modes


def digest(folder: Path) -> str:
    """Of names, modes, links and bytes of a tree; empty folders count, the client's own folder does not."""
    done = subprocess.run(TAR, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()[0]
