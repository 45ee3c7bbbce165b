"""What two simpler ways to update would download, counted over the same two folders and compressed as well as ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from chunkstore.compression import compress
from chunkstore.ids import digest_of

BLOCK = 1024 * 1024


def whole_files(old: Path, new: Path, check: Callable[[], None]) -> int:
    """Bytes of every file that is new or not what it was, each compressed by itself."""
    total = 0
    for path in files_of(new):
        check()
        data, before = (new / path).read_bytes(), old / path
        if not (before.is_file() and before.read_bytes() == data):
            total += _compressed(data)
    return total


def fixed_blocks(old: Path, new: Path, check: Callable[[], None]) -> int:
    """Bytes of every block of 1 MiB that no file of the old build has, each compressed by itself."""
    known = {digest_of(block) for path in files_of(old) for block in _blocks((old / path).read_bytes())}
    total = 0
    for path in files_of(new):
        check()
        for block in _blocks((new / path).read_bytes()):
            name = digest_of(block)
            if name not in known:
                known.add(name)
                total += _compressed(block)
    return total


def files_of(folder: Path) -> list[str]:
    """The paths of all files below a folder, sorted."""
    found = [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names]
    return sorted(os.path.relpath(path, folder) for path in found)


def _blocks(data: bytes) -> Iterator[bytes]:
    return (data[start : start + BLOCK] for start in range(0, len(data), BLOCK))


def _compressed(data: bytes) -> int:
    return min(len(data), len(compress(data))) if data else 0
