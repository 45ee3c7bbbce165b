"""A program for `test_folder_failures.py`: a write per child process, each killed one system call later than the last.

Prints a line per child: how it ended, and whether the object is as `before` or `after` (anything else is `torn`).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from chunkstore.ids import digest_of
from chunkstore.stores.folder import FolderStore

OLD, NEW = b"old" * 1000, b"new" * 1000
KEY = "s/g/heads/k"
CALLS = ("open", "write", "fsync", "close", "mkdir", "stat", "link", "unlink", "rename", "replace")


def kill_at(moment: int) -> None:
    """Let SIGKILL come at the `moment`-th point, counting before and after each call and the middle of each write."""
    moments = iter(range(sys.maxsize))

    def perhaps_die() -> None:
        if next(moments) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            perhaps_die()
            if name == "write":
                fd, data = args
                written = real(fd, data[: len(data) // 2 or 1])  # type: ignore[index, arg-type]
            else:
                written = real(*args, **named)
            perhaps_die()
            return written

        return call

    for name in CALLS:
        setattr(os, name, wrap(name, getattr(os, name)))


def no_links(*_: object) -> None:
    raise PermissionError(errno.EPERM, "no hard links here")


def write(verb: str, root: Path) -> None:
    store = FolderStore(root)
    if verb == "replace":
        store.replace(KEY, NEW, match=digest_of(OLD).hex())
    else:
        store.put(KEY, NEW)


def state(root: Path, before: bytes | None) -> str:
    path = root / KEY
    found = path.read_bytes() if path.exists() else None
    return {before: "before", NEW: "after"}.get(found, "torn")


def main(verb: str, folder: Path) -> None:
    before = OLD if verb == "replace" else None
    if verb == "put_without_links":
        os.link = no_links  # type: ignore[assignment]
    for moment in range(1000):
        root = folder / str(moment)
        if before:
            FolderStore(root).put(KEY, before)
        child = os.fork()
        if not child:
            kill_at(moment)
            write(verb, root)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(ended, state(root, before), flush=True)  # noqa: T201
        write_again = FolderStore(root)
        if before is None:
            write_again.put(KEY, NEW)
            assert write_again.get(KEY, limit=len(NEW)).data == NEW
        if ended == 0:
            return


main(sys.argv[1], Path(sys.argv[2]))
