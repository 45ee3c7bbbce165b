"""The few things that the client asks of the file system, and what their failures are called.

Knows no manifest. Every `OSError` leaves here as a named error.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from chunkstore.errors import LadingError, LocalProblem, Refused
from chunkstore.store import DiskFull, PathUnusable

_FULL = {errno.ENOSPC, errno.EDQUOT}
_BUSY = {errno.ETXTBSY, errno.EBUSY}


def local_error(error: OSError, path: str | os.PathLike[str]) -> LadingError:
    """The named error for a failed operation on `path`."""
    where = os.fspath(path)
    if error.errno in _FULL:
        return DiskFull("no space is left on the disk", where=where)
    if error.errno in _BUSY or getattr(error, "winerror", None) in (5, 32):
        return FileBusy("the file is in use", where=where)
    return PathUnusable(f"the path cannot be used: {error.strerror or error}", where=where)


@contextmanager
def named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns an `OSError` in the block into the named error for `path`."""
    try:
        yield
    except OSError as error:
        raise local_error(error, error.filename or path) from error


def write_durably(path: Path, data: bytes) -> None:
    """Replaces a small file: after a crash it is the old one or the new one."""
    temporary = path.with_name(path.name + ".new")
    with named_errors(path):
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)


def sync_folder(path: str | os.PathLike[str]) -> None:
    """Makes the names in a folder durable, where the system can (Windows cannot and need not)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_at(file: int, offset: int, length: int) -> bytes:
    """Up to `length` bytes of an open file from `offset`; fewer only where the file ends."""
    if _POSITIONAL:
        return os.pread(file, length, offset)
    with _seeking:
        os.lseek(file, offset, os.SEEK_SET)
        return os.read(file, length)


def write_at(file: int, offset: int, data: memoryview) -> None:
    """Writes all of `data` at `offset`."""
    while data:
        if _POSITIONAL:
            done = os.pwrite(file, data, offset)
        else:
            with _seeking:
                os.lseek(file, offset, os.SEEK_SET)
                done = os.write(file, data)
        data, offset = data[done:], offset + done


def sync_tree(folder: Path, folders: Iterable[str] = ()) -> None:
    """Makes what was written into `folder`, and the names in `folders` below it, durable before anything that follows.

    Linux has one call for a whole file system, which beats an fsync per file by far on builds of many small files.
    """
    with named_errors(folder):
        if _syncfs is not None:
            handle = os.open(folder, os.O_RDONLY)
            try:
                if _syncfs(handle) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
            finally:
                os.close(handle)
            return
        for path in folder.iterdir():
            if path.is_file():
                handle = os.open(path, os.O_RDWR)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        for each in (os.fspath(folder), *folders):
            sync_folder(each)


def _find_syncfs() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return cast("Callable[[int], int] | None", function)


_syncfs = _find_syncfs()
_POSITIONAL = hasattr(os, "pwrite")
_seeking = threading.Lock()
READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
WRITE = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def exclusive(path: Path, tree: Path) -> Iterator[None]:
    """Holds a lock file; it goes with the process, however that ends. Raises `TreeBusy`."""
    with named_errors(path), path.open("a+b") as file:
        if not _lock(file):
            raise TreeBusy("another command works on this folder", where=str(tree))
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class TreeBusy(Refused):
    """Another command holds the installed folder."""

    code = "tree-busy"
    default_cause = "Another lading command, or the agent, works on the same folder."
    default_next = "Wait until it ends, or stop it."


class FileBusy(LocalProblem):
    """A file is open in a running program."""

    code = "file-busy"
    default_cause = "The game, or another program, has the file open."
    default_next = "Close the game and run the same command again."
