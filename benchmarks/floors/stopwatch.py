"""What a floor program reports about itself, and how its memory allocator is set; imports nothing heavy."""

import ctypes
import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


class Stopwatch:
    """Runs from its making; `paused` leaves out what is preparation."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @contextmanager
    def paused(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self._wall += time.perf_counter() - wall
        self._cpu += time.process_time() - cpu

    def report(self, size: int) -> None:
        seconds, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"bytes": size, "seconds": round(seconds, 4), "cpu": round(cpu, 4), "rss": rss}))


def keep_freed_memory() -> None:
    """Lading's own setting: without it glibc maps and unmaps every buffer, and threads queue for the page tables."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, (4 << 20) + (64 << 10))
        libc.mallopt(M_TRIM_THRESHOLD, 1 << 25)
