"""The publish pipeline as plain loops: read, cut, hash, drop what is known, group, compress, pack, write durably.

Each thread runs all of it on its own batch of files. Beside the packs lies `index.msgpack` with what the install floor
needs: `packs`, `frames` as [pack, offset, length], `chunks` as {id: [frame, offset, size]}, `files` as [path, ids].
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue

import msgpack
import zstandard
from blake3 import blake3
from pyfastcdc import FastCDC

WINDOW = 2 * 1024 * 1024
BATCH = 8 * 1024 * 1024
GROUP = 512 * 1024
PACK = 16 * 1024 * 1024
LEVEL = 3

Take = Callable[[bytes, memoryview], None]


@dataclass(slots=True)
class Stored:
    """What all threads together have written."""

    known: set[bytes]
    packs: dict[int, str] = field(default_factory=dict)
    frames: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    chunks: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    files: list[tuple[str, list[bytes]]] = field(default_factory=list)
    pack_numbers: Iterator[int] = field(default_factory=count)
    frame_numbers: Iterator[int] = field(default_factory=count)


def walk(folder: str) -> Iterator[tuple[str, int]]:
    """Every regular file with its size, in path order."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.is_dir(follow_symlinks=False):
                yield from walk(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path, entry.stat(follow_symlinks=False).st_size


def batches(source: Path) -> SimpleQueue[list[str]]:
    """Big files first and alone, so that no thread ends on one; then runs of small neighbours."""
    files = list(walk(str(source)))
    big = sorted((f for f in files if f[1] > BATCH), key=lambda f: -f[1])
    work: SimpleQueue[list[str]] = SimpleQueue()
    for path, _ in big:
        work.put([path])
    run: list[str] = []
    filled = 0
    for path, size in (f for f in files if f[1] <= BATCH):
        run.append(path)
        filled += size
        if filled >= BATCH:
            work.put(run)
            run, filled = [], 0
    work.put(run)
    return work


def each(work: SimpleQueue[list[str]]) -> Iterator[str]:
    while True:
        try:
            yield from work.get_nowait()
        except Empty:
            return


class Reader:
    """One thread's reading side: a window, a cutter, and the ids of all chunks of a file."""

    def __init__(self) -> None:
        self.window = memoryview(bytearray(WINDOW))
        self.cutter = FastCDC(avg_size=32768, min_size=8192, max_size=131072, normalized_chunking=2)
        self.bytes = 0

    def read(self, path: str, take: Take) -> list[bytes]:
        ids: list[bytes] = []
        whole = blake3(max_threads=1)
        kept, final = 0, False
        with open(path, "rb", buffering=0) as file:
            while not final:
                got = file.readinto(self.window[kept:]) or 0
                self.bytes += got
                final = got < WINDOW - kept
                data = self.window[: kept + got]
                start = self._cut(data, final, ids, take)
                if len(ids) > 1 or not final:
                    whole.update(data[:start])
                kept = len(data) - start
                self.window[:kept] = data[start:]
        if len(ids) > 1:
            whole.digest()
        return ids

    def _cut(self, data: memoryview, final: bool, ids: list[bytes], take: Take) -> int:
        """Where the chunks that are certain end: the one that touches the end of a window may still grow."""
        start = 0
        for chunk in self.cutter.cut_buf(data):
            piece = chunk.data
            if not final and start + len(piece) == len(data):
                break
            start += len(piece)
            identity = blake3(piece, max_threads=1).digest()
            ids.append(identity)
            take(identity, piece)
        return start


class Packer:
    """One thread's writing side: a group of chunks becomes a frame, frames become a pack."""

    def __init__(self, out: Path, stored: Stored) -> None:
        self.out, self.stored = str(out), stored
        self.compressor = zstandard.ZstdCompressor(level=LEVEL)
        self.group, self.pack = bytearray(), bytearray()
        self.frame, self.number = next(stored.frame_numbers), next(stored.pack_numbers)

    def take(self, identity: bytes, data: memoryview) -> None:
        if identity in self.stored.known:
            return
        self.stored.known.add(identity)
        if len(self.group) + len(data) > GROUP:
            self.end_frame()
        self.stored.chunks[identity] = (self.frame, len(self.group), len(data))
        self.group += data

    def end_frame(self) -> None:
        if self.group:
            packed = self.compressor.compress(self.group)
            self.stored.frames[self.frame] = (self.number, len(self.pack), len(packed))
            self.pack += packed
            self.group.clear()
            self.frame = next(self.stored.frame_numbers)
            if len(self.pack) >= PACK:
                self.end_pack()

    def end_pack(self) -> None:
        if self.pack:
            name = blake3(self.pack, max_threads=1).hexdigest()
            write_durably(self.out, name, self.pack)
            self.stored.packs[self.number] = name
            self.pack.clear()
            self.number = next(self.stored.pack_numbers)


def write_durably(folder: str, name: str, data: bytearray) -> None:
    temporary = os.path.join(folder, f".{name}")
    with open(temporary, "wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    os.rename(temporary, os.path.join(folder, name))
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def known_ids(source: Path, threads: int) -> set[bytes]:
    """The ids of all chunks of a folder, for a publisher that remembers the last build."""
    found: set[bytes] = set()
    work = batches(source)

    def run() -> None:
        reader = Reader()
        for path in each(work):
            reader.read(path, lambda identity, _: found.add(identity))

    _on_threads(run, threads)
    return found


def publish(source: Path, out: Path, threads: int, known: set[bytes]) -> int:
    """Writes the packs and the index of a folder; the number of bytes read."""
    out.mkdir(parents=True, exist_ok=True)
    stored = Stored(known)
    work = batches(source)
    sizes: list[int] = []

    def run() -> None:
        reader, packer = Reader(), Packer(out, stored)
        for path in each(work):
            stored.files.append((os.path.relpath(path, source), reader.read(path, packer.take)))
        packer.end_frame()
        packer.end_pack()
        sizes.append(reader.bytes)

    _on_threads(run, threads)
    columns = {name: getattr(stored, name) for name in ("packs", "frames", "chunks", "files")}
    write_durably(str(out), "index.msgpack", bytearray(msgpack.packb(columns)))
    return sum(sizes)


def _on_threads(run: Callable[[], None], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(run) for _ in range(threads)]:
            future.result()
