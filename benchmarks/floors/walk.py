"""Floor of a publish with nothing changed: `python -m benchmarks.floors.walk SOURCE [MODULE ...]`.

A walk that looks at every file's size and times, and the import of the modules that the publisher itself imports.
"""

import argparse
import importlib
import os
from contextlib import suppress
from pathlib import Path

from benchmarks.floors.stopwatch import Stopwatch


def walk(folder: str) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += walk(entry.path)
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total


def main() -> None:
    watch = Stopwatch()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("modules", nargs="*")
    chosen = parser.parse_args()
    for module in chosen.modules:
        with suppress(ImportError):
            importlib.import_module(module)
    watch.report(walk(str(chosen.source)))


if __name__ == "__main__":
    main()
