"""Generated builds: seeded, incompressible, every chunk distinct, nothing sparse; fast enough to make by the gigabyte.

A build is a sequence of blocks of 256 KiB, each from its own generator seeded by (seed, block), cut into files of equal
length. The same numbers give the same bytes everywhere: only the raw stream of PCG64 is used, which numpy keeps.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from math import gcd
from pathlib import Path

import numpy as np

BLOCK = 256 * 1024
BLOCKS_PER_FILE = 384


def _random(size: int, *seeds: int) -> bytes:
    return np.random.PCG64(seeds).random_raw(-(-size // 8)).astype("<u8").tobytes()[:size]


def block(seed: int, number: int) -> bytes:
    return _random(BLOCK, seed, number)


def build(folder: Path, blocks: Iterable[int], seed: int = 1) -> int:
    """Writes a build of these blocks in this order, about 100 MB a file; returns its bytes."""
    remaining, size, index = iter(blocks), 0, 0
    while numbers := list(islice(remaining, BLOCKS_PER_FILE)):
        path = folder / f"data/part-{index:04}.pak"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            size += sum(file.write(block(seed, number)) for number in numbers)
        index += 1
    return size


def scattered(count: int) -> Iterator[int]:
    """All of 0 … count-1, each neighbour of the next far away: reuse that follows this order spans the whole build."""
    stride = round(count * 0.618)
    while gcd(stride, count) != 1:
        stride += 1
    return (position * stride % count for position in range(count))


def touch(folder: Path, version: int, places: int = 13, seed: int = 1) -> None:
    """Turns a build into its next version: overwrites 16 bytes at `places` spots, each inside a chunk of its own.

    The spots of one version lie far apart and those of different versions never in the same block, so that versions n
    steps apart differ in about n times `places` chunks.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    total = sum(path.stat().st_size for path in files)
    for place in range(places):
        position = (total * place // places + version * BLOCK + BLOCK // 2) % (total - 16)
        _overwrite(files, position, _random(16, seed, 1 << 32, version, place))


def _overwrite(files: list[Path], position: int, data: bytes) -> None:
    for path in files:
        size = path.stat().st_size
        if position < size:
            with path.open("r+b") as file:
                file.seek(min(position, size - len(data)))
                file.write(data)
            return
        position -= size
