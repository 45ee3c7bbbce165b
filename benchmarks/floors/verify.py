"""Floor of a full verification: `python -m benchmarks.floors.verify FOLDER [--threads 2]`; reads and hashes all."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.floors.stopwatch import Stopwatch, keep_freed_memory

WINDOW = 1024 * 1024


def main() -> None:
    watch = Stopwatch()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    keep_freed_memory()
    watch.report(verify(chosen.folder, chosen.threads))


def verify(folder: Path, threads: int) -> int:
    from blake3 import blake3

    from benchmarks.floors.pipeline import batches, each

    work = batches(folder)

    def run() -> int:
        window, total = memoryview(bytearray(WINDOW)), 0
        for path in each(work):
            whole = blake3(max_threads=1)
            with open(path, "rb", buffering=0) as file:
                while got := file.readinto(window):
                    whole.update(window[:got])
                    total += got
            whole.digest()
        return total

    with ThreadPoolExecutor(threads) as pool:
        return sum(future.result() for future in [pool.submit(run) for _ in range(threads)])


if __name__ == "__main__":
    main()
