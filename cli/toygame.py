"""A toy game in two builds, for `lading demo`: what really happens to games between two versions, in 60 MB.

The engine is made of files that lie on every machine that runs this: Python's library. The assets are generated from
seeds. Between the builds a pak gets three bytes inserted, another is packed in another order, the program is linked
anew so that its addresses move, a file is renamed, and of many small files some change, come and go.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from blake3 import blake3

from chunkstore.oserrors import leaf_for

MIB = 1024 * 1024
PROGRAM = "bin/game"
WORLD = "data/world.pak"
A_TEXT = "text/01/0041.json"
_ENGINE_BYTES = 20 * MIB
_ENGINE_FILE_LIMIT = 4 * MIB
_NOT_ENGINE = {"__pycache__", "site-packages", "dist-packages", "test", "tests"}
_LEVELS = 48
_TEXTS = 1500


def write_build(folder: Path, build: int, check: Callable[[], None]) -> None:
    """Makes `folder`, which is not there yet, hold build 1 or 2. Calls `check` between files."""
    for path, data in _files(build):
        check()
        place = folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            if path == PROGRAM:
                place.chmod(0o755)
        except OSError as error:
            raise leaf_for(error, place) from error


def _files(build: int) -> Iterator[tuple[str, bytes]]:
    new = build == 2
    yield from _engine()
    yield PROGRAM, _program(relinked=new)
    world = noise("world", 12 * MIB)
    middle = len(world) // 3
    yield WORLD, world[:middle] + b"new" + world[middle:] if new else world
    levels = [noise(f"level {number}", MIB // 4) for number in range(_LEVELS)]
    yield "data/levels.pak", b"".join(levels[7:] + levels[:7] if new else levels)
    yield "data/audio/voices.bank" if new else "data/voices.bank", noise("voices", 6 * MIB)
    yield "data/intro.video", noise("intro", 8 * MIB)
    yield from _texts(new=new)


def noise(seed: str, size: int) -> bytes:
    """Bytes that no compressor makes smaller, the same for the same seed on every machine."""
    return blake3(seed.encode()).digest(length=size)


def _engine() -> Iterator[tuple[str, bytes]]:
    """Files of Python's library in the order of their names, until there is enough of them."""
    room = _ENGINE_BYTES
    root = sysconfig.get_path("stdlib")
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - _NOT_ENGINE)
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                if os.path.islink(path) or os.path.getsize(path) > min(room, _ENGINE_FILE_LIMIT):
                    continue
                data = Path(path).read_bytes()
            except OSError:
                continue
            room -= len(data)
            yield f"engine/{os.path.relpath(path, root).replace(os.sep, '/')}", data


def _program(*, relinked: bool) -> bytes:
    """Code in which every fourth word is an address. Linking a new function into it moves all that lies behind."""
    words = np.frombuffer(noise("program", 3 * MIB), dtype="<u4").copy()
    grown, at = 64, 2 * MIB
    addresses = words[::4] % words.nbytes
    if relinked:
        addresses = np.where(addresses >= at, addresses + grown, addresses)
    words[::4] = addresses
    code = words.tobytes()
    return code[:at] + noise("function", grown) + code[at:] if relinked else code


def _texts(*, new: bool) -> Iterator[tuple[str, bytes]]:
    """Many small files; in the new build each fiftieth differs, ten are gone and ten are there besides."""
    first = 10 if new else 0
    for number in range(first, first + _TEXTS):
        edition = 2 if new and number % 50 == 0 else 1
        lines = [
            f'"line.{number}.{row}": "edition {edition}, {noise(f"{number}.{row}", 12).hex()}"' for row in range(12)
        ]
        yield f"text/{number % 40:02}/{number:04}.json", ("{\n" + ",\n".join(lines) + "\n}\n").encode()
