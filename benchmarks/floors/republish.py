"""Floor of publishing the next build: `python -m benchmarks.floors.republish SOURCE PREVIOUS OUT [--threads 2]`.

The ids of the previous build's chunks are given: finding them is a first pass that is left out of the numbers.
"""

import argparse
from pathlib import Path

from benchmarks.floors.stopwatch import Stopwatch, keep_freed_memory


def main() -> None:
    watch = Stopwatch()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("previous", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    from benchmarks.floors.pipeline import known_ids, publish

    keep_freed_memory()
    with watch.paused():
        known = known_ids(chosen.previous, chosen.threads)
    watch.report(publish(chosen.source, chosen.out, chosen.threads, known))


if __name__ == "__main__":
    main()
