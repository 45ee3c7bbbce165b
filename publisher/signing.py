"""Looking at a candidate, making it live where the keys are, and finishing what a killed publish had signed."""

from __future__ import annotations

from chunkstore.errors import Corrupt, NotFound
from delta.changes import Changes, compare
from manifest.documents import Build, GameState
from manifest.events import WarningEvent
from manifest.payload import decode_manifest
from manifest.placed import is_as_promised, read_manifest, read_placement
from manifest.registry import RegistryReader, RegistryWriter
from manifest.trust.refusals import SignaturesMissing
from publisher.candidates import Candidate, live_as, numbers_above, read_candidate
from publisher.commit import Commit, commit, parent_build
from publisher.diffs import write_diffs
from publisher.sealed import Sealed
from publisher.sessions import SessionFile
from publisher.world import World


def sign_candidate(registry: RegistryWriter, game: str, number: int) -> tuple[GameState, Build, bool]:
    """Makes the candidate of this number live; the state, the build, and whether it was not live before.

    A candidate that others overtook gets a new number. Raises `BuildMissing`, `CandidateUnusable`, `KeysMissing` before
    anything is stored, and `SignaturesMissing` when others have to sign, too.
    """
    state = registry.whole(game)
    if number in state.builds:
        return state, state.builds[number], False
    candidate = read_candidate(registry, game, number)
    if build := live_as(state, number, candidate):
        return state, build, False
    if number > numbers_above(state)[-1]:
        raise CandidateUnusable(
            f"no publish gives the number {number}",
            where=game,
            cause="Somebody who can write to the store put the candidate there, to use up all numbers.",
            next="Do not sign it. Find out who wrote it, and delete the object.",
        )
    registry.require_keys(state)
    sealed = read_sealed(registry, state, candidate)
    _check_stored(registry, state, sealed)
    write_diffs(registry, state, sealed, newest_only=True)
    state, build, created = commit(registry, state, Commit(candidate, sealed.manifest, number))
    write_diffs(registry, state, sealed, newest_only=False)
    return state, build, created


def read_sealed(registry: RegistryReader, state: GameState, candidate: Candidate) -> Sealed:
    """The candidate's manifest. Raises `CandidateUnusable` if it is not what the candidate says."""
    ref = candidate.ref
    manifest = decode_manifest(payload := registry.manifest(state.scope, ref.manifest, ref.payload_size))
    if not is_as_promised(manifest, ref):
        raise CandidateUnusable("the candidate and its manifest disagree about their counts", where=state.game)
    return Sealed(candidate.depot, ref, manifest, payload, None)


def changes_of(registry: RegistryReader, state: GameState, candidate: Candidate) -> Changes:
    """What a candidate does to the files of its depot, compared with the parent's. Raises `CandidateUnusable`."""
    sealed = read_sealed(registry, state, candidate)
    parent = parent_build(state, candidate.release)
    before = parent.depots.get(candidate.depot) if parent else None
    if before is None:
        return Changes(list(sealed.manifest.paths), [], [], [])
    return compare(read_manifest(registry, state.scope, before), sealed.manifest)


def _check_stored(registry: RegistryWriter, state: GameState, sealed: Sealed) -> None:
    placement = read_placement(registry, state.scope, sealed.ref.manifest, sealed.manifest)
    lost = {placement.pack_id(row).hex() for row in range(len(placement.packs))} - registry.packs(state.scope).keys()
    if lost:
        raise CandidateUnusable(f"{len(lost)} packs of the candidate are not there", where=state.game)


def reconcile(world: World, game: str, session: SessionFile) -> None:
    """Finishes a publish that was killed after it was signed, unless the game has moved on since.

    A candidate that cannot go live, or not without others, stands in the way of no other publish.
    """
    known = session.load()
    if known is None or not known.signed_on:
        return
    state = world.registry.whole(game)
    finished = known.number in state.builds or (state.version == known.signed_on and _finish(world, game, known.number))
    if not finished:
        message = f"a publish of {game} was interrupted; its build waits as candidate #{known.number}"
        world.sink.emit(WarningEvent("publish-interrupted", message, next="Publish again, or run `lading build sign`."))
    session.clear()


def _finish(world: World, game: str, number: int) -> bool:
    try:
        sign_candidate(world.registry, game, number)
    except (Corrupt, NotFound, SignaturesMissing):
        return False
    return True


class CandidateUnusable(Corrupt):
    """A candidate cannot go live."""

    code = "candidate-unusable"
    default_cause = "It was not uploaded to its end, or the store was damaged or swept since."
    default_next = "Publish the build again with --candidate."
