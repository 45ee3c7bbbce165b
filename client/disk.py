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
from stat import S_ISDIR
from typing import cast

from chunkstore.durable import replace_file, sync_file, sync_folder
from chunkstore.errors import LadingError, LocalProblem, Refused
from chunkstore.store import DiskFull, PathUnusable

_FULL = {errno.ENOSPC, errno.EDQUOT}
_BUSY = {errno.ETXTBSY, errno.EBUSY}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


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
    with named_errors(path):
        replace_file(path, data)


def make_folder(path: str, made: set[str]) -> None:
    """Makes a folder and those above it, readable for all whatever the umask; `made` are known to be there."""
    if path in made:
        return
    with named_errors(path):
        if not os.path.lexists(path):
            make_folder(os.path.dirname(path), made)
            os.mkdir(path)
            os.chmod(path, 0o755)
        elif not S_ISDIR(os.lstat(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    made.add(path)


def is_allowed(path: str | os.PathLike[str], mode: int) -> bool:
    """Whether this process may do that with what lies at `path`; `mode` as for `os.access`."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


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


def sync_files(folder: Path) -> None:
    """Makes the files in a folder durable before anything that follows.

    Linux has one call for a whole file system, which beats an fsync per file by far on builds of many small files.
    """
    with named_errors(folder):
        if _syncfs is not None:
            _sync_file_system(folder, _syncfs)
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                handle = os.open(entry.path, os.O_RDWR)
                try:
                    sync_file(handle)
                finally:
                    os.close(handle)


def sync_names(root: Path, folders: Iterable[str]) -> None:
    """Makes the names in these folders, which lie below `root`, durable before anything that follows."""
    with named_errors(root):
        if _syncfs is not None:
            _sync_file_system(root, _syncfs)
            return
        for folder in folders:
            sync_folder(folder)


def _sync_file_system(folder: Path, syncfs: Callable[[int], int]) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(handle) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(handle)


def _find_syncfs() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return cast("Callable[[int], int] | None", function)


_syncfs = _find_syncfs()
_POSITIONAL = hasattr(os, "pwrite")
_seeking = threading.Lock()
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
READ = os.O_RDONLY | _PLAIN
WRITE = os.O_WRONLY | os.O_CREAT | _PLAIN


@contextmanager
def exclusive(path: Path, tree: Path) -> Iterator[None]:
    """Holds a lock file; it goes with the process, however that ends. Raises `TreeBusy`."""
    with named_errors(path):
        handle = _open_lock(path)
    try:
        if not _lock(handle):
            raise TreeBusy("another command works on this folder", where=str(tree))
        yield
    finally:
        os.close(handle)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _PLAIN, 0o644)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        return os.open(path, os.O_RDONLY | _PLAIN)  # verifying what one may not change


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
