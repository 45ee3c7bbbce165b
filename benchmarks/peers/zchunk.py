"""zchunk: an archive compressed chunk by chunk, so that a client fetches only what it lacks; builds share nothing."""

import shlex
import subprocess
from pathlib import Path

from benchmarks.measure import Command
from benchmarks.peers.peer import Home, Peer, from_debian, nothing

PLAIN_TAR = "--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner"


def publish(home: Home, source: Path, label: str) -> Command:
    tar = home.private / f"{label}.tar"
    pack = f"tar {PLAIN_TAR} -C {_quoted(source)} -cf {_quoted(tar)} ."
    return _shell(f"{pack} && zck -o {_quoted(_archive(home, label))} {_quoted(tar)} && rm {_quoted(tar)}")


def install(home: Home, label: str, into: Path) -> Command:
    return _shell(f"unzck -c {_quoted(_archive(home, label))} | tar -C {_quoted(into)} -xf -")


def update(home: Home, old: str, new: str) -> tuple[int, int]:
    """Bytes and chunks that a client with the old archive lacks, as zchunk itself counts them."""
    command = ["zck_delta_size", str(_archive(home, old)), str(_archive(home, new))]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    words = (said.stdout + said.stderr).split()
    size, matched, chunks = words[words.index("download") + 1], words[words.index("Matched") + 1], words[-2]
    return int(size), int(chunks) - int(matched)


def _archive(home: Home, label: str) -> Path:
    return home.store / f"{label}.zck"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _shell(line: str) -> Command:
    return Command(["sh", "-c", line])


PEER = Peer("zchunk", nothing, publish, install, from_debian("zck", "zchunk"), slow=True)
