"""Writes that survive a power cut, and a lock between processes.

The order that makes a new name safe: bytes into a temporary file, `sync_file`, the name (link or rename), then
`sync_folder`. Raises plain `OSError`; what that means is for the caller to say.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chunkstore.store import Buffer

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

O_BINARY: Final[int] = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
_NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)  # whoever may write to the folder must not lead us elsewhere
_NO_FOLDER_SYNC: Final = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def write_all(fd: int, data: Buffer) -> None:
    """Write every byte of `data` without copying it; one `write` may take only a part."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(fd, rest) :]


def sync_file(fd: int) -> None:
    """Bytes and size reach the medium itself, not only its cache."""
    if sys.platform == "darwin":
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def replace_file(path: str | os.PathLike[str], data: Buffer, mode: int = 0o644, *, durable: bool = True) -> None:
    """Replace a small file at once for every reader. One writer at a time.

    Whenever the power goes it is the old one or the new one; if it need not be `durable`, it may be damaged then.
    """
    place = os.fspath(path)
    fresh = place + ".new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | O_BINARY | _NO_FOLLOW, mode)
    try:
        write_all(fd, data)
        if durable:
            sync_file(fd)
    finally:
        os.close(fd)
    os.replace(fresh, place)
    if durable:
        sync_folder(os.path.dirname(place))


@contextmanager
def exclusive(path: str) -> Iterator[None]:
    """Hold the lock file `path` against every other thread and process; one that dies lets go."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | O_BINARY, 0o666)
    try:
        _lock(fd)
        yield
    finally:
        os.close(fd)


if sys.platform == "win32":

    def sync_folder(path: str) -> None:
        """Nothing: Windows journals names by itself."""

    def read_at(fd: int, length: int, offset: int) -> bytes:
        """`os.pread` for a system without it; the descriptor must be the caller's alone."""
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, length)

    def _lock(fd: int) -> None:
        while True:
            try:
                msvcrt.locking(fd, msvcrt.LK_LOCK, 1)
            except OSError as error:
                if error.errno != errno.EDEADLK:  # ten seconds passed; ask again
                    raise
            else:
                return

else:
    read_at = os.pread

    def sync_folder(path: str) -> None:
        """Names in a folder reach the medium."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in _NO_FOLDER_SYNC:
                raise
        finally:
            os.close(fd)

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)
