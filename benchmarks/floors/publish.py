"""Floor of a fresh publish: `python -m benchmarks.floors.publish SOURCE OUT [--threads 2]`."""

import argparse
from pathlib import Path

from benchmarks.floors.stopwatch import Stopwatch, keep_freed_memory


def main() -> None:
    watch = Stopwatch()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    from benchmarks.floors.pipeline import publish

    keep_freed_memory()
    watch.report(publish(chosen.source, chosen.out, chosen.threads, set()))


if __name__ == "__main__":
    main()
