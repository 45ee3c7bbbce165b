"""What one user's machine has seen of a game, and what it therefore does not believe any more.

python-tuf keeps the verified metadata but does not sync it to the disk; these marks are synced, and outlive it. A mark
of a version holds as long as the keys that signed it are trusted: that is the way back from a stolen key that signed a
version without end (fast-forward). The marks of channels are what the rollback rule measures from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from chunkstore.errors import Corrupt
from manifest.documents import GameState, canonical_json, parse_json
from manifest.trust.roles import BUILDS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP

MARKED = {TIMESTAMP: ROOT, SNAPSHOT: ROOT, TARGETS: ROOT, BUILDS: TARGETS}
"""The roles whose versions are marked, and who names their keys."""

MAX_SEEN = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Mark:
    """The highest version of a role that was seen, and the ids of the keys that had signed it."""

    version: int
    keyids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """All marks of one user, game and first root. Times are in seconds since the epoch.

    `channels` is the highest build seen on each channel, `floor` the lowest that the first of them may point to.
    `latest` is the latest moment of signing that was seen. `files` are the SHA-256 of what the last whole walk, at
    `walked_at`, has verified; the first of it expires at `expires`.
    """

    root: int = 0
    versions: Mapping[str, Mark] = field(default_factory=dict)
    channels: Mapping[str, int] = field(default_factory=dict)
    floor: int = 0
    latest: int = 0
    walked_at: int = 0
    expires: int = 0
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoleFound:
    """One role as just verified: its version, who signed it, and whose signatures would do now."""

    version: int
    signers: tuple[str, ...]
    trusted: frozenset[str]
    threshold: int


def roles_found(files: Mapping[str, bytes]) -> dict[str, RoleFound]:
    """The marked roles among verified files."""
    parsed = {role: parse_json(data, "metadata") for role, data in files.items() if role in (*MARKED, ROOT)}
    found = {}
    for role, delegator in MARKED.items():
        keyids, threshold = _keys_of(role, parsed[delegator]["signed"])
        signers = tuple(sorted({row["keyid"] for row in parsed[role]["signatures"]} & keyids))
        found[role] = RoleFound(parsed[role]["signed"]["version"], signers, keyids, threshold)
    return found


def _keys_of(role: str, delegator: Mapping[str, Any]) -> tuple[frozenset[str], int]:
    if MARKED[role] == ROOT:
        quorum = delegator["roles"][role]
    else:
        quorum = next(row for row in delegator["delegations"]["roles"] if row["name"] == role)
    return frozenset(quorum["keyids"]), quorum["threshold"]


def advance(seen: Seen, found: Mapping[str, RoleFound], root: int, state: GameState) -> Seen:
    """The marks after a walk. Raises `MetadataRollback` if anything is older than what was seen."""
    if root < seen.root:
        raise MetadataRollback(f"root {root} was served after root {seen.root} had been seen")
    versions = {}
    dropped = False
    for role, now in found.items():
        mark = seen.versions.get(role)
        holds = mark is not None and len(now.trusted.intersection(mark.keyids)) >= now.threshold
        if mark is not None and holds and now.version < mark.version:
            raise MetadataRollback(f"version {now.version} of {role} was served after {mark.version} had been seen")
        dropped |= role == BUILDS and mark is not None and not holds
        versions[role] = Mark(now.version, now.signers)
    channels = dict(seen.channels)
    if dropped:  # a number that only the lost keys vouched for is no number
        newest = max(state.builds, default=0)
        channels = {name: min(number, newest) for name, number in channels.items()}
    return replace(seen, root=root, versions=versions, channels=channels)


def encode_seen(seen: Seen) -> bytes:
    """As it is kept on the disk."""
    return json.dumps(asdict(seen), indent=1, sort_keys=True).encode()


def decode_seen(data: bytes) -> Seen:
    """The marks in a file. Raises `ValueError` if it is not whole."""
    try:
        value = parse_json(data, "marks")
        versions = {role: Mark(row["version"], tuple(row["keyids"])) for role, row in value["versions"].items()}
        seen = Seen(**{**value, "versions": versions})
        canonical_json(asdict(seen))
    except (Corrupt, KeyError, TypeError, AttributeError) as error:
        raise ValueError("the marks are damaged") from error
    numbers = [seen.root, seen.floor, seen.latest, seen.walked_at, seen.expires, *seen.channels.values()]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("the marks are damaged")
    return seen


class MetadataRollback(Corrupt):
    """Older metadata was served than this machine has seen."""

    code = "metadata-rollback"
    default_cause = "A copy of the store lags behind, or somebody serves an old state on purpose."
    default_next = (
        "Nothing was changed. Try again later or another copy of the store; tell the publisher if it stays. "
        "For a publisher whose store came back from a copy docs/keys.md has the way."
    )
