"""A folder for what one piece of work needs and nobody after it: its owner's alone, and gone when the work ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from chunkstore.oserrors import leaf_for


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Makes it where the system keeps such things. Raises `PathUnusable`, `DiskFull`."""
    try:
        folder = TemporaryDirectory(prefix="lading-")
    except OSError as error:
        raise leaf_for(error, error.filename or "the folder for temporary files") from error
    with folder as path:
        yield Path(path)
