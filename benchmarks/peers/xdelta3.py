"""xdelta3: a delta between two whole builds as tar archives; no store, one delta for each pair of builds."""

import subprocess
from pathlib import Path

from benchmarks.peers.peer import from_debian
from benchmarks.peers.zchunk import PLAIN_TAR

ready = from_debian("xdelta3", "xdelta3")


def delta_bytes(old: Path, new: Path, scratch: Path) -> int:
    """Bytes of the delta between two folders, with the whole old archive as its source window."""
    tars = [scratch / "old.tar", scratch / "new.tar"]
    for folder, tar in zip((old, new), tars, strict=True):
        subprocess.run(["tar", *PLAIN_TAR.split(), "-C", str(folder), "-cf", str(tar), "."], check=True)
    delta = scratch / "delta"
    window = str(tars[0].stat().st_size)
    subprocess.run(["xdelta3", "-e", "-f", "-B", window, "-s", str(tars[0]), str(tars[1]), str(delta)], check=True)
    return delta.stat().st_size
