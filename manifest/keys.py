"""Which key of a store holds what. Every key is derived or named by a document, so that a store needs no listing."""

from __future__ import annotations

STORE = "lading.json"

GAMES = "tuf/"
"""Where all that is signed lies, game by game."""


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


def game_prefix(game: str) -> str:
    """Where all that is signed of a game lies, and what waits for a signature."""
    return f"tuf/{game}/"


def metadata_key(game: str, role: str, version: int) -> str:
    """The metadata of a role, but for the timestamp's: never overwritten."""
    return f"tuf/{game}/{version}.{role}.json"


def bundle_key(game: str, snapshot: int) -> str:
    """Snapshot, targets, builds and channels as of one snapshot, in one object."""
    return f"tuf/{game}/{snapshot}.bundle"


def voucher_key(game: str) -> str:
    """What the registry says of the game's root, for a first contact: mutable, by compare-and-set."""
    return f"tuf/{game}/voucher"


def candidates_prefix(game: str) -> str:
    """Where sealed builds lie."""
    return f"tuf/{game}/candidates/"


def candidate_key(game: str, number: int) -> str:
    """A sealed build. Whoever writes it by put-if-absent has the number."""
    return f"{candidates_prefix(game)}{number}"


def partials_prefix(game: str) -> str:
    """Where metadata lies that not enough keys have signed yet."""
    return f"tuf/{game}/signing/"


def partial_key(game: str, role: str, version: int, keyid: str, digest: str) -> str:
    """A version of a role's metadata with the signature of one key. Several may wait, of which one can go live."""
    return f"{partials_prefix(game)}{version}.{role}.{keyid[:16]}.{digest[:16]}"


def members_prefix(scope: str) -> str:
    """Where a scope lists its games."""
    return f"s/{scope}/games/"


def member_key(scope: str, game: str) -> str:
    """Says that a game is of a scope."""
    return f"{members_prefix(scope)}{game}"
