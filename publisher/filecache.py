"""What the source files looked like when they were last published, so that unchanged ones are not read again.

Lies in the state folder and only saves time: whatever is wrong with it, the files are read. A file counts as unchanged
if size, modification and change time, inode, kind and executable bit are what they were, *and* both times were old when
the folder was scanned. A file that is written twice within one tick of the file system's clock looks the same after
both; only one that had been at rest for longer than any such tick is told by its times (git calls the others racy).
"""

from __future__ import annotations

import contextlib
import os
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from chunkstore.ids import DIGEST_SIZE, digest_of
from publisher.scan import Scan

TICK_NS = 2_000_000_000
"""The coarsest clock of a file system in use: FAT counts in two seconds."""

# The columns are written as they lie in memory, so another byte order is another format.
_MAGIC = f"lading file cache 1 {sys.byteorder}\n".encode()
_TYPES = {"sizes": "Q", "mtime_ns": "q", "ctime_ns": "q", "inodes": "Q"}


@dataclass(frozen=True, slots=True, eq=False)
class FileCache:
    """A scan that became the manifest with the id `manifest`, row for row, and when it began (ns since the epoch)."""

    manifest: bytes
    started_ns: int
    paths: list[str]
    kinds: bytes
    executable: bytes
    sizes: array[int]
    mtime_ns: array[int]
    ctime_ns: array[int]
    inodes: array[int]

    @classmethod
    def of(cls, manifest: bytes, started_ns: int, scan: Scan) -> FileCache:
        """What to keep of `scan`; `started_ns` was taken before it."""
        columns = (scan.paths, scan.kinds, scan.executable, scan.sizes, scan.mtime_ns, scan.ctime_ns, scan.inodes)
        return cls(manifest, started_ns, *columns)

    @classmethod
    def load(cls, path: Path) -> FileCache | None:
        """The cache in `path`; None if there is none, or none that this version can read undamaged."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        head, body = data[: len(_MAGIC) + DIGEST_SIZE], data[len(_MAGIC) + DIGEST_SIZE :]
        if head != _MAGIC + digest_of(body):
            return None
        fields: dict[str, Any] = msgpack.unpackb(body)
        fields["paths"] = _split(fields["paths"])
        fields |= {name: array(code, fields[name]) for name, code in _TYPES.items()}
        return cls(**fields)

    def save(self, path: Path) -> None:
        """Keep the cache in `path` if that is possible; a publish never fails for it, and a power cut may lose it."""
        columns = {name: getattr(self, name).tobytes() for name in _TYPES}
        rest = {name: getattr(self, name) for name in ("manifest", "started_ns", "kinds", "executable")}
        body = msgpack.packb({"paths": "\0".join(self.paths), **rest, **columns})
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_MAGIC + digest_of(body) + body)
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()


def unchanged_rows(scan: Scan, cache: FileCache) -> array[int]:
    """For each row of `scan` the row of the cache's manifest that has the same content, or -1: read the file."""
    settled = cache.started_ns - TICK_NS
    known = {state: row for row, state in enumerate(_states(cache)) if max(state[0], state[1]) < settled}
    return array("q", [known.get(state, -1) for state in _states(scan)])


def _states(of: Scan | FileCache) -> Iterator[tuple[Any, ...]]:
    """Everything that tells whether an entry is still the same; the two times come first."""
    return zip(of.mtime_ns, of.ctime_ns, of.paths, of.sizes, of.inodes, of.kinds, of.executable, strict=True)


def _split(paths: str) -> list[str]:
    return paths.split("\0") if paths else []
