"""What an `OSError` means to a person: the disk is full, the path is unusable, or the medium failed for the moment.

A table from error numbers to leaves, and what raises by it. A missing file has no place in it: what that means, only
the caller knows. Numbers that are not listed stand for a path that this user cannot use.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chunkstore.errors import LadingError
from chunkstore.store import DiskFull, PathUnusable, StoreUnavailable

_NAMES: Final[dict[type[LadingError], tuple[str, ...]]] = {
    DiskFull: ("ENOSPC", "EDQUOT"),
    StoreUnavailable: (
        *("EIO", "EREMOTEIO", "ENXIO", "ENODEV", "ESTALE", "ETIMEDOUT", "EAGAIN", "EBUSY", "EINTR"),
        *("ENOMEM", "EMFILE", "ENFILE", "ENOLCK"),
        *("ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH"),
        *("ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "ENOTCONN", "EPIPE", "ESHUTDOWN"),
    ),
}
_LEAVES: Final[dict[int, type[LadingError]]] = {
    getattr(errno, name): leaf for leaf, names in _NAMES.items() for name in names if hasattr(errno, name)
}
_MESSAGES: Final[dict[type[LadingError], str]] = {
    DiskFull: "no space left",
    PathUnusable: "path cannot be used",
    StoreUnavailable: "the file system failed",
}


def leaf_for(error: OSError, where: str | os.PathLike[str]) -> LadingError:
    """The error to raise in place of `error`, with the system's own words as its cause."""
    leaf = _LEAVES.get(error.errno or 0, PathUnusable)
    words = error.strerror or str(error)
    return leaf(
        _MESSAGES[leaf], where=os.fspath(where), cause=f"The system says: {words}.", data={"errno": error.errno}
    )


@contextmanager
def named_at(where: str | os.PathLike[str]) -> Iterator[None]:
    """What the system refuses in this block is raised by its name, at `where` unless the system says which file."""
    try:
        yield
    except OSError as error:
        raise leaf_for(error, error.filename or where) from error
