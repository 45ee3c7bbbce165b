"""Lading as a contestant: driven by its command line alone, as documented in its contract, and read by its JSON."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache as once
from pathlib import Path
from typing import Any

from benchmarks.measure import Command, Sample
from benchmarks.peers.peer import Home, Peer, present

GAME = "bench"


@once
def program() -> str:
    beside = Path(sys.executable).with_name("lading")
    found = str(beside) if beside.exists() else shutil.which("lading")
    if not found:
        raise SystemExit("the command `lading` is not installed here: pip install -e . first")
    return found


_PLAYERS = {"install", "update", "verify"}


def memory(home: Home) -> Path:
    """What the player's machine remembers: whom it trusts, and what it saw last."""
    return home.private / "player"


def command(home: Home, *words: object) -> Command:
    """A command of the publisher or of a player, who has a machine of their own and meets the game there."""
    player = words[0] in _PLAYERS
    environment = {"LADING_STATE_DIR": str(memory(home) if player else home.private / "publisher")}
    trust = ["--trust", "first-use"] if words[0] == "install" else []
    return Command([program(), "--json", *map(str, words), *trust], env=environment, python=True)


def create(home: Home) -> None:
    call(home, "init", home.store)


def publish(home: Home, source: Path, label: str) -> Command:
    return command(home, "publish", source, GAME, "--store", home.store, "--version", label)


def install(home: Home, label: str, into: Path) -> Command:
    return command(home, "install", GAME, "--into", into, "--store", home.store, "--version", label)


def call(home: Home, *words: object) -> dict[str, Any]:
    """Run a command untimed and return its document; a failure ends the benchmark with the product's own words."""
    chosen = command(home, *words)
    finished = subprocess.run(
        chosen.argv, env={**os.environ, **chosen.env}, capture_output=True, text=True, check=False
    )
    document: dict[str, Any] = json.loads(finished.stdout or "{}")
    if finished.returncode or not document.get("ok"):
        raise SystemExit(
            f"{' '.join(chosen.argv)} ended with {finished.returncode}:\n{finished.stdout}{finished.stderr}"
        )
    return document


def result(sample: Sample) -> dict[str, Any]:
    """What a measured command says it did."""
    found: dict[str, Any] = json.loads(sample.output)["result"]
    return found


def receipt(sample: Sample) -> dict[str, int]:
    """What a measured command received and wrote, as it counted it itself."""
    actual: dict[str, int] = json.loads(sample.output)["receipt"]["actual"]
    return actual


def imported_by(home: Home, *words: object) -> list[str]:
    """The modules that a command imports, by name: part of the floor of a command that does little else."""
    chosen = command(home, *words)
    environment = {**os.environ, **chosen.env, "PYTHONPROFILEIMPORTTIME": "1"}
    finished = subprocess.run(chosen.argv, env=environment, capture_output=True, text=True, check=True)
    lines = [line for line in finished.stderr.splitlines() if line.startswith("import time:")]
    return [line.rpartition("|")[2].strip() for line in lines[1:]]


def installed() -> bool:
    return bool(program())


PEER = Peer("lading", create, publish, install, installed)


def contestants(peers: tuple[Peer, ...], slow: bool) -> list[Peer]:
    """Lading first, then the peers that are here."""
    return [PEER, *(peer for peer in present(peers) if slow or not peer.slow)]
