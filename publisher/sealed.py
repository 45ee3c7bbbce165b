"""A manifest whose chunks are all stored: what a publish has in hand before it asks for a signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chunkstore.columns import Column
from chunkstore.ids import digest_of
from chunkstore.placements import Placement, encode_placement
from manifest.documents import DepotRef
from manifest.heads import Head
from manifest.model import Manifest
from manifest.payload import decode_manifest
from manifest.registry import RegistryWriter


@dataclass(frozen=True, slots=True)
class Sealed:
    """A manifest whose chunks are all stored, with its payload; `placement` is None if it need not be written anew.

    Where a placement is given, the diffs that lead to the manifest are written anew, too.
    """

    depot: str
    ref: DepotRef
    manifest: Manifest
    payload: bytes
    placement: Placement | None


def seal(
    depot: str,
    payload: bytes,
    placement: Callable[[Column], Placement],
    is_placed: Callable[[str], bool],
    like: DepotRef,
) -> Sealed:
    """The manifest in `payload` as a depot of a build. Its placement is asked for only if the store holds none yet."""
    manifest = decode_manifest(payload)
    name = digest_of(payload).hex()
    ref = replace(
        like,
        manifest=name,
        payload_size=len(payload),
        files=len(manifest.paths),
        chunks=len(manifest.chunk_ids),
        installed_size=manifest.installed_size,
    )
    return Sealed(depot, ref, manifest, payload, None if is_placed(name) else placement(manifest.chunk_ids))


def write_sealed(registry: RegistryWriter, scope: str, sealed: Sealed) -> None:
    """Stores manifest, placement and head of a sealed depot, with the diff from the newest other manifest."""
    registry.put_manifest(scope, sealed.payload)
    if sealed.placement is None:
        return
    encoded = encode_placement(sealed.placement, sealed.manifest.chunk_sizes)
    name = bytes.fromhex(registry.put_placement(scope, encoded))

    def placed(head: Head | None) -> Head:
        # Diffs carry places of their own: those that were written with another placement are made again.
        return head if head and head.placement == name else Head(name, len(encoded))

    registry.change_head(scope, sealed.ref.manifest, placed)
