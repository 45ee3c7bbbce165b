"""Objects as files below one folder, on a disk or a share.

A key is a path below the root. `.tmp/` beside the objects holds temporary files and the lock, never an object. The
order of every write: temporary file, its bytes synced, then the name, then the folder synced; a crash at any point
leaves the object whole or absent, and at most a temporary file that `clean_temporaries` removes. Reading makes nothing,
so a store on a read-only medium works; a root that does not exist is an empty store.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from blake3 import blake3

from chunkstore.durable import O_BINARY, exclusive, read_at, sync_file, sync_folder, write_all
from chunkstore.ids import digest_of
from chunkstore.oserrors import leaf_for
from chunkstore.store import (
    Buffer,
    Conflict,
    Entry,
    Fetched,
    KeyMissing,
    ObjectTooLarge,
    PathUnusable,
    ShortObject,
    Stat,
    check_key,
    check_range,
)

_TEMPORARY: Final = ".tmp"
_LOCK: Final = "lock"
_HASH_WINDOW: Final = 1 << 20
# A pipe in the place of an object is opened at once instead of when somebody writes to it; files do not mind.
_O_NONBLOCK: Final[int] = getattr(os, "O_NONBLOCK", 0)
_NO_HARD_LINKS: Final = {
    errno.EPERM,
    errno.EACCES,
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EMLINK,
}


class FolderStore:
    """The object store of one machine. The tag of an object is the BLAKE3 of its bytes."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.abspath(root)
        self._before_key = os.path.join(self._root, "")
        self._temporary = self._before_key + _TEMPORARY
        self._serial = count()
        self._durable_folders: set[str] = set()

    @property
    def url(self) -> str:
        """The root as a `file:` URL."""
        return Path(self._root).as_uri()

    def get(self, key: str, *, limit: int) -> Fetched:
        """The whole object, in one read when it is within `limit`."""
        path = self._path(key)
        with _reading(path) as fd:
            size = os.fstat(fd).st_size
            data = _read(fd, 0, min(size, limit) + 1)  # one more byte than expected tells the end
        if len(data) > limit:
            raise ObjectTooLarge(f"the object is longer than {limit} bytes", where=path, data={"size": size})
        return Fetched(data, digest_of(data).hex())

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """Open, one positioned read, close."""
        check_range(offset, length)
        path = self._path(key)
        with _reading(path) as fd:
            data = _read(fd, offset, length)
        if len(data) < length:
            raise ShortObject(f"the object ends at byte {offset + len(data)}, before {offset + length}", where=path)
        return data

    def stat(self, key: str) -> Stat:
        """Reads the whole object for its tag, a window at a time."""
        with _reading(self._path(key)) as fd:
            found = os.fstat(fd)
            return Stat(found.st_size, _tag(fd), found.st_mtime)

    def put(self, key: str, data: Buffer) -> bool:
        """See the port. The bytes are written from `data` itself, never copied."""
        path = self._path(key)
        with _mapped(path):
            if _is_object(path):
                # Another writer may have made it a moment ago and not synced the folder yet.
                sync_folder(os.path.dirname(path))
                return False
            with self._written(data) as temporary:
                return self._name_new(temporary, path)

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        """See the port. The lock is held during this call only."""
        path = self._path(key)
        with _mapped(path):
            if match is None:
                with self._written(data) as temporary:
                    if not self._name_new(temporary, path):
                        raise Conflict("the object exists already", where=path)
            else:
                with self._locked():
                    found = _tag_of(path)
                    if found != match:
                        raise Conflict("the object is not the expected one", where=path, data={"found": found})
                    with self._written(data) as temporary:
                        os.replace(temporary, path)
                    sync_folder(os.path.dirname(path))
        return digest_of(data).hex()

    def list(self, prefix: str) -> Iterator[Entry]:
        """Walks the folders; a folder that cannot be read fails the listing."""
        folder = prefix.rpartition("/")[0]
        if folder:
            self._path(folder)
        return _walk(self._before_key, f"{folder}/" if folder else "", prefix)

    def delete(self, key: str) -> None:
        """See the port. Under the lock, so that a `replace` never brings back what was deleted meanwhile."""
        path = self._path(key)
        with _mapped(path):
            if _is_object(path):
                with self._locked(), suppress(FileNotFoundError):
                    os.unlink(path)

    def close(self) -> None:
        """Nothing is held open between calls."""

    def clean_temporaries(self, older_than_seconds: float, now: float) -> int:
        """Remove what crashed writers left in `.tmp/`; the number of files. `now` must be the storage's clock."""
        removed = 0
        with _mapped(self._temporary), suppress(FileNotFoundError), os.scandir(self._temporary) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # its writer has just finished
                    if entry.name != _LOCK and entry.stat().st_mtime < now - older_than_seconds:
                        os.unlink(entry.path)
                        removed += 1
        return removed

    def _path(self, key: str) -> str:
        check_key(key)
        if key == _TEMPORARY or key.startswith(f"{_TEMPORARY}/"):
            raise ValueError(f"not an object key: {key!r}")
        return self._before_key + key

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._make_folder(self._temporary)
        with exclusive(os.path.join(self._temporary, _LOCK)):
            yield

    @contextmanager
    def _written(self, data: Buffer) -> Iterator[str]:
        """A synced temporary file that holds `data`; it is gone afterwards unless it was renamed."""
        fd, temporary = self._create_temporary()
        try:
            try:
                write_all(fd, data)
                sync_file(fd)
            finally:
                os.close(fd)
            yield temporary
        finally:
            with suppress(OSError):
                os.unlink(temporary)

    def _create_temporary(self) -> tuple[int, str]:
        self._make_folder(self._temporary)
        while True:
            path = os.path.join(self._temporary, f"{os.getpid()}-{next(self._serial)}")
            # Taken if a crashed writer, or one on another machine of the share, had the same number.
            with suppress(FileExistsError):
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | O_BINARY, 0o666), path

    def _name_new(self, temporary: str, path: str) -> bool:
        """Give the file its name unless the name is taken; False then. Either way the name is durable."""
        folder = os.path.dirname(path)
        self._make_folder(folder)
        created = self._link(temporary, path)
        sync_folder(folder)
        return created

    def _link(self, temporary: str, path: str) -> bool:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return not _is_object(path)  # raises where something else is in the way
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
        else:
            return True
        with self._locked():  # FAT, some shares: look and rename, one writer at a time
            if _is_object(path):
                return False
            os.rename(temporary, path)
            return True

    def _make_folder(self, folder: str) -> None:
        """Make a folder and its name durable.

        One that is there may be another writer's who has not synced it yet: each process syncs it once.
        """
        if folder in self._durable_folders and os.path.isdir(folder):
            return
        parent = os.path.dirname(folder)
        below_root = len(folder) > len(self._root)  # otherwise it is the root or one of its ancestors
        if below_root or not os.path.isdir(parent):
            self._make_folder(parent)
        with suppress(FileExistsError):
            os.mkdir(folder)
        sync_folder(parent)
        self._durable_folders.add(folder)


@contextmanager
def _mapped(path: str) -> Iterator[None]:
    """Failures of the system as leaves."""
    try:
        yield
    except OSError as error:
        raise leaf_for(error, path) from error


@contextmanager
def _reading(path: str) -> Iterator[int]:
    """`path` open for reading."""
    try:
        fd = os.open(path, os.O_RDONLY | O_BINARY | _O_NONBLOCK)
        try:
            yield fd
        finally:
            os.close(fd)
    except FileNotFoundError as error:
        raise KeyMissing("there is no such object", where=path) from error
    except OSError as error:
        if error.errno == errno.ESPIPE:
            raise _in_the_way(path) from error
        raise leaf_for(error, path) from error


def _read(fd: int, offset: int, length: int) -> bytes:
    """`length` bytes, or what there is before the end of the file."""
    data = read_at(fd, length, offset)
    while 0 < len(data) < length:  # shares and FUSE may answer a part
        part = read_at(fd, length - len(data), offset + len(data))
        if not part:
            break
        data += part
    return data


def _tag(fd: int) -> str:
    hasher, offset = blake3(max_threads=1), 0
    while part := read_at(fd, _HASH_WINDOW, offset):
        hasher.update(part)
        offset += len(part)
    return hasher.hexdigest()


def _tag_of(path: str) -> str | None:
    try:
        with _reading(path) as fd:
            return _tag(fd)
    except KeyMissing:
        return None


def _is_object(path: str) -> bool:
    """Whether a file is there. Raises `OSError` if that cannot be known, `PathUnusable` if something else is there."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    if not modes.S_ISREG(mode):
        raise _in_the_way(path)
    return True


def _in_the_way(path: str) -> PathUnusable:
    return PathUnusable("not a file", where=path, cause="A folder, a pipe or a device lies where an object belongs.")


def _walk(root: str, base: str, prefix: str) -> Iterator[Entry]:
    """Entries below the folder `base`, which is empty or ends in `/`."""
    for name in _names(root + base):
        key = base + name
        if key.endswith("/"):
            if key.startswith(prefix) or prefix.startswith(key):
                yield from _walk(root, key, prefix)
        elif key.startswith(prefix) and (entry := _entry(key, root + key)):
            yield entry


def _names(folder: str) -> list[str]:
    """What lies in a folder, in key order: a folder's name ends in the `/` with which its keys go on."""
    with _mapped(folder), suppress(FileNotFoundError), os.scandir(folder) as entries:
        named = [entry for entry in entries if _can_be_named(entry.name)]
        return sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in named)
    return []


def _entry(key: str, path: str) -> Entry | None:
    with _mapped(path), suppress(FileNotFoundError):  # deleted since its name was read
        found = os.stat(path)
        return Entry(key, found.st_size, found.st_mtime)
    return None


def _can_be_named(name: str) -> bool:
    """Whether a key can name it. What else lies around (`lost+found`, say) is nobody's object."""
    with suppress(ValueError):
        return bool(check_key(name)) and name != _TEMPORARY
    return False
