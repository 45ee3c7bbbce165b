"""borg: a backup program; segments of content-defined chunks of about 64 KiB, compressed with zstd 3, not encrypted."""

import os
import subprocess
from pathlib import Path

from benchmarks.measure import Command
from benchmarks.peers.peer import Home, Peer, from_debian

SETTINGS = ("--compression", "zstd,3", "--chunker-params", "10,23,16,4095")


def create(home: Home) -> None:
    command = _command(home, "init", "--encryption", "none", str(home.store))
    subprocess.run(command.argv, env={**os.environ, **command.env}, check=True)


def publish(home: Home, source: Path, label: str) -> Command:
    return _command(home, "create", *SETTINGS, f"{home.store}::{label}", ".", cwd=source)


def install(home: Home, label: str, into: Path) -> Command:
    return _command(home, "extract", f"{home.store}::{label}", cwd=into)


def _command(home: Home, *words: str, cwd: Path | None = None) -> Command:
    return Command(["borg", *words], env={"BORG_BASE_DIR": str(home.private)}, cwd=cwd)


PEER = Peer("borg 64K", create, publish, install, from_debian("borg", "borgbackup"))
