"""Sealed builds: all that a publish settled before the publisher signs, as one small document in the store.

Writing it by put-if-absent takes the build's number, so numbers may have gaps. It is not signed and not believed:
whoever signs makes the build from it anew, on top of what is live then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from chunkstore.errors import Corrupt
from chunkstore.ids import digest_of, hex_to_digest
from chunkstore.store import KeyMissing, NotListable
from manifest.documents import (
    MAX_INLINE_NOTES,
    BadDocument,
    Build,
    BuildMissing,
    DepotRef,
    GameState,
    believed,
    canonical_json,
    depot_from_json,
    found_at,
    natural,
    parse_json,
    take,
)
from manifest.events import EventSink, WarningEvent
from manifest.names import check_name, check_version
from manifest.registry import RegistryWriter

_AHEAD = 1_000_000
"""Candidates that may wait at once."""


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
    with found_at(where):
        value = parse_json(data, "candidate")
        release = take(value, "release", dict)
        notes, notes_id = take(release, "notes", str), take(value, "notes_id", str)
        if len(notes.encode()) > MAX_INLINE_NOTES:
            raise BadDocument("the notes of the candidate are too long")
        if notes_id:
            believed(hex_to_digest, notes_id, "notes id")
        version, channel, parent = (release.get(key) for key in ("version", "channel", "parent"))
        return Candidate(
            depot=believed(check_name, take(value, "depot", str), "depot"),
            ref=depot_from_json(value.get("ref")),
            release=Release(
                version=None if version is None else believed(check_version, take(release, "version", str)),
                channel=None if channel is None else believed(check_name, take(release, "channel", str), "channel"),
                notes=notes,
                critical=take(release, "critical", bool),
                parent=None if parent is None else natural(release, "parent"),
            ),
            sealed_at=natural(value, "sealed_at"),
            notes_id=notes_id,
        )


def seal_candidate(registry: RegistryWriter, state: GameState, candidate: Candidate) -> int:
    """Stores a candidate under a number above all live builds that nobody else will have."""
    data = encode_candidate(candidate)
    for number in numbers_above(state):
        if is_free(state, candidate.release, number) and registry.seal(state.game, number, data):
            return number
    raise RuntimeError("unreachable: no store holds so many candidates")


def read_candidate(registry: RegistryWriter, game: str, number: int) -> Candidate:
    """The candidate of this number, unsigned. Raises `BuildMissing`, `BadDocument`."""
    try:
        return decode_candidate(registry.candidate(game, number), f"candidate #{number} of {game}")
    except KeyMissing as error:
        raise BuildMissing(f"{game} has neither a build nor a candidate #{number}", where=game) from error


def waiting(registry: RegistryWriter, state: GameState, sink: EventSink) -> Iterator[tuple[int, Candidate]]:
    """The candidates that are not live, oldest first; of those that nobody could sign a warning tells.

    None where the store cannot be listed, as a web host's.
    """
    try:
        numbers = registry.candidates(state.game)
    except NotListable:
        return
    for number in numbers:
        if number in state.builds:
            continue
        try:
            candidate = read_candidate(registry, state.game, number)
            if candidate.release.parent:
                state.build(candidate.release.parent)
        except (Corrupt, BuildMissing) as error:
            sink.emit(WarningEvent(error.code, error.message, error.where, "Publish it again."))
            continue
        if live_as(state, number, candidate) is None:
            yield number, candidate


def same_candidate(others: Iterable[tuple[int, Candidate]], wanted: Candidate, *, if_changed: bool) -> int | None:
    """The number of the one among `others` that has this content already, if a new candidate is not wanted.

    That is one with the same label or, with `if_changed`, the newest for the same channel.
    """
    mine = [
        (number, other)
        for number, other in others
        if (other.depot, other.release.channel, other.release.parent)
        == (wanted.depot, wanted.release.channel, wanted.release.parent)
    ]
    label = wanted.release.version
    alike = [row for row in mine if label is not None and row[1].release.version == label]
    alike += mine[-1:] if if_changed else []
    return next((number for number, other in reversed(alike) if other.ref == wanted.ref), None)


def live_as(state: GameState, number: int, candidate: Candidate) -> Build | None:
    """The build that a candidate became: of its number, or of a later one if others had overtaken it."""
    if number in state.builds:
        return state.builds[number]
    return next((build for build in state.builds.values() if build.number > number and is_of(build, candidate)), None)


def is_of(build: Build, candidate: Candidate) -> bool:
    """Whether a build was made of a candidate, sealed at that second, or of another one with its label and content.

    The latter is what becomes of a publish that was killed when it was sealed, and repeated.
    """
    release = candidate.release
    repeated = release.version is not None and not build.withdrawn
    return (
        (repeated or build.published_at == candidate.sealed_at)
        and build.depots.get(candidate.depot) == candidate.ref
        and build.version == (release.version or str(build.number))
        and (build.notes, build.notes_id, build.critical) == (release.notes, candidate.notes_id, release.critical)
    )


def numbers_above(state: GameState) -> range:
    """The numbers that new builds may take, above those that were not withdrawn: a thief's may have been the last one.

    They end, for whoever can store a candidate chooses the number that its signer then would use up.
    """
    first = max((number for number, build in state.builds.items() if not build.withdrawn), default=0) + 1
    return range(first, first + _AHEAD)


def is_free(state: GameState, release: Release, number: int) -> bool:
    """Whether a new build may have this number: above the live ones, and neither number nor label of any other."""
    if number not in numbers_above(state) or number in state.builds:
        return False
    return release.version is not None or all(build.version != str(number) for build in state.builds.values())
