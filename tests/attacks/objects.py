"""The objects of a store that a player reads, by what they are, and the ways in which they can be wrong."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import zstandard

from chunkstore.placements import decode_placement
from chunkstore.stores.folder import FolderStore
from manifest.keys import (
    STORE,
    bundle_key,
    diff_key,
    head_key,
    manifest_key,
    metadata_key,
    pack_key,
    placement_key,
    timestamp_key,
)
from manifest.payload import decode_manifest
from manifest.trust.roles import BUILDS, CHANNELS, ROOT, SNAPSHOT, TARGETS
from tests.kit.clock import FakeClock
from tests.kit.published import GAME
from tests.kit.signed import reader_of

BUNDLED: Final = (SNAPSHOT, TARGETS, BUILDS, CHANNELS)
MEBIBYTE: Final = 1 << 20
PACK_HEADER: Final = 32


def keys_of(store: Path, build: int, before: int) -> dict[str, list[str]]:
    """What a player of build `before` may read on the way to `build`: for each kind of object the keys.

    The metadata of a role lies in the bundle as well, so that both are spoilt.
    """
    with tempfile.TemporaryDirectory() as state_folder:
        reader = reader_of(FolderStore(store), Path(state_folder), FakeClock())
        state = reader.game(GAME)
    versions = {role: json.loads(data)["signed"]["version"] for role, data in state.metadata.items()}
    bundle = bundle_key(GAME, versions[SNAPSHOT])
    ref, old = state.build(build).depots["main"], state.build(before).depots["main"]
    head = reader.head(state.scope, ref.manifest)
    manifest = decode_manifest(reader.manifest(state.scope, ref.manifest, ref.payload_size))
    placement = reader.placement(state.scope, head.placement.hex(), head.placement_size)
    packs = decode_placement(placement, manifest.chunk_sizes).packs
    diff = head.diff_from(bytes.fromhex(old.manifest))
    assert diff is not None
    return {
        "store document": [STORE],
        "timestamp": [timestamp_key(GAME)],
        "root": [metadata_key(GAME, ROOT, 1)],
        "bundle": [bundle],
        **{role: [metadata_key(GAME, role, versions[role]), bundle] for role in BUNDLED},
        "head": [head_key(state.scope, ref.manifest)],
        "manifest": [manifest_key(state.scope, ref.manifest)],
        "placement": [placement_key(state.scope, head.placement.hex())],
        "diff": [diff_key(state.scope, diff.diff.hex())],
        "packs": [pack_key(state.scope, pack.tobytes().hex()) for pack in packs],
    }


def _flipped(data: bytes) -> bytes:
    """A bit in every sixteenth of the object, so that whatever is read of it is hit."""
    spoilt = bytearray(data)
    for at in range(0, len(spoilt), max(1, len(spoilt) // 16)):
        spoilt[at] ^= 4
    return bytes(spoilt)


def _bomb(*, stated: bool) -> bytes:
    """Half a kilobyte of zstd that becomes 16 MiB, whether it says so or not."""
    size = 16 * MEBIBYTE
    compressor = zstandard.ZstdCompressor(level=19).compressobj(size if stated else -1)
    return compressor.compress(bytes(size)) + compressor.flush()


def _with_bomb_as_first_frame(pack: bytes) -> bytes:
    bomb = _bomb(stated=True)
    return pack[:PACK_HEADER] + bomb + pack[PACK_HEADER + len(bomb) :]


DAMAGES: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "flipped": _flipped,
    "oversized": lambda data: data + bytes(MEBIBYTE),
    "web page": lambda data: b"<!doctype html><title>404</title>",
    "bomb": lambda data: _bomb(stated=True),
    "silent bomb": lambda data: _bomb(stated=False),
    "frame bomb": _with_bomb_as_first_frame,
}


def spoil(store: Path, keys: Mapping[str, list[str]], others: Mapping[str, list[str]], kind: str, damage: str) -> None:
    """Do the damage to all objects of one kind. `others` are the keys of the same kinds of another build."""
    paths = [store / key for key in keys[kind]]
    if damage == "missing":
        for path in paths:
            path.unlink()
    elif damage == "swapped":
        contents = [(store / key).read_bytes() for key in others[kind]]
        for path, content in zip(paths, reversed(contents), strict=False):
            path.write_bytes(content)
    else:
        for path in paths:
            path.write_bytes(DAMAGES[damage](path.read_bytes()))
