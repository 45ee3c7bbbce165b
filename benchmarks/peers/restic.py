"""restic: a backup program; packs of content-defined chunks of about 1 MiB, encrypted, compressed with zstd."""

import os
import subprocess
from pathlib import Path

from benchmarks.measure import Command
from benchmarks.peers.peer import Home, Peer, from_debian


def create(home: Home) -> None:
    command = _command(home, "init")
    environment = {**os.environ, **command.env}
    subprocess.run(command.argv, env=environment, check=True, stdout=subprocess.DEVNULL)


def publish(home: Home, source: Path, label: str) -> Command:
    return _command(home, "backup", "--host", "benchmark", "--tag", label, ".", cwd=source)


def install(home: Home, label: str, into: Path) -> Command:
    return _command(home, "restore", "latest", "--tag", label, "--target", str(into))


def _command(home: Home, *words: str, cwd: Path | None = None) -> Command:
    environment = {"RESTIC_PASSWORD": "benchmark", "RESTIC_CACHE_DIR": str(home.private)}
    return Command(["restic", "--quiet", "--repo", str(home.store), *words], env=environment, cwd=cwd)


PEER = Peer("restic", create, publish, install, from_debian("restic", "restic"))
