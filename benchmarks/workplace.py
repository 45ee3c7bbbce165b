"""Where the benchmarks keep things: a cache that survives, scratch folders that do not.

The cache (corpora, generated builds, private copies of peers) is `$LADING_BENCH_DIR`, or `lading-bench` in the system's
temporary folder. Scratch folders on disk lie beside it, so that every contestant writes to the same file system; trees
are installed into memory, where the machine has such a folder, so that no disk hides what the code costs.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOT = Path(__file__).resolve().parent.parent


def cache() -> Path:
    folder = Path(os.environ.get("LADING_BENCH_DIR") or Path(tempfile.gettempdir(), "lading-bench"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def scratch(in_memory: bool = False) -> Iterator[Path]:
    """A new empty folder, removed with everything in it at the end."""
    parent = MEMORY if in_memory and MEMORY.is_dir() else cache()
    folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def emptied(folder: Path) -> Path:
    """The same folder without its content: each timed run starts from nothing."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def tree_bytes(folder: Path) -> int:
    """Bytes of all files below a folder, as a user would be charged for them by object storage."""
    return sum(entry.lstat().st_size for entry in folder.rglob("*") if entry.is_file() and not entry.is_symlink())


def say(text: str) -> None:
    """Talk goes to stderr; stdout is for tables."""
    print(text, file=sys.stderr, flush=True)
