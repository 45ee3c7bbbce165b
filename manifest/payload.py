"""A manifest as canonical bytes: what its id is the BLAKE3-256 of.

One manifest has one payload: paths are front-coded as far as they agree with the one before, columns have fixed types,
order and padding. Decoding takes nothing on faith: bounds are known before memory is taken, and the model checks the
rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chunkstore.columns import BadPayload, Column, decode_columns, encode_columns
from chunkstore.cutting import ALGORITHM, BadCutParameters, CutParameters
from chunkstore.errors import Refused
from chunkstore.ids import digest_of
from chunkstore.store import Buffer
from manifest.kinds import Kind
from manifest.model import MAX_FILES, BadManifest, Manifest
from manifest.paths import PATH_LIMIT, BadPath, PathCollision, PathsUnordered

MAGIC = b"LADMAN"
VERSION = 1
MAX_PAYLOAD = 4 * 1024 * 1024 * 1024
_HEADER_KEYS = ["features", "cut", "tags"]

FILE_SPEC: Mapping[str, tuple[str, int]] = {
    "path_shared": ("<u2", 1),
    "path_rest": ("<u2", 1),
    "path_bytes": ("|u1", 1),
    "kinds": ("|u1", 1),
    "flags": ("|u1", 1),
    "tag_sets": ("<u2", 1),
    "chunk_counts": ("<u4", 1),
    "sizes": ("<u8", 1),
    "digests": ("<u8", 4),
    "target_lengths": ("<u2", 1),
    "target_bytes": ("|u1", 1),
}
_ROW_PER_FILE = ("path_shared", "path_rest", "kinds", "flags", "tag_sets", "chunk_counts", "sizes", "digests")
_SPEC = {**FILE_SPEC, "chunk_sizes": ("<u4", 1), "chunk_ids": ("<u8", 4)}


def encode_manifest(manifest: Manifest) -> bytes:
    """The canonical payload."""
    columns = [
        *encode_files(files_of(manifest)),
        ("chunk_sizes", manifest.chunk_sizes.astype("<u4", copy=False)),
        ("chunk_ids", manifest.chunk_ids),
    ]
    return encode_columns(MAGIC, VERSION, header_of(manifest), columns)


def decode_manifest(payload: Buffer) -> Manifest:
    """The manifest in a payload; its chunk columns are views of it.

    Raises `BadManifest`, `NewerFormat`, `UnknownFeature`.
    """
    try:
        header, columns = decode_columns(payload, MAGIC, VERSION, _SPEC)
        return build_manifest(header, decode_files(columns), columns["chunk_sizes"], columns["chunk_ids"])
    except BadPayload as error:
        raise BadManifest(error.message) from error


def manifest_id(payload: Buffer) -> bytes:
    """The 32 bytes that name the manifest with this payload."""
    return digest_of(payload)


def header_of(manifest: Manifest) -> dict[str, Any]:
    """What the payload says before its columns."""
    cut = manifest.cut
    return {
        "features": [],
        "cut": [ALGORITHM, cut.average, cut.minimum, cut.maximum, cut.normalisation],
        "tags": [list(names) for names in manifest.tags],
    }


@dataclass(frozen=True, slots=True)
class FileTable:
    """The rows of a manifest's files without their chunks, as columns of `Manifest`: what a diff copies and merges."""

    paths: list[str]
    kinds: Column
    flags: Column
    sizes: Column
    digests: Column
    chunk_counts: Column
    tag_sets: Column
    targets: Mapping[int, str]


def files_of(manifest: Manifest, rows: Sequence[int] | None = None) -> FileTable:
    """All file rows of a manifest, or these."""
    if rows is None:
        rows = range(len(manifest.paths))
    at = np.asarray(rows, dtype=np.int64)
    return FileTable(
        paths=[manifest.paths[row] for row in rows],
        kinds=manifest.kinds[at],
        flags=manifest.flags[at],
        sizes=manifest.sizes[at],
        digests=manifest.digests[at],
        chunk_counts=manifest.chunk_counts[at],
        tag_sets=manifest.tag_sets[at],
        targets={new: manifest.targets[old] for new, old in enumerate(rows) if old in manifest.targets},
    )


def encode_files(files: FileTable) -> list[tuple[str, Column]]:
    """The columns of `FILE_SPEC`: paths front-coded, targets joined."""
    shared, rest, joined = _front_coded(files.paths)
    targets = [files.targets[row].encode() for row in sorted(files.targets)]
    return [
        ("path_shared", shared),
        ("path_rest", rest),
        ("path_bytes", joined),
        ("kinds", files.kinds.astype("|u1", copy=False)),
        ("flags", files.flags.astype("|u1", copy=False)),
        ("tag_sets", files.tag_sets.astype("<u2", copy=False)),
        ("chunk_counts", files.chunk_counts.astype("<u4", copy=False)),
        ("sizes", files.sizes.astype("<u8", copy=False)),
        ("digests", files.digests),
        ("target_lengths", np.array([len(target) for target in targets], dtype="<u2")),
        ("target_bytes", np.frombuffer(b"".join(targets), dtype="|u1")),
    ]


def decode_files(columns: Mapping[str, Column]) -> FileTable:
    """The file rows in the columns of `FILE_SPEC`; of their content only what decoding needs is checked here.

    Raises `BadManifest`.
    """
    count = len(columns["kinds"])
    if count > MAX_FILES or any(len(columns[name]) != count for name in _ROW_PER_FILE):
        raise BadManifest("the columns of the files are too long, or not equally long")
    return FileTable(
        paths=_decode_paths(columns["path_shared"], columns["path_rest"], columns["path_bytes"]),
        kinds=columns["kinds"],
        flags=columns["flags"],
        sizes=columns["sizes"],
        digests=columns["digests"],
        chunk_counts=columns["chunk_counts"],
        tag_sets=columns["tag_sets"],
        targets=_decode_targets(columns["kinds"], columns["target_lengths"], columns["target_bytes"]),
    )


def build_manifest(header: Mapping[str, Any], files: FileTable, chunk_sizes: Column, chunk_ids: Column) -> Manifest:
    """The manifest with this header, these files and these chunks. Raises `BadManifest`, `UnknownFeature`."""
    cut, tags = parse_header(header)
    try:
        return Manifest(
            cut=cut,
            paths=files.paths,
            kinds=files.kinds,
            flags=files.flags,
            sizes=files.sizes,
            digests=files.digests,
            chunk_counts=files.chunk_counts,
            tag_sets=files.tag_sets,
            tags=tags,
            targets=files.targets,
            chunk_ids=chunk_ids,
            chunk_sizes=chunk_sizes,
        )
    except (BadPath, PathCollision, PathsUnordered) as error:
        raise BadManifest(error.message, data=error.data) from error


def parse_header(header: Mapping[str, Any]) -> tuple[CutParameters, tuple[tuple[str, ...], ...]]:
    """Cutter parameters and sets of tags. Raises `BadManifest`, `UnknownFeature`."""
    match header:
        case {"features": list(features), "cut": [str(algorithm), *sizes], "tags": list(tags)}:
            pass
        case _:
            raise BadManifest("the manifest's header is malformed")
    if list(header) != _HEADER_KEYS:
        raise BadManifest("the manifest's header is not in its canonical form")
    if features or algorithm != ALGORITHM:
        raise UnknownFeature(f"the manifest needs {features or algorithm!r:.200}, which is not known here")
    if len(sizes) != 4 or not all(type(size) is int for size in sizes):
        raise BadManifest("the manifest's cutter parameters are malformed")
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in tags):
        raise BadManifest("the manifest's tags are malformed")
    try:
        return CutParameters(*sizes), tuple(tuple(names) for names in tags)
    except BadCutParameters as error:
        raise BadManifest(error.message) from error


def _front_coded(paths: Sequence[str]) -> tuple[Column, Column, Column]:
    shared, rest, parts = [], [], []
    previous = b""
    for path in paths:
        encoded = path.encode()
        common = _common(previous, encoded)
        shared.append(common)
        rest.append(len(encoded) - common)
        parts.append(encoded[common:])
        previous = encoded
    return (
        np.array(shared, dtype="<u2"),
        np.array(rest, dtype="<u2"),
        np.frombuffer(b"".join(parts), dtype="|u1"),
    )


def _common(a: bytes, b: bytes) -> int:
    """How many leading bytes are equal: the exclusive or of both, read as one big number, begins with as many zeros."""
    length = min(len(a), len(b))
    differing = int.from_bytes(a[:length], "big") ^ int.from_bytes(b[:length], "big")
    return length - (differing.bit_length() + 7) // 8


def _decode_paths(shared: Column, rest: Column, joined: Column) -> list[str]:
    """The paths in these columns. Raises `BadManifest` unless each shares all that it can with the one before."""
    if int(rest.sum(dtype=np.int64)) != len(joined):
        raise BadManifest("the path columns do not add up")
    data = joined.tobytes()
    paths: list[str] = []
    previous, at = b"", 0
    try:
        for common, length in zip(shared.tolist(), rest.tolist(), strict=True):
            # Without the limit four bytes of the payload could ask for 128 KiB of path.
            if common > len(previous) or common + length > PATH_LIMIT:
                raise BadManifest("a path is longer than paths can be")
            path = previous[:common] + data[at : at + length]
            if path[common : common + 1] == previous[common : common + 1] != b"":
                raise BadManifest("the paths are not in their canonical form")
            paths.append(path.decode())
            previous = path
            at += length
    except UnicodeDecodeError as error:
        raise BadManifest("a path is not UTF-8") from error
    return paths


def _decode_targets(kinds: Column, lengths: Column, joined: Column) -> dict[int, str]:
    """Where each link points, by row. Raises `BadManifest`."""
    rows = np.flatnonzero(kinds == Kind.LINK).tolist()
    ends = np.cumsum(lengths, dtype=np.int64).tolist()
    if len(rows) != len(ends) or (ends[-1] if ends else 0) != len(joined):
        raise BadManifest("the target columns do not add up")
    data = joined.tobytes()
    try:
        return {row: data[start:end].decode() for row, start, end in zip(rows, [0, *ends], ends, strict=False)}
    except UnicodeDecodeError as error:
        raise BadManifest("a link's target is not UTF-8") from error


class UnknownFeature(Refused):
    """A manifest needs something that this version does not know."""

    code = "unknown-feature"
    default_cause = "A newer version of Lading published this build."
    default_next = "Install a newer version of Lading; nothing was changed."
