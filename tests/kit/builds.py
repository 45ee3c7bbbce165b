"""Builds in memory: a tree cut, packed and placed as a registry holds it, and columns where content does not matter.

What is placed where is worked out with plain dicts, so that the program's columns are never their own witness.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from chunkstore.columns import Column, ids_column
from chunkstore.cutting import CutParameters, Cutter
from chunkstore.frames import FrameKind, encode_frame
from chunkstore.ids import digest_of
from chunkstore.packs import PackBuilder
from chunkstore.placements import Placement
from manifest.kinds import Kind
from manifest.model import Manifest
from tests.kit import growing
from tests.kit.game import Entry, noise

SMALL = CutParameters(256, 64, 1024)
FRAME_RAW = 2048
PACK_SIZE = 8 * 1024


SAMPLE_TREE: Mapping[str, Entry] = {
    "data/big.pak": Entry(noise(3000, 1)),
    "data/none": Entry(b""),
    "empty": Entry(),
    "game": Entry(b"#!/bin/sh\n", executable=True),
    "game.sh": Entry(target="game"),
}
"""A file of several chunks, one of none, a folder, an executable file of one chunk, a link."""


class Place(NamedTuple):
    """Where one chunk lies."""

    pack: bytes
    offset: int
    stored: int
    raw: int
    kind: int
    start: int


@dataclass(frozen=True)
class Packed:
    """A build with everything that a registry would hold of it: the bytes of `packs`, the `places` of chunks by id."""

    tree: Mapping[str, Entry]
    manifest: Manifest
    placement: Placement
    packs: Mapping[bytes, bytes]
    places: Mapping[bytes, Place]


def pack_build(tree: Mapping[str, Entry], before: Packed | None = None) -> Packed:
    """The tree as a build. What `before` holds stays where it lies there; other chunks go into packs of their own."""
    chunks = {path: cut_up(entry.data) for path, entry in tree.items() if entry.data}
    packs = dict(before.packs if before else {})
    places = dict(before.places if before else {})
    new = {digest_of(chunk): chunk for path in sorted(chunks) for chunk in chunks[path]}
    _store([(name, chunk) for name, chunk in new.items() if name not in places], packs, places)
    manifest = manifest_of(tree, chunks)
    return Packed(tree, manifest, place_all(names_of(manifest.chunk_ids), places), packs, places)


def cut_up(data: bytes, cut: CutParameters = SMALL) -> list[bytes]:
    """The chunks of a file."""
    ends = Cutter(cut).ends(data)
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def manifest_of(tree: Mapping[str, Entry], chunks: Mapping[str, Sequence[bytes]], **other: Any) -> Manifest:
    """The manifest of a tree whose files consist of these chunks; `other` columns replace those that follow from it."""
    paths = sorted(tree)
    entries = [tree[path] for path in paths]
    cut = [chunks.get(path, []) for path in paths]
    contents = [entry.target.encode() if entry.target else entry.data for entry in entries]
    columns = {
        "cut": SMALL,
        "paths": paths,
        "kinds": np.array([kind_of(entry) for entry in entries], "|u1"),
        "flags": np.array([entry.executable for entry in entries], "|u1"),
        "sizes": np.array([len(content or b"") for content in contents], "<u8"),
        "digests": ids_column(b"".join(bytes(32) if data is None else digest_of(data) for data in contents)),
        "chunk_counts": np.array([len(parts) for parts in cut], "<u4"),
        "tag_sets": np.zeros(len(paths), "<u2"),
        "tags": (),
        "targets": {row: entry.target for row, entry in enumerate(entries) if entry.target},
        "chunk_ids": ids_column(b"".join(digest_of(chunk) for parts in cut for chunk in parts)),
        "chunk_sizes": np.array([len(chunk) for parts in cut for chunk in parts], "<u4"),
    }
    return Manifest(**{**columns, **other})


def assert_same_manifest(found: Manifest, expected: Manifest) -> None:
    """All fields of both are equal."""
    for field in fields(Manifest):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(one, np.ndarray):
            assert np.array_equal(one, other), field.name
        else:
            assert one == other or list(one) == list(other), field.name


def kind_of(entry: Entry) -> Kind:
    """What an entry of a tree is."""
    if entry.target:
        return Kind.LINK
    return Kind.FOLDER if entry.data is None else Kind.FILE


def names_of(ids: Column) -> list[bytes]:
    """The rows of a column of ids."""
    joined = ids.tobytes()
    return [joined[at : at + 32] for at in range(0, len(joined), 32)]


def place_all(names: Iterable[bytes], places: Mapping[bytes, Place]) -> Placement:
    """The placement of a list of chunks."""
    packs: dict[bytes, int] = {}
    frames: dict[tuple[int, ...], int] = {}
    rows = []
    for place in map(places.__getitem__, names):
        pack = packs.setdefault(place.pack, len(packs))
        rows.append((frames.setdefault((pack, *place[1:5]), len(frames)), place.start))
    frame = np.array(list(frames), "<u4").reshape(-1, 5)
    chunk = np.array(rows, "<u4").reshape(-1, 2)
    return Placement(
        packs=ids_column(b"".join(packs)),
        frame_pack=frame[:, 0],
        frame_offset=frame[:, 1],
        frame_stored=frame[:, 2],
        frame_raw=frame[:, 3],
        frame_kind=frame[:, 4].astype("|u1"),
        chunk_frame=chunk[:, 0],
        chunk_offset=chunk[:, 1],
    )


def placed_chunks(placement: Placement) -> list[Place]:
    """The inverse: where each chunk of the list lies."""
    packs = names_of(placement.packs)
    columns = (placement.frame_pack, placement.frame_offset, placement.frame_stored, placement.frame_raw)
    frames = [
        Place(packs[pack], offset, stored, raw, kind, 0)
        for pack, offset, stored, raw, kind in zip(
            *map(np.ndarray.tolist, (*columns, placement.frame_kind)), strict=True
        )
    ]
    chunks = zip(placement.chunk_frame.tolist(), placement.chunk_offset.tolist(), strict=True)
    return [frames[frame]._replace(start=start) for frame, start in chunks]


def _store(chunks: Sequence[tuple[bytes, bytes]], packs: dict[bytes, bytes], places: dict[bytes, Place]) -> None:
    """Frames and packs for these chunks, in their order."""
    builder, waiting = PackBuilder(bytes(16)), list[tuple[bytes, bytes]]()
    for at, (name, chunk) in enumerate(chunks):
        waiting.append((name, chunk))
        last = at == len(chunks) - 1
        if last or sum(len(data) for _, data in waiting) + len(chunks[at + 1][1]) > FRAME_RAW:
            raw = b"".join(data for _, data in waiting)
            kind, stored = encode_frame(raw)
            builder.add(kind, stored, len(raw), [len(data) for _, data in waiting], b"".join(n for n, _ in waiting))
            waiting = []
        if last or builder.size > PACK_SIZE:
            _close(builder, packs, places)
            builder = PackBuilder(bytes(16))


def _close(builder: PackBuilder, packs: dict[bytes, bytes], places: dict[bytes, Place]) -> None:
    if builder.empty:
        return
    name, data, index = builder.finish()
    packs[name] = bytes(data)
    sizes, names = index.sizes.tolist(), names_of(index.ids)
    frames = (index.offsets, index.stored, index.raw, index.kinds, index.chunks)
    for offset, stored, raw, kind, count in zip(*(column.tolist() for column in frames), strict=True):
        start = 0
        for size, chunk in zip(sizes[:count], names[:count], strict=True):
            places[chunk] = Place(name, offset, stored, raw, kind, start)
            start += size
        del sizes[:count], names[:count]


def seeded_ids(count: int, seed: int) -> Column:
    """Ids that no two seeds share."""
    return np.random.default_rng(seed).integers(0, 1 << 64, size=(count, 4), dtype="<u8")


def seeded_manifest(files: int, chunks_per_file: int, seed: int = 1) -> Manifest:
    """A manifest of distinct chunks, two or more in each file, whose bytes nobody has."""
    count = files * chunks_per_file
    sizes = np.random.default_rng(seed).integers(SMALL.minimum, SMALL.maximum, size=count).astype("<u4")
    return Manifest(
        cut=SMALL,
        paths=[f"data/{row // 100:04d}/{row:06d}.bin" for row in range(files)],
        kinds=np.zeros(files, "|u1"),
        flags=np.zeros(files, "|u1"),
        sizes=sizes.reshape(files, chunks_per_file).sum(axis=1, dtype="<u8"),
        digests=seeded_ids(files, seed + 1),
        chunk_counts=np.full(files, chunks_per_file, "<u4"),
        tag_sets=np.zeros(files, "<u2"),
        tags=(),
        targets={},
        chunk_ids=seeded_ids(count, seed),
        chunk_sizes=sizes,
    )


def seeded_placement(sizes: Column, seed: int = 1, chunks_per_frame: int = 16, frames_per_pack: int = 512) -> Placement:
    """The chunks of these sizes one behind another in frames, and the frames in packs."""
    count = len(sizes)
    first = np.arange(0, count, chunks_per_frame)
    frame = np.arange(count) // chunks_per_frame
    ends = np.cumsum(sizes, dtype=np.int64)
    raw = np.add.reduceat(sizes, first).astype("<u4") if count else sizes
    pack = np.arange(len(first)) // frames_per_pack
    stored = raw // 2
    offset = np.cumsum(stored, dtype=np.int64) - stored
    offset -= offset[pack * frames_per_pack] - 32
    return Placement(
        packs=seeded_ids(-(-len(first) // frames_per_pack), seed),
        frame_pack=pack.astype("<u4"),
        frame_offset=offset.astype("<u4"),
        frame_stored=stored,
        frame_raw=raw,
        frame_kind=np.full(len(first), FrameKind.ZSTD, "|u1"),
        chunk_frame=frame.astype("<u4"),
        chunk_offset=(ends - sizes - (ends - sizes)[first[frame]]).astype("<u4"),
    )


@st.composite
def placements(draw: st.DrawFn) -> tuple[Placement, Column]:
    """A placement in any order, with chunks that lie together, apart or on one another, and the sizes of the chunks."""
    frames = draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(0, 1 << 25), st.integers(1, 40), st.integers(1, 9)), max_size=6
        )
    )
    places: dict[bytes, Place] = {}
    sizes: dict[bytes, int] = {}
    for pack, offset, size, count in frames:
        kind = draw(st.sampled_from(FrameKind))
        stored = size * count if kind == FrameKind.RAW else draw(st.integers(1, size * count))
        for number in range(count):
            name = bytes((len(places),)) * 32
            places[name] = Place(bytes((pack + 1,)) * 32, offset, stored, size * count, kind, size * number)
            sizes[name] = size
    names = draw(st.lists(st.sampled_from(sorted(places)), max_size=40)) if places else []
    return place_all(names, places), np.array([sizes[name] for name in names], "<u4")


builds = growing.trees.map(pack_build)


@st.composite
def updates(draw: st.DrawFn) -> tuple[Packed, Packed]:
    """A build and one that has become of it."""
    old = draw(builds)
    return old, pack_build(draw(growing.next_trees(dict(old.tree))), before=old)
