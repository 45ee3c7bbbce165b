"""From a manifest to where its chunks lie: its head, and the placement that the head names.

Neither is signed, so what the head says of sizes is compared with what the manifest allows before memory is taken.
"""

from __future__ import annotations

from chunkstore.placements import Placement, decode_placement, largest_payload
from manifest.documents import found_at
from manifest.heads import BadHead, Head
from manifest.model import Manifest
from manifest.registry import RegistryReader


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
