"""Making a candidate live where the keys are, and finishing what a killed publish had signed."""

from __future__ import annotations

from chunkstore.errors import Corrupt
from chunkstore.store import KeyMissing
from manifest.documents import Build, BuildMissing, GameState
from manifest.events import WarningEvent
from manifest.payload import decode_manifest
from manifest.placed import read_placement
from manifest.registry import RegistryWriter
from publisher.candidates import Candidate, decode_candidate
from publisher.commit import Commit, commit
from publisher.diffs import write_diffs
from publisher.sealed import Sealed
from publisher.sessions import SessionFile
from publisher.world import World


def sign_candidate(registry: RegistryWriter, game: str, number: int) -> tuple[GameState, Build, bool]:
    """Makes the candidate of this number live; the state, the build, and whether it was not live before.

    A candidate that others overtook gets a new number. Raises `BuildMissing`, `CandidateUnusable`, `KeysMissing`,
    `SignaturesMissing`.
    """
    state = registry.whole(game)
    if number in state.builds:
        return state, state.builds[number], False
    candidate = read_candidate(registry, game, number)
    sealed = _check_stored(registry, state, candidate)
    write_diffs(registry, state, sealed, newest_only=True)
    state, build, created = commit(registry, state, Commit(candidate, sealed.manifest, number))
    write_diffs(registry, state, sealed, newest_only=False)
    return state, build, created


def read_candidate(registry: RegistryWriter, game: str, number: int) -> Candidate:
    """The candidate of this number, unsigned. Raises `BuildMissing`, `BadDocument`."""
    try:
        return decode_candidate(registry.candidate(game, number), f"candidate #{number} of {game}")
    except KeyMissing as error:
        raise BuildMissing(f"{game} has neither a build nor a candidate #{number}", where=game) from error


def _check_stored(registry: RegistryWriter, state: GameState, candidate: Candidate) -> Sealed:
    """The candidate's manifest, if it is what the candidate says and all its packs are there."""
    ref = candidate.ref
    manifest = decode_manifest(payload := registry.manifest(state.scope, ref.manifest, ref.payload_size))
    if (len(manifest.paths), len(manifest.chunk_ids), manifest.installed_size) != (
        ref.files,
        ref.chunks,
        ref.installed_size,
    ):
        raise CandidateUnusable("the candidate and its manifest disagree about their counts", where=state.game)
    placement = read_placement(registry, state.scope, ref.manifest, manifest)
    lost = {placement.pack_id(row).hex() for row in range(len(placement.packs))} - registry.packs(state.scope).keys()
    if lost:
        raise CandidateUnusable(f"{len(lost)} packs of the candidate are not there", where=state.game)
    return Sealed(candidate.depot, ref, manifest, payload, None)


def reconcile(world: World, game: str, session: SessionFile) -> None:
    """Finishes a publish that was killed after it was signed, unless the game has moved on since."""
    known = session.load()
    if known is None or not known.signed_on:
        return
    state = world.registry.whole(game)
    if known.number not in state.builds and state.version == known.signed_on:
        sign_candidate(world.registry, game, known.number)
    elif known.number not in state.builds:
        message = f"a publish of {game} was interrupted; its build waits as candidate #{known.number}"
        world.sink.emit(WarningEvent("publish-interrupted", message, next="Publish again, or run `lading build sign`."))
    session.clear()


class CandidateUnusable(Corrupt):
    """A candidate cannot go live."""

    code = "candidate-unusable"
    default_cause = "It was not uploaded to its end, or the store was damaged or swept since."
    default_next = "Publish the build again with --candidate."
