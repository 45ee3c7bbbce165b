"""From a build to the manifest of a depot, and on to where its chunks lie: the head, and the placement that it names.

Head and placement are not signed, so what the head says of sizes is compared with what the manifest allows before
memory is taken.
"""

from __future__ import annotations

from chunkstore.placements import Placement, decode_placement, largest_payload
from manifest.documents import DepotRef, found_at
from manifest.heads import BadHead, Head
from manifest.model import Manifest
from manifest.payload import decode_manifest
from manifest.registry import RegistryReader


def read_manifest(registry: RegistryReader, scope: str, ref: DepotRef) -> Manifest:
    """The manifest of a depot. Raises `KeyMissing`, `WrongPayload`, `BadManifest`, `NewerFormat`, `UnknownFeature`.

    Whether its counts are those that `ref` promises is for the caller to ask: see `is_as_promised`.
    """
    return decode_manifest(registry.manifest(scope, ref.manifest, ref.payload_size))


def is_as_promised(manifest: Manifest, ref: DepotRef) -> bool:
    """Whether a manifest has the counts and the size that are said of it where it is named."""
    found = (len(manifest.paths), len(manifest.chunk_ids), manifest.installed_size)
    return found == (ref.files, ref.chunks, ref.installed_size)


def read_placement(
    registry: RegistryReader, scope: str, name: str, manifest: Manifest, head: Head | None = None
) -> Placement:
    """The present placement of the chunks of the manifest `name`: two requests, one if its head is known.

    Raises `KeyMissing`, `BadHead`, `WrongPayload`, `BadPayload`.
    """
    head = head or registry.head(scope, name)
    if head.placement_size > largest_payload(len(manifest.chunk_ids)):
        raise BadHead("the head names a placement that is larger than the manifest can need", where=name)
    with found_at(f"placement {head.placement.hex()}"):
        payload = registry.placement(scope, head.placement.hex(), head.placement_size)
        return decode_placement(payload, manifest.chunk_sizes)
