"""What is installed in a folder, by the manifests kept there. No file of the tree is looked at here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from client.record import InstallFolder, Record
from manifest.model import Manifest
from manifest.payload import decode_manifest
from manifest.union import unite


@dataclass(frozen=True, slots=True, eq=False)
class Installed:
    """One depot: the id of its manifest, the manifest, and its payload."""

    name: str
    manifest: Manifest
    payload: bytes


def installed_depots(folder: InstallFolder, record: Record) -> dict[str, Installed]:
    """The installed depots by name, sorted; those whose manifest is lost are left out."""
    kept = {depot: (name, folder.manifest_payload(name)) for depot, name in sorted(record.manifests.items())}
    return {depot: Installed(name, decode_manifest(data), data) for depot, (name, data) in kept.items() if data}


def tree_of(depots: Iterable[Installed], record: Record) -> Manifest:
    """The tree that these depots, with the tags of the record, make up."""
    return unite([depot.manifest for depot in depots], frozenset(record.tags)).manifest


def installed_tree(folder: InstallFolder, record: Record) -> Manifest | None:
    """What the record says is installed; None if a manifest is lost."""
    depots = installed_depots(folder, record)
    return tree_of(depots.values(), record) if len(depots) == len(record.manifests) else None
