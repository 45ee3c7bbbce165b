"""A plain web host for stores: the real nginx on the loopback address, and its own count of what it was asked."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import downloads
from benchmarks.workplace import scratch
from tests.kit.nginx import Nginx, serving


def available() -> bool:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    return bool(shutil.which("nginx", path=path)) or downloads.install_from_debian("nginx")


@contextmanager
def hosting(store: Path) -> Iterator[Nginx]:
    """nginx serving a store folder as plain files."""
    with scratch() as run, serving(store, run) as nginx:
        yield nginx
