"""Reading the source folder: batches of bytes for the workers, each byte read once.

Small files are read back to back into one buffer, so that neighbours can share a frame without a copy. A big file is
read and cut in windows by whichever worker is free, and its windows are worked on by all of them, so that one huge pak
keeps every core busy. A file that changes while it is read is read again, and refused if it does not come to rest.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import FileIO

from blake3 import blake3

from chunkstore.columns import Column
from chunkstore.cutting import CutParameters, Cutter
from chunkstore.errors import Refused
from chunkstore.store import PathUnusable

BATCH = 4 * 1024 * 1024
"""Bytes of one batch; a file of more is read in windows of this size."""

_GROUP_FILES = 512
_TRIES = 3


@dataclass(frozen=True, slots=True)
class FileStat:
    """What told two states of a file apart when it was read."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(slots=True)
class FileResult:
    """What became of one file: its digest once it is read to the end, its stat, and its chunks by piece number."""

    digest: bytes = b""
    stat: FileStat | None = None
    ids: dict[int, bytes] = field(default_factory=dict)
    sizes: dict[int, Column] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of one file inside a batch: `ends` of its chunks, counted from the start of the batch."""

    result: FileResult
    number: int
    start: int
    ends: list[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Bytes of one or more files, cut; `data` belongs to the worker's buffer."""

    data: memoryview
    pieces: list[Piece]


class SourceReader:
    """Hands out batches to many workers. `locate` gives the path to open for a row; `sizes` are the scan's."""

    def __init__(
        self, rows: Sequence[int], sizes: Sequence[int], locate: Callable[[int], str], cut: CutParameters
    ) -> None:
        self._locate = locate
        self._cut = cut
        self._tasks = _tasks(rows, sizes)
        self._next = 0
        self._big: list[_BigFile] = []
        self._lock = threading.Lock()
        self.results = {row: FileResult() for row in rows}

    def batch(self, buffer: bytearray, cutter: Cutter) -> Batch | None:
        """The next bytes to work on, in `buffer` (at least `buffer_size` long), or None when all is read."""
        while True:
            big, task = self._choose()
            if big:
                try:
                    batch = big.window(buffer, cutter)
                finally:
                    big.lock.release()
                if batch:
                    return batch
                with self._lock:
                    if big in self._big:
                        self._big.remove(big)
            elif task:
                return self._read_group(task, buffer, cutter)
            else:
                return None

    def close(self) -> None:
        """Lets go of files that are not read to their end."""
        with self._lock:
            for big in self._big:
                big.close()

    def _choose(self) -> tuple[_BigFile | None, list[int] | None]:
        """A big file that no other worker reads just now (locked for the caller), else a group of small files."""
        with self._lock:
            waiting = list(self._big)
            for big in waiting:
                if big.lock.acquire(blocking=False):
                    return big, None
            if self._next < len(self._tasks):
                rows, is_big = self._tasks[self._next]
                self._next += 1
                if not is_big:
                    return None, rows
                big = _BigFile(rows[0], self._locate(rows[0]), self.results)
                self._big.append(big)
                big.lock.acquire()
                return big, None
        if not waiting:
            return None, None
        waiting[0].lock.acquire()
        return waiting[0], None

    def _read_group(self, rows: list[int], buffer: bytearray, cutter: Cutter) -> Batch:
        view = memoryview(buffer)
        pieces = []
        at = 0
        for row in rows:
            size, stat = _read_whole(self._locate(row), view[at:])
            ends = [at + end for end in cutter.ends(view[at : at + size])] if size else []
            result = self.results[row]
            result.stat = stat
            if len(ends) != 1:
                result.digest = blake3(view[at : at + size], max_threads=1).digest()
            pieces.append(Piece(result, 0, at, ends))
            at += size
        return Batch(view[:at], pieces)


def buffer_size(cut: CutParameters) -> int:
    """Bytes that a worker's buffer needs: a batch, and room for a file to have grown since it was scanned."""
    return 2 * BATCH + 2 * cut.maximum


def _tasks(rows: Sequence[int], sizes: Sequence[int]) -> list[tuple[list[int], bool]]:
    """Groups of small files that fill a batch, and big files alone, in the order of the rows."""
    tasks: list[tuple[list[int], bool]] = []
    group: list[int] = []
    filled = 0
    for row in rows:
        size = sizes[row]
        if size > BATCH:
            tasks.append(([row], True))
            continue
        if group and (filled + size > BATCH or len(group) == _GROUP_FILES):
            tasks.append((group, False))
            group, filled = [], 0
        group.append(row)
        filled += size
    return [*tasks, (group, False)] if group else tasks


class _BigFile:
    """A file in the middle of being read; whoever holds `lock` may take the next window."""

    def __init__(self, row: int, path: str, results: dict[int, FileResult]) -> None:
        self.lock = threading.Lock()
        self._row = row
        self._path = path
        self._results = results
        self._tries = 0
        self._done = False
        self._file = _open(path)
        self._restart()

    def _restart(self) -> None:
        self._tries += 1
        self._before = _stat(self._file)
        self._file.seek(0)
        self._hasher = blake3(max_threads=1)
        self._carried = b""
        self._number = 0
        # Workers may still be busy with windows of the last try; a new result keeps theirs out.
        self._results[self._row] = self._result = FileResult()

    def window(self, buffer: bytearray, cutter: Cutter) -> Batch | None:
        """The next window, cut; None when the file is finished."""
        if self._done:
            return None
        view = memoryview(buffer)
        filled = len(self._carried)
        view[:filled] = self._carried
        while filled < BATCH:
            got = _readinto(self._file, view[filled:BATCH], self._path)
            if not got:
                break
            filled += got
        final = filled < BATCH
        ends = cutter.ends(view[:filled], final=final) if filled else []
        settled = ends[-1] if ends else 0
        self._carried = bytes(view[settled:filled])
        self._hasher.update(view[:settled])
        piece = Piece(self._result, self._number, 0, ends)
        self._number += 1
        if final and not self._finish():
            return self.window(buffer, cutter)
        return Batch(view[:settled], [piece])

    def close(self) -> None:
        """Lets go of the file; nobody is reading it any more."""
        self._file.close()

    def _finish(self) -> bool:
        """Settles the file if it is the one that was opened; False after starting over."""
        after = _stat(self._file)
        if after != self._before:
            if self._tries == _TRIES:
                raise SourceChanged("the file changes while it is read", where=self._path)
            self._restart()
            return False
        self._result.digest = self._hasher.digest()
        self._result.stat = after
        self._file.close()
        self._done = True
        return True


def _read_whole(path: str, room: memoryview) -> tuple[int, FileStat]:
    """Reads a file whose stat is the same before and after."""
    with _open(path) as file:
        for _ in range(_TRIES):
            before = _stat(file)
            size = 0
            while size < len(room) and (got := _readinto(file, room[size:], path)):
                size += got
            if _stat(file) == before and size == before.size:
                return size, before
            file.seek(0)
    raise SourceChanged("the file changes while it is read", where=path)


def _open(path: str) -> FileIO:
    try:
        return FileIO(path)
    except FileNotFoundError as error:
        raise SourceChanged("the file vanished while the folder was published", where=path) from error
    except OSError as error:
        raise PathUnusable(f"the source file cannot be read: {error.strerror}", where=path) from error


def _readinto(file: FileIO, room: memoryview, path: str) -> int:
    try:
        return file.readinto(room) or 0
    except OSError as error:
        raise PathUnusable(f"the source file cannot be read: {error.strerror}", where=path) from error


def _stat(file: FileIO) -> FileStat:
    stat = os.fstat(file.fileno())
    return FileStat(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


class SourceChanged(Refused):
    """The source folder is being written to while it is published."""

    code = "source-changed"
    default_cause = "A build or another program still writes to the folder."
    default_next = "Let it finish, then publish again; what was uploaded is kept."
