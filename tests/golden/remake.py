"""Writes the golden files anew: `python -m tests.golden.remake`, after a format has got another number and not before.

They pin what readers stand on: where chunks end, the bytes and ids of payloads, those of signed metadata, and that
containers written by an older encoder still decode. What an encoder makes today is pinned nowhere; it differs between
versions of zstd.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from blake3 import blake3

from chunkstore.columns import ids_column
from chunkstore.compression import compress
from chunkstore.cutting import DEFAULT, CutParameters, Cutter
from chunkstore.frames import FrameKind, encode_frame
from chunkstore.ids import digest_of
from chunkstore.packs import PackBuilder
from chunkstore.placements import Placement, encode_placement
from delta.diff import make_diff
from manifest.heads import DiffRef, Head, encode_head
from manifest.kinds import Kind
from manifest.model import Manifest
from manifest.payload import encode_manifest
from tests.golden import signed

HERE = Path(__file__).parent
TUF = HERE / "tuf"
SMALL = CutParameters(256, 64, 1024, 1)
CUTS: Mapping[str, tuple[CutParameters, int]] = {"default": (DEFAULT, 1 << 21), "small": (SMALL, 1 << 14)}
"""Parameters, and how many bytes of `stream("cuts")` are cut by them."""

PACKED = [[b"a chunk", b"another chunk"], [b"text that shrinks, " * 40], [b"x"]]
"""The chunks of the golden pack, frame by frame."""


def stream(name: str, size: int) -> bytes:
    """Bytes that are the same on every machine for ever."""
    return blake3(name.encode()).digest(length=size)


def cut_points(name: str) -> list[int]:
    """Where the chunks of a golden buffer end."""
    parameters, size = CUTS[name]
    return Cutter(parameters).ends(stream("cuts", size))


def manifest(changed: bool = False) -> Manifest:
    """Every kind of entry, tags, paths that share and that do not; the next build of it if `changed`."""
    files = {
        "bin/game": stream("game", 3000),
        "data/empty": b"",
        "data/Ünïcode.txt": b"one chunk",
        "data/voices.de": stream("voices", 2000) + (b"changed" if changed else b""),
    }
    entries: dict[str, tuple[Kind, bytes]] = {path: (Kind.FILE, data) for path, data in files.items()}
    entries |= {"logs": (Kind.FOLDER, b""), "run": (Kind.LINK, b"bin/game")}
    if changed:
        entries["bin/extra"] = (Kind.FILE, stream("extra", 700))
    paths = sorted(entries)
    chunks = {path: cut(data) if kind == Kind.FILE else [] for path, (kind, data) in entries.items()}
    every = [chunk for path in paths for chunk in chunks[path]]
    return Manifest(
        cut=SMALL,
        paths=paths,
        kinds=np.array([entries[path][0] for path in paths], "|u1"),
        flags=np.array([path == "bin/game" for path in paths], "|u1"),
        sizes=np.array([len(entries[path][1]) for path in paths], "<u8"),
        digests=ids_column(b"".join(bytes(32) if path == "logs" else digest_of(entries[path][1]) for path in paths)),
        chunk_counts=np.array([len(chunks[path]) for path in paths], "<u4"),
        tag_sets=np.array([2 if path.endswith(".de") else 0 for path in paths], "<u2"),
        tags=(("hd",), ("language:de", "voices")),
        targets={paths.index("run"): "bin/game"},
        chunk_ids=ids_column(b"".join(map(digest_of, every))),
        chunk_sizes=np.array([len(chunk) for chunk in every], "<u4"),
    )


def cut(data: bytes) -> list[bytes]:
    """The chunks of a file."""
    return [data[start:end] for start, end in pairwise([0, *Cutter(SMALL).ends(data)])]


def placement(sizes: list[int]) -> Placement:
    """Chunks of these sizes, two a frame, the second one first; frames alternate between two packs."""
    count = len(sizes)
    frames = np.arange((count + 1) // 2, dtype="<u4")
    raw = np.array([sum(sizes[at : at + 2]) for at in range(0, count, 2)], "<u4")
    starts = [sizes[at + 1] if at % 2 == 0 and at + 1 < count else 0 for at in range(count)]
    return Placement(
        packs=ids_column(digest_of(b"pack 0") + digest_of(b"pack 1")),
        frame_pack=frames % 2,
        frame_offset=32 + frames * 5000,
        frame_stored=raw - raw % 3,
        frame_raw=raw,
        frame_kind=np.where(raw % 3 == 0, FrameKind.RAW, FrameKind.ZSTD).astype("|u1"),
        chunk_frame=np.arange(count, dtype="<u4") // 2,
        chunk_offset=np.array(starts, "<u4"),
    )


def placement_payload() -> bytes:
    """Where the chunks of the first manifest lie."""
    sizes = manifest().chunk_sizes
    return encode_placement(placement(sizes.tolist()), sizes)


def diff_payload() -> bytes:
    """From the first manifest to the next one."""
    new = manifest(changed=True)
    return make_diff(manifest(), new, placement(new.chunk_sizes.tolist()))


def head() -> Head:
    """The head of the next manifest."""
    ref = DiffRef(digest_of(encode_manifest(manifest())), 1, digest_of(diff_payload()), len(diff_payload()))
    return Head(digest_of(placement_payload()), len(placement_payload()), (ref,))


def pack() -> bytes:
    """A pack of three frames, of both kinds."""
    builder = PackBuilder(bytes(range(16)))
    for chunks in PACKED:
        raw = b"".join(chunks)
        kind, stored = encode_frame(raw)
        builder.add(kind, stored, len(raw), [len(chunk) for chunk in chunks], b"".join(map(digest_of, chunks)))
    return bytes(builder.finish()[1])


PAYLOADS: Mapping[str, Callable[[], bytes]] = {
    "cuts.json": lambda: json.dumps({name: cut_points(name) for name in CUTS}).encode() + b"\n",
    "manifest.payload": lambda: encode_manifest(manifest()),
    "next.payload": lambda: encode_manifest(manifest(changed=True)),
    "placement.payload": placement_payload,
    "diff.payload": diff_payload,
    "head.msgpack": lambda: encode_head(head()),
}
"""Files that are the same whoever makes them."""

CONTAINERS: Mapping[str, Callable[[], bytes]] = {
    "manifest.container": lambda: compress(encode_manifest(manifest())),
    "pack": pack,
}
"""Files that an encoder of the past made."""


def ids() -> dict[str, str]:
    """The id of each payload."""
    return {name: digest_of(make()).hex() for name, make in PAYLOADS.items()}


if __name__ == "__main__":
    for name, make in {**PAYLOADS, **CONTAINERS}.items():
        (HERE / name).write_bytes(make())
    (HERE / "ids.json").write_text(json.dumps(ids(), indent=1) + "\n")
    for name, data in {**signed.files(), "bundle": signed.bundle()}.items():
        (TUF / name).parent.mkdir(exist_ok=True)
        (TUF / name).write_bytes(data)
