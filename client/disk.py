"""The few things that the client asks of the file system, and what their failures are called.

Knows no manifest. Every `OSError` leaves here as a named error.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

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


@contextmanager
def exclusive(path: Path, tree: Path) -> Iterator[None]:
    """Holds a lock file; it goes with the process, however that ends. Raises `TreeBusy`."""
    with named_errors(path), path.open("a+b") as file:
        if not _lock(file):
            raise TreeBusy("another command works on this folder", where=str(tree))
        yield


if os.name == "nt":
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
