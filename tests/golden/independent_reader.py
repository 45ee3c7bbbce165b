"""Reads a store by `docs/format.md` alone: no line of the program, no numpy, values instead of columns.

Slow and plain on purpose. As long as it rebuilds what the program publishes, the page tells all that a reader has to
know. It refuses what would make it write or allocate wrongly, not every breach of the rules.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import zstandard
from blake3 import blake3

from tests.golden.independent_trust import Game, expect, parse, verify

ID = "id"
TYPES = {"|u1": "B", "<u2": "H", "<u4": "I", "<u8": "Q"}
FILE, FOLDER, LINK = 0, 1, 2
LITERAL = 4294967295
MEBIBYTE = 1 << 20

INDEX = {"kinds": "|u1", "stored": "<u4", "raw": "<u4", "chunks": "<u4", "sizes": "<u4", "ids": ID}
ENTRIES = {
    "path_shared": "<u2",
    "path_rest": "<u2",
    "path_bytes": "|u1",
    "kinds": "|u1",
    "flags": "|u1",
    "tag_sets": "<u2",
    "chunk_counts": "<u4",
    "sizes": "<u8",
    "digests": ID,
    "target_lengths": "<u2",
    "target_bytes": "|u1",
}
MANIFEST = {**ENTRIES, "chunk_sizes": "<u4", "chunk_ids": ID}
PLACEMENT = {
    "packs": ID,
    "frame_pack": "<u4",
    "frame_offset": "<u4",
    "frame_stored": "<u4",
    "frame_raw": "<u4",
    "frame_kind": "|u1",
    "chunk_frame": "<u4",
    "chunk_offset": "<u4",
}
DIFF = {
    "file_starts": "<u4",
    "file_counts": "<u4",
    **ENTRIES,
    "chunk_starts": "<u4",
    "chunk_run_lengths": "<u4",
    "chunk_sizes": "<u4",
    "chunk_ids": ID,
    "placement": "|u1",
}


class Chunk(NamedTuple):
    size: int
    id: bytes


class Entry(NamedTuple):
    path: bytes
    kind: int
    flag: int
    tags: tuple[str, ...]
    size: int
    digest: bytes
    chunks: int
    target: bytes


class Place(NamedTuple):
    """Where one chunk lies."""

    pack: bytes
    offset: int
    stored: int
    raw: int
    kind: int
    start: int


@dataclass(frozen=True)
class Manifest:
    header: Mapping[str, Any]
    entries: Sequence[Entry]
    chunks: Sequence[Chunk]


@dataclass(frozen=True)
class Head:
    """`diffs` are (origin, build, id, bytes of the payload)."""

    placement: bytes
    placement_size: int
    diffs: Sequence[tuple[bytes, int, bytes, int]]


def digest(data: bytes) -> bytes:
    return blake3(data).digest()


def open_container(data: bytes, size: int) -> bytes:
    expect(0 < size <= 4096 * MEBIBYTE and len(data) <= size + size // 256 + 512, "a container is too large")
    frame = zstandard.get_frame_parameters(data)
    expect(frame.content_size == size, "a container states another size")
    expect(frame.window_size <= max(size, 1024) and frame.dict_id == 0, "a container asks for too much")
    return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)


def read_columns(data: bytes, magic: bytes, columns: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header without its listing, and the columns as tuples of integers or lists of ids."""
    found, version, zero, length, zeros = struct.unpack_from("<6sBBII", data)
    expect((found, version, zero, zeros) == (magic, 1, 0, 0) and 1 <= length <= 65536, "not this kind of payload")
    packed = data[16 : 16 + length]
    header = msgpack.unpackb(packed)
    expect(msgpack.packb(header) == packed and list(header)[-1] == "columns", "a header is not canonical")
    listing = header.pop("columns")
    wanted = [[name, "<u8" if kind == ID else kind] for name, kind in columns.items()]
    expect([row[:2] for row in listing] == wanted, "the columns are others")
    values: dict[str, Any] = {}
    at = padded(data, 16 + length)
    for (name, kind), (_, _, count) in zip(columns.items(), listing, strict=True):
        end = at + count * (32 if kind == ID else struct.calcsize(TYPES[kind]))
        expect(end <= len(data), "a column is cut short")
        if kind == ID:
            values[name] = [data[start : start + 32] for start in range(at, end, 32)]
        else:
            values[name] = struct.unpack(f"<{count}{TYPES[kind]}", data[at:end])
        at = padded(data, end)
    expect(at == len(data), "something follows the columns")
    return header, values


def padded(data: bytes, end: int) -> int:
    stop = -(-end // 8) * 8
    expect(data[end:stop] == bytes(stop - end), "padding is not zero")
    return stop


def write_columns(
    header: Mapping[str, Any], magic: bytes, columns: Mapping[str, str], values: Mapping[str, Any]
) -> bytes:
    listing = [[name, "<u8" if kind == ID else kind, len(values[name])] for name, kind in columns.items()]
    packed = msgpack.packb({**header, "columns": listing})
    parts = [struct.pack("<6sBBII", magic, 1, 0, len(packed), 0) + packed]
    for name, kind in columns.items():
        numbers = values[name]
        parts.append(b"".join(numbers) if kind == ID else struct.pack(f"<{len(numbers)}{TYPES[kind]}", *numbers))
    return b"".join(part + bytes(-len(part) % 8) for part in parts)


def read_manifest(payload: bytes) -> Manifest:
    header, columns = read_columns(payload, b"LADMAN", MANIFEST)
    expect(list(header) == ["features", "cut", "tags"] and header["features"] == [], "the header is another one")
    chunks = [Chunk(*row) for row in zip(columns["chunk_sizes"], columns["chunk_ids"], strict=True)]
    entries = read_entries(columns, header["tags"])
    expect(sum(entry.chunks for entry in entries) == len(chunks), "the chunks do not add up")
    return Manifest(header, entries, chunks)


def read_entries(columns: Mapping[str, Any], tags: Sequence[Sequence[str]]) -> list[Entry]:
    sets = [(), *(tuple(names) for names in tags)]
    text, targets = bytes(columns["path_bytes"]), bytes(columns["target_bytes"])
    lengths = iter(columns["target_lengths"])
    entries: list[Entry] = []
    path = b""
    rows = ("path_shared", "path_rest", "kinds", "flags", "tag_sets", "sizes", "digests", "chunk_counts")
    for shared, rest, kind, flag, tag_set, size, name, chunks in zip(*(columns[row] for row in rows), strict=True):
        path, text = path[:shared] + text[:rest], text[rest:]
        length = next(lengths) if kind == LINK else 0
        target, targets = targets[:length], targets[length:]
        expect(kind in (FILE, FOLDER, LINK) and safe(path), "an entry has no place in a tree")
        entries.append(Entry(path, kind, flag, sets[tag_set], size, name, chunks, target))
    expect(not (text or targets or list(lengths)), "paths or targets do not add up")
    return entries


def safe(path: bytes) -> bool:
    """Of the rules for paths those that keep a reader on Linux inside its folder."""
    return not {b"", b".", b"..", b".lading"} & set(path.split(b"/")) and b"\0" not in path


def write_manifest(manifest: Manifest) -> bytes:
    entries, sets = manifest.entries, [(), *(tuple(names) for names in manifest.header["tags"])]
    shared = [common(before.path, entry.path) for before, entry in pairwise(entries)]
    shared = [0, *shared][: len(entries)]
    rests = [entry.path[start:] for entry, start in zip(entries, shared, strict=True)]
    targets = [entry.target for entry in entries if entry.kind == LINK]
    values = {
        "path_shared": shared,
        "path_rest": [len(rest) for rest in rests],
        "path_bytes": b"".join(rests),
        "kinds": [entry.kind for entry in entries],
        "flags": [entry.flag for entry in entries],
        "tag_sets": [sets.index(entry.tags) for entry in entries],
        "chunk_counts": [entry.chunks for entry in entries],
        "sizes": [entry.size for entry in entries],
        "digests": [entry.digest for entry in entries],
        "target_lengths": [len(target) for target in targets],
        "target_bytes": b"".join(targets),
        "chunk_sizes": [chunk.size for chunk in manifest.chunks],
        "chunk_ids": [chunk.id for chunk in manifest.chunks],
    }
    return write_columns(manifest.header, b"LADMAN", MANIFEST, values)


def common(a: bytes, b: bytes) -> int:
    return next((at for at, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))


def read_placement(payload: bytes, sizes: Sequence[int]) -> list[Place]:
    header, columns = read_columns(payload, b"LADPLC", PLACEMENT)
    expect(header == {} and len(columns["chunk_frame"]) == len(sizes), "the placement is of another list")
    fields = ("frame_pack", "frame_offset", "frame_stored", "frame_raw", "frame_kind")
    frames = list(zip(*(columns[field] for field in fields), strict=True))
    places: list[Place] = []
    frame = end = 0
    for step, extra, size in zip(columns["chunk_frame"], columns["chunk_offset"], sizes, strict=True):
        before, frame = frame, (frame + step) % (1 << 32)
        start = ((end if places and frame == before else 0) + extra) % (1 << 32)
        end = start + size
        pack, offset, stored, raw, kind = frames[frame]
        expect(0 < stored <= raw <= MEBIBYTE and end <= raw and offset <= 47 * MEBIBYTE, "a chunk lies nowhere")
        places.append(Place(columns["packs"][pack], offset, stored, raw, kind, start))
    return places


def apply_diff(old: Manifest, payload: bytes) -> tuple[bytes, dict[int, Place]]:
    """The payload of the new manifest, not yet compared with its id, and by row the places of the literal chunks."""
    header, columns = read_columns(payload, b"LADDIF", DIFF)
    given = [Chunk(*row) for row in zip(columns["chunk_sizes"], columns["chunk_ids"], strict=True)]
    entries = merge(old.entries, read_entries(columns, header["tags"]), columns["file_starts"], columns["file_counts"])
    chunks = merge(old.chunks, given, columns["chunk_starts"], columns["chunk_run_lengths"])
    places = read_placement(bytes(columns["placement"]), columns["chunk_sizes"])
    literal = (row for row, (is_literal, _) in enumerate(chunks) if is_literal)
    manifest = Manifest(header, [entry for _, entry in entries], [chunk for _, chunk in chunks])
    return write_manifest(manifest), dict(zip(literal, places, strict=True))


def merge(old: Sequence[Any], given: Sequence[Any], starts: Iterable[int], counts: Iterable[int]) -> list[Any]:
    """The rows that the runs tell of, each with whether it is literal."""
    rows, waiting = [], iter(given)
    for start, count in zip(starts, counts, strict=True):
        expect(start == LITERAL or start + count <= len(old), "a run leaves the old manifest")
        rows += [(True, next(waiting)) if start == LITERAL else (False, old[start + at]) for at in range(count)]
    expect(not list(waiting), "literal rows are left over")
    return rows


def read_head(data: bytes) -> Head:
    value = msgpack.unpackb(data)
    expect(len(data) <= 32 * 1024 and value["v"] == 1, "the head is of another kind")
    placement, size = value["placement"][:2]
    return Head(placement, size, [tuple(row[:4]) for row in value["diffs"]])


def read_pack(data: bytes) -> set[tuple[Chunk, Place]]:
    """Each chunk of the pack with its place, by the index."""
    expect(88 <= len(data) <= 48 * MEBIBYTE and data[:8] == b"LADPCK\1\0" and data[24:32] == bytes(8), "not a pack")
    length, frames, chunks, name, mark = struct.unpack("<QII32s8s", data[-56:])
    index = data[-56 - length : -56]
    expect(mark == b"LADPCK\1\1" and digest(index) == name, "the index is damaged")
    header, c = read_columns(index, b"LADIDX", INDEX)
    expect(header == {} and len(c["kinds"]) == frames and len(c["ids"]) == chunks, "the counts differ")
    offsets = list(accumulate(c["stored"], initial=32))
    expect(offsets[-1] == len(data) - 56 - length, "the frames do not end where the index begins")
    found, listed = set(), map(Chunk, c["sizes"], c["ids"])
    for offset, stored, raw, kind, count in zip(offsets, c["stored"], c["raw"], c["kinds"], c["chunks"], strict=False):
        start = 0
        for _ in range(count):
            chunk = next(listed)
            found.add((chunk, Place(digest(data), offset, stored, raw, kind, start)))
            start += chunk.size
        expect(start == raw, "a frame does not hold what it says")
    return found


def rolled_out(channel: Mapping[str, Any], install_id: bytes) -> int:
    """The build that a channel has for the installation of this id."""
    build, previous = channel["build"], channel["previous"]
    if channel["rollout"] >= 10_000 or not previous or previous < channel["minimum"]:
        return int(build)
    bucket = struct.unpack("<Q", digest(install_id + struct.pack("<Q", build))[:8])[0] % 10_000
    return int(build if bucket < channel["rollout"] else previous)


def read_frame(kind: int, stored: bytes, raw: int) -> bytes:
    expect(kind in (0, 1), "a frame of an unknown kind")
    return open_container(stored, raw) if kind else stored


class Store:
    """A store's folder, as of a moment."""

    def __init__(self, root: Path, now: float) -> None:
        self.root = root
        self.now = now
        document = parse((root / "lading.json").read_bytes())
        expect(document["format"] == 1, "a store of another format")

    def game(self, game: str, pin: str) -> Game:
        """Builds and channels of a game, signed by whom the pin says."""

        def read(name: str, limit: int) -> bytes | None:
            path = self.root / "tuf" / game / name
            if not path.exists():
                return None
            expect(path.stat().st_size <= limit, "a file is too long")
            return path.read_bytes()

        return verify(read, game, pin, self.now)

    def manifest(self, scope: str, name: str, size: int) -> bytes:
        return self._payload(f"s/{scope}/manifests/{name[:2]}/{name}", name, size)

    def head(self, scope: str, manifest: str) -> Head:
        return read_head((self.root / f"s/{scope}/heads/{manifest}").read_bytes())

    def placement(self, scope: str, head: Head) -> bytes:
        name = head.placement.hex()
        return self._payload(f"s/{scope}/placements/{name}", name, head.placement_size)

    def diff(self, scope: str, name: bytes, size: int) -> bytes:
        return self._payload(f"s/{scope}/diffs/{name.hex()}", name.hex(), size)

    def pack(self, scope: str, name: bytes) -> bytes:
        data = (self.root / f"s/{scope}/packs/{name.hex()[:2]}/{name.hex()}").read_bytes()
        expect(digest(data) == name, "a pack is another one")
        return data

    def rebuild(self, game: Game, number: int, target: Path) -> None:
        """The tree of all depots of a build, whatever their tags and platforms."""
        build = game.builds[number]
        expect(not build["withdrawn"], "the build was withdrawn")
        target.mkdir(mode=0o755)
        for ref in build["depots"].values():
            self._rebuild_depot(game.scope, ref, target)
        for folder in filter(Path.is_dir, target.rglob("*")):
            folder.chmod(0o755)

    def _rebuild_depot(self, scope: str, ref: Mapping[str, Any], target: Path) -> None:
        manifest = read_manifest(self.manifest(scope, ref["manifest"], ref["payload_size"]))
        expect((len(manifest.entries), len(manifest.chunks)) == (ref["files"], ref["chunks"]), "the counts differ")
        places = read_placement(
            self.placement(scope, self.head(scope, ref["manifest"])), [chunk.size for chunk in manifest.chunks]
        )
        contents = self._contents(scope, manifest.chunks, places)
        for entry in manifest.entries:
            path = target / entry.path.decode()
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.kind == FOLDER:
                path.mkdir(exist_ok=True)
            elif entry.kind == LINK:
                path.symlink_to(entry.target.decode())
            else:
                data = b"".join(next(contents) for _ in range(entry.chunks))
                expect((len(data), digest(data)) == (entry.size, entry.digest), "a file has another digest")
                path.write_bytes(data)
                path.chmod(0o755 if entry.flag else 0o644)

    def _contents(self, scope: str, chunks: Sequence[Chunk], places: Sequence[Place]) -> Iterator[bytes]:
        """The bytes of each chunk in turn."""
        packs = {name: self.pack(scope, name) for name in {place.pack for place in places}}
        frames: dict[Place, bytes] = {}
        for chunk, place in zip(chunks, places, strict=True):
            frame = place._replace(start=0)
            if frame not in frames:
                stored = packs[place.pack][place.offset : place.offset + place.stored]
                frames[frame] = read_frame(place.kind, stored, place.raw)
            data = frames[frame][place.start : place.start + chunk.size]
            expect(digest(data) == chunk.id, "a chunk is not what its id names")
            yield data

    def _payload(self, key: str, name: str, size: int) -> bytes:
        payload = open_container((self.root / key).read_bytes(), size)
        expect(digest(payload).hex() == name, "an object is not what its key names")
        return payload
