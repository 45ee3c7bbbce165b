"""A small game in three builds: generated, seeded, and with everything in it that an update has to cope with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

BUILDS = (1, 2, 3)


@dataclass(frozen=True)
class Entry:
    """A file, or a link if it has a target, or a folder if it has neither target nor data."""

    data: bytes | None = None
    executable: bool = False
    target: str = ""


def noise(size: int, *seed: object) -> bytes:
    """Bytes that no compressor makes smaller; the same for the same seed."""
    return Random(repr(seed)).randbytes(size)


def contents(build: int) -> dict[str, Entry]:
    """What the build holds, by path."""
    return dict(_entries(build))


def write_build(folder: Path, build: int) -> Path:
    """Make `folder` hold the build and nothing else, with the modes that an installation has."""
    return write_tree(folder, contents(build))


def write_tree(folder: Path, entries: dict[str, Entry]) -> Path:
    """Make `folder` hold these entries and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, entry in entries.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.target:
            place.symlink_to(entry.target)
        elif entry.data is None:
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(entry.data)
            place.chmod(0o755 if entry.executable else 0o644)
    for place in [folder, *folder.rglob("*")]:
        if place.is_dir() and not place.is_symlink():
            place.chmod(0o755)
    return folder


def _entries(build: int) -> Iterator[tuple[str, Entry]]:
    yield from _program(build)
    yield from _assets(build)
    yield from _texts(build)
    if build == 2:  # a file that becomes a folder and a file again, a folder that goes and comes back
        yield "plugins/core.so", Entry(noise(20_000, "plugin"))
        yield "replays", Entry()
    else:
        yield "plugins", Entry(noise(1_000, "plugins", build))
        yield "saves", Entry()
    yield "current", Entry(b"none\n") if build == 3 else Entry(target="bin/game" if build == 1 else "bin/tool.sh")
    yield "empty.cfg", Entry(b"")


def _program(build: int) -> Iterator[tuple[str, Entry]]:
    """A binary that is linked anew for build 3: a few bytes differ on every page. A script whose mode changes."""
    binary = bytearray(noise(200_000, "game"))
    if build == 3:
        for page in range(0, len(binary), 4096):
            binary[page : page + 4] = page.to_bytes(4, "little")
    yield "bin/game", Entry(bytes(binary), executable=True)
    yield "bin/tool.sh", Entry(b"#!/bin/sh\n", executable=build == 2)


def _assets(build: int) -> Iterator[tuple[str, Entry]]:
    """A pak with three bytes put into it, then with its halves swapped; a renamed file; equal files; zeros."""
    pak = noise(600_000, "pak")
    middle = len(pak) // 2
    paks = {1: pak, 2: pak[:middle] + b"new" + pak[middle:], 3: pak[middle:] + pak[:middle]}
    yield "data/levels.pak", Entry(paks[build])
    yield "data/music.ogg" if build == 1 else "data/audio/theme.ogg", Entry(noise(150_000, "music"))
    yield "data/twin-a.bin", Entry(noise(50_000, "twin"))
    yield "data/twin-b.bin", Entry(noise(50_000, "twin" if build < 3 else "no twin any more"))
    yield "data/zeros.bin", Entry(bytes(300_000))
    yield "data/Über uns – 読む.txt", Entry("läs\n".encode())


def _texts(build: int) -> Iterator[tuple[str, Entry]]:
    """Many small files: some come, some go, some change."""
    for number in range(build, build + 30):
        changes = build if number % 5 == 0 else 0
        yield f"text/{number:02}.txt", Entry(f"line of file {number}, {changes}\n".encode() * (number + 1))
