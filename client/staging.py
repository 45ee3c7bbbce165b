"""Files made aside in `.lading/staging`, named by their content, until the whole build is there.

What an interrupted run left is hashed chunk by chunk and used as far as it is right, whatever build it was meant for:
no journal has to be believed. Only `Verified` bytes get in.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from chunkstore.cancel import Interrupted
from chunkstore.columns import Column
from chunkstore.frames import Verified
from client.checking import Controls, check_files
from client.disk import WRITE, named_errors, write_at
from manifest.kinds import Kind
from manifest.model import EXECUTABLE, Manifest

_OPEN_FILES = 200


class Staging:
    """The staging folder of one tree on its way to `wanted`."""

    def __init__(self, folder: Path, wanted: Manifest) -> None:
        self.folder = folder
        self._wanted = wanted
        self._names = _names(wanted)
        self._left = wanted.sizes.astype(np.int64)
        self._useless: list[str] = []
        self._lock = threading.Condition()
        self._files: dict[int, int] = {}
        self._writers = 0
        self._closed = False
        self.written = 0

    def path(self, row: int) -> str:
        """Where the file of this row is made."""
        return os.path.join(self.folder, self._names[row])

    def present_chunks(self, controls: Controls) -> Column:
        """For each chunk of the wanted build whether it lies in its place in a staged file already.

        A staged file that is a link to a file of the tree counts for nothing: what is written to it would change both.
        """
        self._useless, staged = [], []
        rows = {name: row for row, name in self._names.items()}
        if self.folder.is_dir():
            with named_errors(self.folder), os.scandir(self.folder) as entries:
                for entry in entries:
                    stat = os.lstat(entry.path)  # the stat of an entry counts no links on Windows
                    row = rows.get(entry.name)
                    if row is None or stat.st_nlink != 1 or stat.st_size > int(self._wanted.sizes[row]):
                        self._useless.append(entry.path)
                    else:
                        staged.append((entry.path, row))
        return check_files(staged, self._wanted, controls, lambda _: None)

    def prepare(self, rows: Iterable[int], in_place: Column) -> int:
        """Makes ready to write these files, of which the chunks `in_place` need not be written.

        The bytes that earlier runs left here.
        """
        wanted = self._wanted
        with named_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self._useless:
                os.unlink(path)
            begun = self.disk_bytes()
            for row in rows:
                chunks = wanted.chunks_of(row)
                there = in_place[chunks]
                if there.any():
                    self._left[row] -= int(wanted.chunk_sizes[chunks][there].sum(dtype=np.int64))
                if not self._left[row]:
                    self._finish(row, self._open(row))
        return begun

    def write(self, row: int, offset: int, verified: Verified) -> None:
        """Writes a run of a file; the last one completes it. Safe from many threads; no byte is to be written twice.

        After `close` nothing is written any more, whichever thread still tries.
        """
        data = verified.data
        with named_errors(self.path(row)):
            file, shared = self._begin_writing(row)
            try:
                write_at(file, offset, data)
                self._written(row, len(data))
            finally:
                with self._lock:
                    self._writers -= 1
                    self._lock.notify_all()
                if not shared:
                    os.close(file)

    def link(self, row: int, source: str) -> bool:
        """Takes a whole file of the tree as this row's, without copying. False where the system cannot link."""
        target = self.path(row)
        try:
            if os.path.lexists(target):
                os.unlink(target)
            os.link(source, target, follow_symlinks=False)
        except OSError:
            return False
        self._left[row] = 0
        return True

    def incomplete(self, rows: Iterable[int]) -> list[int]:
        """Those of the rows whose bytes are not all there."""
        return [row for row in rows if self._left[row]]

    def disk_bytes(self) -> int:
        """Bytes that staged files take on this disk beside the tree; files that are links into the tree take none."""
        if not self.folder.is_dir():
            return 0
        with os.scandir(self.folder) as entries:
            stats = [os.stat(entry.path) for entry in entries]
        return sum(stat.st_size for stat in stats if stat.st_nlink == 1)

    def close(self) -> None:
        """Ends all writing: closes what an interrupted run left open; threads that were left behind come too late."""
        with self._lock:
            self._closed = True
            self._lock.wait_for(lambda: not self._writers)
            for file in self._files.values():
                os.close(file)
            self._files.clear()

    def _begin_writing(self, row: int) -> tuple[int, bool]:
        """An open file for the row, and whether others use it, too."""
        with self._lock:
            if self._closed:
                raise Interrupted("staging has ended")
            file, shared = self._files.get(row), True
            if file is None:
                file, shared = self._open(row), len(self._files) < _OPEN_FILES
                if shared:
                    self._files[row] = file
            self._writers += 1
            return file, shared

    def _written(self, row: int, count: int) -> None:
        with self._lock:
            self.written += count
            self._left[row] -= count
            if self._left[row]:
                return
            file = self._files.pop(row, -1)
        self._finish(row, file if file >= 0 else self._open(row))

    def _open(self, row: int) -> int:
        return os.open(self.path(row), WRITE, _mode(self._wanted, row))

    def _finish(self, row: int, file: int) -> None:
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(file, _mode(self._wanted, row))
        finally:
            os.close(file)


def _mode(wanted: Manifest, row: int) -> int:
    return 0o755 if wanted.flags[row] & EXECUTABLE else 0o644


def _names(wanted: Manifest) -> dict[int, str]:
    """A name for each file by its content; of files with equal content each gets its own."""
    seen: dict[bytes, int] = {}
    names = {}
    for row in np.flatnonzero(wanted.kinds == Kind.FILE).tolist():
        digest = wanted.digests[row].tobytes()
        number = seen[digest] = seen.get(digest, -1) + 1
        names[row] = f"{digest.hex()}.{number}" if number else digest.hex()
    return names
