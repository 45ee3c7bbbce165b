"""Cutters: the one that Lading uses beside `fastcdc`, an older variant of the algorithm that holds Python's lock."""

import time
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

from blake3 import blake3
from pyfastcdc import FastCDC

from benchmarks import corpora
from benchmarks.bench import Bench
from benchmarks.report import Table, mb
from benchmarks.workplace import say

MINIMUM, AVERAGE, MAXIMUM = 8 * 1024, 32 * 1024, 128 * 1024
WINDOW = 256 * 1024 * 1024

Cut = Callable[[bytes], Iterable[tuple[int, int]]]


def measure(bench: Bench) -> Table:
    old, new = (largest(build.folder).read_bytes()[:WINDOW] for build in corpora.fetch("bpy", newest=2))
    rows = [row(name, cut, old, new, 1 if bench.quick else bench.rounds) for name, cut in cutters().items()]
    notes = [
        f"The largest file of the two newest bpy builds, {mb(len(new))} MB; {MINIMUM}/{AVERAGE}/{MAXIMUM} bytes.",
        "New MB: raw bytes of the chunks that the older file lacks. Two threads: each cuts the whole file.",
    ]
    columns = ["cutter", "MB/s, one thread", "MB/s, two threads", "mean chunk", "new MB", "new chunks"]
    return Table("cutters", "Content-defined cutting", columns, rows, notes)


def cutters() -> dict[str, Cut]:
    modern = FastCDC(avg_size=AVERAGE, min_size=MINIMUM, max_size=MAXIMUM, normalized_chunking=2)
    found: dict[str, Cut] = {"pyfastcdc": lambda data: ((c.offset, c.length) for c in modern.cut_buf(data))}
    try:
        fastcdc: Callable[..., Iterable[Any]] = import_module("fastcdc").fastcdc
    except ImportError:
        say("fastcdc is not installed (pip install fastcdc): the table goes without it")
    else:
        found["fastcdc"] = lambda data: ((c.offset, c.length) for c in fastcdc(data, MINIMUM, AVERAGE, MAXIMUM))
    return found


def row(name: str, cut: Cut, old: bytes, new: bytes, rounds: int) -> list[object]:
    alone = min(seconds(lambda: consume(cut, new)) for _ in range(rounds))
    together = min(seconds(lambda: on_two_threads(cut, new)) for _ in range(rounds))
    known = set(ids(cut, old))
    sizes = ids(cut, new)
    fresh = {identity: size for identity, size in sizes.items() if identity not in known}
    rates = [f"{len(new) / 1e6 / alone:,.0f}", f"{2 * len(new) / 1e6 / together:,.0f}"]
    return [name, *rates, f"{len(new) // max(1, len(sizes)):,}", mb(sum(fresh.values())), len(fresh)]


def consume(cut: Cut, data: bytes) -> None:
    for _ in cut(data):
        pass


def on_two_threads(cut: Cut, data: bytes) -> None:
    threads = [Thread(target=consume, args=(cut, data)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ids(cut: Cut, data: bytes) -> dict[bytes, int]:
    view = memoryview(data)
    return {blake3(view[at : at + length], max_threads=1).digest(): length for at, length in cut(data)}


def largest(folder: Path) -> Path:
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
