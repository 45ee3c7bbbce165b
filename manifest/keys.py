"""Which key of a store holds what. Every key is derived or named by a document, so that a store needs no listing."""

from __future__ import annotations

STORE = "lading.json"


def packs_prefix(scope: str) -> str:
    """Where all packs of a scope lie: what a prefix token covers."""
    return f"s/{scope}/packs/"


def pack_key(scope: str, pack: str) -> str:
    """A pack, by its id in hexadecimal."""
    return f"{packs_prefix(scope)}{pack[:2]}/{pack}"


def manifest_key(scope: str, manifest: str) -> str:
    """The container of a manifest's payload."""
    return f"s/{scope}/manifests/{manifest[:2]}/{manifest}"


def placement_key(scope: str, placement: str) -> str:
    """The container of a placement's payload."""
    return f"s/{scope}/placements/{placement}"


def diff_key(scope: str, diff: str) -> str:
    """The container of a diff's payload."""
    return f"s/{scope}/diffs/{diff}"


def head_key(scope: str, manifest: str) -> str:
    """The head of a manifest: mutable, by compare-and-set."""
    return f"s/{scope}/heads/{manifest}"


def note_key(scope: str, note: str) -> str:
    """Release notes that are too long for the build document."""
    return f"s/{scope}/notes/{note}"


def timestamp_key(game: str) -> str:
    """The one mutable document of a game: the moment of truth of every publish."""
    return f"tuf/{game}/timestamp.json"


def states_prefix(game: str) -> str:
    """Where all states of a game lie, the present one and earlier ones."""
    return f"tuf/{game}/state/"


def state_key(game: str, digest: str) -> str:
    """The document that lists a game's builds and channels; named by its BLAKE3."""
    return f"{states_prefix(game)}{digest}.json"


def claim_key(game: str, number: int) -> str:
    """Claimed by put-if-absent: whoever writes it may publish the build of this number."""
    return f"tuf/{game}/numbers/{number}"
