"""Manifests that no publisher makes, and how whoever holds the keys of builds serves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chunkstore.columns import Column, encode_columns, ids_column
from chunkstore.compression import compress
from chunkstore.cutting import ALGORITHM, DEFAULT
from chunkstore.ids import digest_of
from manifest.keys import manifest_key
from manifest.kinds import Kind
from manifest.payload import MAGIC, FileTable, encode_files
from manifest.trust.roles import BUILDS
from tests.attacks.trust.scene import Scene
from tests.kit.forge import overwrite
from tests.kit.rig import GAME

CONTENT = b"x"


@dataclass(frozen=True)
class Forged:
    """A manifest's payload, and what a build's document says of it to be consistent."""

    payload: bytes
    files: int
    chunks: int


def manifest_payload(
    paths: Sequence[str] = ("a",),
    target: str | None = None,
    *,
    version: int = 1,
    features: Sequence[str] = (),
    columns: Mapping[str, Column] | None = None,
    cut_maximum: int = DEFAULT.maximum,
) -> Forged:
    """A manifest of files that all hold `CONTENT`, or of links that all lead to `target`; nothing of it is checked.

    `columns` stand in the place of the proper ones.
    """
    count = len(paths)
    content = CONTENT if target is None else target.encode()
    digests = ids_column(digest_of(content) * count)
    table = FileTable(
        paths=list(paths),
        kinds=np.full(count, Kind.FILE if target is None else Kind.LINK, "|u1"),
        flags=np.zeros(count, "|u1"),
        sizes=np.full(count, len(content), "<u8"),
        digests=digests,
        chunk_counts=np.full(count, target is None, "<u4"),
        tag_sets=np.zeros(count, "<u2"),
        targets={} if target is None else dict.fromkeys(range(count), target),
    )
    chunk_ids = digests if target is None else digests[:0]
    proper = {
        **dict(encode_files(table)),
        "chunk_sizes": np.full(len(chunk_ids), len(CONTENT), "<u4"),
        "chunk_ids": chunk_ids,
    }
    cut = [ALGORITHM, DEFAULT.average, DEFAULT.minimum, cut_maximum, DEFAULT.normalisation]
    header = {"features": list(features), "cut": cut, "tags": []}
    wanted = {**proper, **(columns or {})}
    payload = encode_columns(MAGIC, version, header, list(wanted.items()))
    return Forged(payload, len(wanted["kinds"]), len(wanted["chunk_ids"]))


def serve_manifest(scene: Scene, forged: Forged, *, name: str | None = None, **also: Any) -> None:
    """Makes the newest build consist of it. `name` is what it is called instead of its id; `also` are other fields."""
    forge = scene.forge()
    digest = digest_of(forged.payload).hex()
    overwrite(scene.store, manifest_key(GAME, digest), compress(forged.payload))
    forge.target(BUILDS, f"builds/{scene.newest}")["depots"]["main"].update(
        manifest=name or digest,
        payload_size=len(forged.payload),
        files=forged.files,
        chunks=forged.chunks,
        **also,
    )
    forge.serve([BUILDS])
    scene.mend = scene.supersede


def forget_diffs(scene: Scene) -> None:
    """Takes the diffs away, so that a player has to read the manifest itself."""
    for entry in list(scene.store.list(f"s/{GAME}/diffs/")):
        scene.store.delete(entry.key)
