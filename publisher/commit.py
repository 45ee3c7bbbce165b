"""From a sealed build to a live one: the timestamp moves by compare-and-set, and the loser of a race begins anew.

Packs, manifest, placement, head and the newest diff are stored before. A crash on any line leaves a candidate that
waits, and never a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from chunkstore.errors import Refused
from chunkstore.store import Conflict
from manifest.documents import Build, DepotRef, GameState
from manifest.model import Manifest
from manifest.paths import check_union
from manifest.placed import read_manifest
from manifest.registry import RegistryWriter
from manifest.trust.refusals import SignaturesMissing
from publisher.candidates import Candidate, Release, is_free, seal_candidate
from publisher.channels import pointed

_COMMIT_TRIES = 10


def nothing(number: int, version: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A candidate on its way. `number` is the one that it was sealed under, 0 if it was not yet.

    `signed` is told the number and the version of the state that it was signed on top of, just before it goes live.
    """

    candidate: Candidate
    manifest: Manifest
    number: int = 0
    if_changed: bool = False
    signed: Callable[[int, int], None] = nothing


def commit(registry: RegistryWriter, state: GameState, work: Commit) -> tuple[GameState, Build, bool]:
    """Makes the build live; the state with it, the build, and whether it is new.

    The loser of a race looks again whether a new build is wanted, inherits the other depots again and retries. Raises
    `VersionTaken`, `PathCollision`, `KeysMissing`, and `SignaturesMissing`, whose data names the `build` to sign.
    """
    number, candidate = work.number, work.candidate
    for attempt in range(_COMMIT_TRIES):
        check_fits(registry, state, candidate, work.manifest)
        if not is_free(state, candidate.release, number):
            number = seal_candidate(registry, state, candidate)
        build = planned_build(state, candidate, number)
        after = _with(state, build, candidate.release.channel)
        try:
            return registry.commit(state, after, partial(work.signed, number, state.version)), build, True
        except Conflict:
            if attempt == _COMMIT_TRIES - 1:
                raise
        except SignaturesMissing as error:
            error.data |= {"build": number, "version": build.version}
            raise
        state = registry.whole(state.game)
        same = same_build(state, candidate, if_changed=work.if_changed)
        if same:
            return state, same, False
    raise RuntimeError("unreachable: the last try returns or raises")


def same_build(state: GameState, candidate: Candidate, *, if_changed: bool) -> Build | None:
    """The build that has this content already, if a new one is not wanted."""
    depots = depots_of(state, candidate)
    parent = parent_build(state, candidate.release)
    if if_changed and parent and dict(parent.depots) == depots and not parent.withdrawn:
        return parent
    for number in sorted(state.builds, reverse=True):
        build = state.builds[number]
        if build.version == candidate.release.version and dict(build.depots) == depots and not build.withdrawn:
            return build
    return None


def check_fits(registry: RegistryWriter, state: GameState, candidate: Candidate, manifest: Manifest) -> None:
    """Raises `VersionTaken` or `PathCollision` if a candidate cannot go live on top of `state`, whatever its number."""
    depots = depots_of(state, candidate)
    version = candidate.release.version
    for other in state.builds.values():
        if other.version == version and dict(other.depots) != depots:
            raise VersionTaken(
                f"{state.game} has a build with the version {version} and other content (#{other.number})",
                where=state.game,
                data={"version": version, "build": other.number},
            )
    _check_together(registry, state, candidate, manifest, depots)


def planned_build(state: GameState, candidate: Candidate, number: int) -> Build:
    """The build that a candidate makes on top of `state`. Raises `BuildMissing` if there is no such parent.

    Its players may be led back to what they had before: the channel's build, or else the newest.
    """
    release = candidate.release
    before = state.channels.get(release.channel) if release.channel else None
    newest = newest_live(state)
    return Build(
        number=number,
        version=release.version or str(number),
        depots=depots_of(state, candidate),
        published_at=candidate.sealed_at,
        notes=release.notes,
        notes_id=candidate.notes_id,
        critical=release.critical,
        rollback_to=before.build if before else newest.number if newest else 0,
    )


def _with(state: GameState, build: Build, channel: str | None) -> GameState:
    channels = dict(state.channels)
    if channel:
        channels[channel] = pointed(channels.get(channel), channel, build.number)
    return replace(state, builds={**state.builds, build.number: build}, channels=channels)


def depots_of(state: GameState, candidate: Candidate) -> dict[str, DepotRef]:
    """The depots of the build that this publish makes: the sealed one and those that it inherits."""
    parent = parent_build(state, candidate.release)
    return {**(parent.depots if parent else {}), candidate.depot: candidate.ref}


def parent_build(state: GameState, release: Release) -> Build | None:
    """Whose other depots a new build inherits: the channel's present build, else the newest. Raises `BuildMissing`."""
    if release.parent is not None:
        return state.build(release.parent) if release.parent else None
    if release.channel and release.channel in state.channels:
        return state.build(state.channels[release.channel].build)
    return newest_live(state)


def newest_live(state: GameState) -> Build | None:
    """The newest build that was not withdrawn."""
    live = [number for number, build in state.builds.items() if not build.withdrawn]
    return state.builds[max(live)] if live else None


def _check_together(
    registry: RegistryWriter,
    state: GameState,
    candidate: Candidate,
    manifest: Manifest,
    depots: Mapping[str, DepotRef],
) -> None:
    """Refuses a path that two depots would both install on some machine."""
    trees = [(candidate.depot, manifest.paths, manifest.kinds.tolist())]
    for name, ref in depots.items():
        if name == candidate.depot or not platforms_meet(ref.platform, candidate.ref.platform):
            continue
        other = read_manifest(registry, state.scope, ref)
        check_union([*trees, (name, other.paths, other.kinds.tolist())])


def platforms_meet(a: str, b: str) -> bool:
    """Whether one machine may install depots of both platforms."""
    return a == b or "any" in (a, b)


class VersionTaken(Refused):
    """A version label names one content for ever."""

    code = "version-taken"
    default_cause = "A version label can only be published again with the same content."
    default_next = "Choose another --version, or leave it out."
