"""casync: a chunk store of one file per chunk, and an index per build that lists them in order."""

import struct
from pathlib import Path

from benchmarks.measure import Command
from benchmarks.peers.peer import Home, Peer, from_debian, nothing

_INDEX_HEADER = 48
_TABLE_HEADER = 16
_ENTRY = struct.Struct("<Q32s")


def publish(home: Home, source: Path, label: str) -> Command:
    features = ["--without=all", "--with=permissions"]
    return Command(["casync", "make", *features, f"--store={_chunks(home)}", str(_index(home, label)), str(source)])


def install(home: Home, label: str, into: Path) -> Command:
    return Command(["casync", "extract", f"--store={_chunks(home)}", str(_index(home, label)), str(into)])


def update(home: Home, old: str, new: str) -> tuple[int, int]:
    """Bytes and requests that bring a folder of the old build to the new one: its index, and each chunk it lacks."""
    lacking = _ids(home, new) - _ids(home, old)
    paths = [_chunks(home) / name[:4] / f"{name}.cacnk" for name in (identity.hex() for identity in lacking)]
    return sum(path.stat().st_size for path in paths) + _index(home, new).stat().st_size, len(paths) + 1


def _ids(home: Home, label: str) -> set[bytes]:
    """The chunks of a build: behind two headers a table of end offsets and ids, then a tail of one entry's length."""
    index = _index(home, label).read_bytes()
    table = index[_INDEX_HEADER + _TABLE_HEADER : -_ENTRY.size]
    return {identity for _, identity in _ENTRY.iter_unpack(table)}


def _chunks(home: Home) -> Path:
    return home.store / "default.castr"


def _index(home: Home, label: str) -> Path:
    return home.store / f"{label}.caidx"


PEER = Peer("casync", nothing, publish, install, from_debian("casync", "casync"))
