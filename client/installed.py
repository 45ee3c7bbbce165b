"""What is installed in a folder, by the manifests kept there. No file of the tree is looked at here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chunkstore.errors import Corrupt
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


def installed_tree(folder: InstallFolder, record: Record) -> Manifest:
    """What the record says is installed. Raises `ManifestLost`."""
    depots = installed_depots(folder, record)
    if len(depots) < len(record.manifests):
        raise ManifestLost("the manifest of what is installed is lost", where=str(folder.own))
    return tree_of(depots.values(), record)


class ManifestLost(Corrupt):
    """`.lading/manifests` lacks what the record names."""

    code = "manifest-lost"
    default_cause = "Something removed or damaged files in .lading."
    default_next = "Run `lading repair DIR`: the manifest is fetched again."
