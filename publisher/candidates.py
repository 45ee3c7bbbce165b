"""Sealed builds: all that a publish settled before the publisher signs, as one small document in the store.

Writing it by put-if-absent takes the build's number, so numbers may have gaps. It is not signed and not believed:
whoever signs makes the build from it anew, on top of what is live then.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any

from chunkstore.ids import digest_of, hex_to_digest
from manifest.documents import (
    MAX_INLINE_NOTES,
    BadDocument,
    DepotRef,
    GameState,
    believed,
    canonical_json,
    depot_from_json,
    natural,
    parse_json,
)
from manifest.names import check_name, check_version
from manifest.registry import RegistryWriter


@dataclass(frozen=True, slots=True)
class Release:
    """What a build document says besides its depots. `version` None: the build's number.

    `parent` is the build whose other depots are inherited: None for the usual one, 0 for none.
    """

    version: str | None
    channel: str | None
    notes: str = ""
    critical: bool = False
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One depot that is stored, and what the release that brings it is to be. `sealed_at` is in seconds."""

    depot: str
    ref: DepotRef
    release: Release
    sealed_at: int
    notes_id: str = ""


def candidate_of(depot: str, ref: DepotRef, release: Release, now: int) -> Candidate:
    """The candidate of a release; notes that are too long for the build's document lie beside it."""
    notes = release.notes.encode()
    if len(notes) <= MAX_INLINE_NOTES:
        return Candidate(depot, ref, release, now)
    return Candidate(depot, ref, replace(release, notes=""), now, digest_of(notes).hex())


def encode_candidate(candidate: Candidate) -> bytes:
    """As it is stored."""
    return canonical_json(asdict(candidate))


def decode_candidate(data: bytes, where: str) -> Candidate:
    """A candidate as somebody stored it. Raises `BadDocument`."""
    value = parse_json(data, "candidate", where)
    release = value.get("release")
    if not isinstance(release, dict):
        raise BadDocument("the candidate has no release", where=where)
    version, channel, parent = release.get("version"), release.get("channel"), release.get("parent")
    notes, notes_id, critical = release.get("notes"), value.get("notes_id"), release.get("critical")
    if not (isinstance(notes, str) and isinstance(notes_id, str) and isinstance(critical, bool)):
        raise BadDocument("a field of the candidate is missing or of another type", where=where)
    if len(notes.encode(errors="replace")) > MAX_INLINE_NOTES:
        raise BadDocument("the notes of the candidate are too long", where=where)
    if notes_id:
        believed(hex_to_digest, notes_id, "notes id")
    return Candidate(
        depot=believed(check_name, _text(value, "depot"), "depot"),
        ref=depot_from_json(value.get("ref")),
        release=Release(
            version=None if version is None else believed(check_version, _text(release, "version")),
            channel=None if channel is None else believed(check_name, _text(release, "channel"), "channel"),
            notes=notes,
            critical=critical,
            parent=None if parent is None else natural(release, "parent"),
        ),
        sealed_at=natural(value, "sealed_at"),
        notes_id=notes_id,
    )


def seal_candidate(registry: RegistryWriter, state: GameState, candidate: Candidate) -> int:
    """Stores a candidate under a number above all live builds that nobody else will have."""
    data = encode_candidate(candidate)
    for number in count(max(state.builds, default=0) + 1):
        if is_free(state, candidate.release, number) and registry.seal(state.game, number, data):
            return number
    raise RuntimeError("unreachable: numbers do not end")


def is_free(state: GameState, release: Release, number: int) -> bool:
    """Whether a new build may have this number: above all others and, if it is the label as well, no other's label."""
    if number <= max(state.builds, default=0):
        return False
    return release.version is not None or all(build.version != str(number) for build in state.builds.values())


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise BadDocument(f"the field {key!r} of the candidate is missing or no text")
    return found
