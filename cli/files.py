"""Small files that a command is asked to read or to write by name: none is ever written over another."""

from __future__ import annotations

import os
from pathlib import Path

from chunkstore.durable import O_BINARY, sync_file, sync_folder, write_all
from chunkstore.errors import Refused
from chunkstore.oserrors import leaf_for


def read_small(path: Path, limit: int) -> bytes:
    """A file, or its first bytes if there are more than `limit`."""
    try:
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError as error:
        raise leaf_for(error, path) from error


def write_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Makes a file, durably. Raises `FileExists`."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | O_BINARY, mode)
        try:
            try:
                write_all(fd, data)
                sync_file(fd)
            finally:
                os.close(fd)
        except BaseException:
            os.unlink(path)
            raise
        sync_folder(str(path.absolute().parent))
    except FileExistsError as error:
        raise FileExists("there is a file of this name already", where=str(path)) from error
    except OSError as error:
        raise leaf_for(error, path) from error


def check_free(path: Path) -> None:
    """Raises `FileExists` if something has this name."""
    if os.path.lexists(path):
        raise FileExists("there is a file of this name already", where=str(path))


class FileExists(Refused):
    """A file would be written over another one."""

    code = "file-exists"
    default_cause = "What lies there may be the only copy of something."
    default_next = "Nothing was written. Name another file, or remove that one."
