"""Being somebody who may not do everything, and disks that are really small."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@contextmanager
def unprivileged_folder() -> Iterator[Path]:
    """A folder that belongs to an ordinary user, as whom the block then runs: root ignores modes."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no users in this sense")
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    try:
        folder.chmod(0o755)
        if is_root:
            os.chown(folder, NOBODY, NOBODY)
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
            os.setegid(0)
        shutil.rmtree(folder)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes, mounted at `folder`. Skips where mounting is not allowed."""
    folder.mkdir()
    if not shutil.which("mount"):
        pytest.skip("there is no mount")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
