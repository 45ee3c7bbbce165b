"""From a manifest to a live build: the order of writes in which a crash on any line leaves garbage and never a gap.

Packs are stored before this begins. Then: manifest and placement; the diff from the manifest that players have now; the
head; the pointer of the game, which is the moment of truth; last, the diffs from older manifests and the one back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chunkstore.columns import Column
from chunkstore.errors import Refused
from chunkstore.ids import digest_of
from chunkstore.placements import Placement, encode_placement
from chunkstore.store import Conflict, KeyMissing
from delta.diff import make_diff
from manifest.documents import MAX_INLINE_NOTES, Build, DepotRef, GameState
from manifest.heads import DiffRef, Head
from manifest.model import Manifest
from manifest.paths import check_union
from manifest.payload import decode_manifest
from manifest.placed import read_placement
from manifest.registry import RegistryWriter
from publisher.channels import pointed
from publisher.known import UNREADABLE

DIFF_DEPTH = 16
"""Diffs lead straight from so many of the newest distinct manifests; then from every doubled distance beyond."""

_COMMIT_TRIES = 10


@dataclass(frozen=True, slots=True)
class Sealed:
    """A manifest whose chunks are all stored, with its payload; `placement` is None if it need not be written anew.

    Where a placement is given, the diffs that lead to the manifest are written anew, too.
    """

    depot: str
    ref: DepotRef
    manifest: Manifest
    payload: bytes
    placement: Placement | None


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


def seal(
    depot: str,
    payload: bytes,
    placement: Callable[[Column], Placement],
    is_placed: Callable[[str], bool],
    like: DepotRef,
) -> Sealed:
    """The manifest in `payload` as a depot of a build. Its placement is asked for only if the store holds none yet."""
    manifest = decode_manifest(payload)
    name = digest_of(payload).hex()
    ref = replace(
        like,
        manifest=name,
        payload_size=len(payload),
        files=len(manifest.paths),
        chunks=len(manifest.chunk_ids),
        installed_size=manifest.installed_size,
    )
    return Sealed(depot, ref, manifest, payload, None if is_placed(name) else placement(manifest.chunk_ids))


def write_sealed(registry: RegistryWriter, state: GameState, sealed: Sealed) -> None:
    """Stores manifest, placement and head of a sealed depot, with the diff from the newest other manifest."""
    registry.put_manifest(state.scope, sealed.payload)
    if sealed.placement is None:
        return
    encoded = encode_placement(sealed.placement, sealed.manifest.chunk_sizes)
    name = bytes.fromhex(registry.put_placement(state.scope, encoded))

    def placed(head: Head | None) -> Head:
        # Diffs carry places of their own: those that were written with another placement are made again.
        return head if head and head.placement == name else Head(name, len(encoded))

    registry.change_head(state.scope, sealed.ref.manifest, placed)


def commit(
    registry: RegistryWriter, state: GameState, sealed: Sealed, release: Release, now: int, *, if_changed: bool
) -> tuple[GameState, Build, bool]:
    """Makes the build live; the state with it, the build, and whether it is new.

    The loser of a race looks again whether a new build is wanted, inherits the other depots again and retries. Raises
    `VersionTaken`.
    """
    number = 0
    for attempt in range(_COMMIT_TRIES):
        while not is_free(state, release, number):
            number = registry.claim_number(state)
        state, build = plan_build(registry, state, sealed, release, number, now)
        try:
            return registry.commit(state), build, True
        except Conflict:
            if attempt == _COMMIT_TRIES - 1:
                raise
        state = registry.game(state.game)
        same = same_build(state, sealed, release, if_changed=if_changed)
        if same:
            return state, same, False
    raise RuntimeError("unreachable: the last try returns or raises")


def is_free(state: GameState, release: Release, number: int) -> bool:
    """Whether a new build may have this number: above all others and, if it is the label as well, no other's label."""
    if number <= max(state.builds, default=0):
        return False
    return release.version is not None or all(build.version != str(number) for build in state.builds.values())


def same_build(state: GameState, sealed: Sealed, release: Release, *, if_changed: bool) -> Build | None:
    """The build that has this content already, if a new one is not wanted."""
    depots = depots_of(state, sealed, release)
    parent = parent_build(state, release)
    if if_changed and parent and dict(parent.depots) == depots:
        return parent
    for number in sorted(state.builds, reverse=True):
        build = state.builds[number]
        if build.version == release.version and dict(build.depots) == depots:
            return build
    return None


def plan_build(
    registry: RegistryWriter, state: GameState, sealed: Sealed, release: Release, number: int, now: int
) -> tuple[GameState, Build]:
    """The state of the game with the new build, on top of `state`. Raises `VersionTaken`, `PathCollision`."""
    depots = depots_of(state, sealed, release)
    version = release.version or str(number)
    for other in state.builds.values():
        if other.version == version and dict(other.depots) != depots:
            raise VersionTaken(
                f"{state.game} has a build with the version {version} and other content (#{other.number})",
                where=state.game,
                data={"version": version, "build": other.number},
            )
    _check_together(registry, state, sealed, depots)
    before = state.channels.get(release.channel) if release.channel else None
    inline = len(release.notes.encode()) <= MAX_INLINE_NOTES
    build = Build(
        number=number,
        version=version,
        depots=depots,
        published_at=now,
        notes=release.notes if inline else "",
        notes_id="" if inline else digest_of(release.notes.encode()).hex(),
        critical=release.critical,
        rollback_to=before.build if before else 0,
    )
    channels = dict(state.channels)
    if release.channel:
        channels[release.channel] = pointed(before, release.channel, number)
    return replace(state, builds={**state.builds, number: build}, channels=channels), build


def depots_of(state: GameState, sealed: Sealed, release: Release) -> dict[str, DepotRef]:
    """The depots of the build that this publish makes: the sealed one and those that it inherits."""
    parent = parent_build(state, release)
    return {**(parent.depots if parent else {}), sealed.depot: sealed.ref}


def parent_build(state: GameState, release: Release) -> Build | None:
    """Whose other depots a new build inherits: the channel's present build, else the newest. Raises `BuildMissing`."""
    if release.parent is not None:
        return state.build(release.parent) if release.parent else None
    if release.channel and release.channel in state.channels:
        return state.builds[state.channels[release.channel].build]
    return state.builds[max(state.builds)] if state.builds else None


def write_diffs(registry: RegistryWriter, state: GameState, sealed: Sealed, *, newest_only: bool) -> None:
    """Stores the diffs that lead to the sealed manifest from earlier ones, and the one back, where they are missing.

    With `newest_only` just the one from the manifest before: players who are up to date must find it when the build
    goes live; the others may come after.
    """
    name = sealed.ref.manifest
    earlier = [(build, manifest) for build, manifest in state.newest_manifests(sealed.depot) if manifest != name]
    wanted = earlier[:1] if newest_only else [row for at, row in enumerate(earlier) if _is_wanted(at + 1)]
    head = registry.head(state.scope, name)
    placement = sealed.placement
    for build, origin in wanted:
        settled = sealed.placement is None or (not newest_only and (build, origin) == earlier[0])
        if settled and head.diff_from(bytes.fromhex(origin)):
            continue
        try:
            old = _read_manifest(registry, state, origin)
        except UNREADABLE:
            continue
        placement = placement or read_placement(registry, state.scope, name, sealed.manifest)
        _add_diff(registry, state, (build, origin, old), (name, sealed.manifest, placement))
    if not newest_only and earlier:
        _write_diff_back(registry, state, sealed, earlier[0][1])


def _write_diff_back(registry: RegistryWriter, state: GameState, sealed: Sealed, previous: str) -> None:
    """The diff into the manifest before, for rollback."""
    name = sealed.ref.manifest
    try:
        if registry.head(state.scope, previous).diff_from(bytes.fromhex(name)):
            return
        old = _read_manifest(registry, state, previous)
        placement = read_placement(registry, state.scope, previous, old)
    except UNREADABLE:
        return
    number = max(n for n, m in state.newest_manifests(sealed.depot) if m == name)
    _add_diff(registry, state, (number, name, sealed.manifest), (previous, old, placement))


def _add_diff(
    registry: RegistryWriter,
    state: GameState,
    origin: tuple[int, str, Manifest],
    target: tuple[str, Manifest, Placement],
) -> None:
    build, name, old = origin
    leads_to, new, placement = target
    payload = make_diff(old, new, placement)
    diff = registry.put_diff(state.scope, payload)
    ref = DiffRef(bytes.fromhex(name), build, bytes.fromhex(diff), len(payload))

    def with_diff(head: Head | None) -> Head:
        if head is None:
            raise KeyMissing("the head of a manifest is gone", where=leads_to)
        return head.with_diff(ref)

    registry.change_head(state.scope, leads_to, with_diff)


def _is_wanted(distance: int) -> bool:
    return distance <= DIFF_DEPTH or (distance >= 2 * DIFF_DEPTH and distance & (distance - 1) == 0)


def _read_manifest(registry: RegistryWriter, state: GameState, name: str) -> Manifest:
    size = next(
        ref.payload_size for build in state.builds.values() for ref in build.depots.values() if ref.manifest == name
    )
    return decode_manifest(registry.manifest(state.scope, name, size))


def _check_together(registry: RegistryWriter, state: GameState, sealed: Sealed, depots: dict[str, DepotRef]) -> None:
    """Refuses a path that two depots would both install on some machine."""
    trees = [(sealed.depot, sealed.manifest.paths, sealed.manifest.kinds.tolist())]
    for name, ref in depots.items():
        if name == sealed.depot or not platforms_meet(ref.platform, sealed.ref.platform):
            continue
        other = decode_manifest(registry.manifest(state.scope, ref.manifest, ref.payload_size))
        check_union([*trees, (name, other.paths, other.kinds.tolist())])


def platforms_meet(a: str, b: str) -> bool:
    """Whether one machine may install depots of both platforms."""
    return a == b or "any" in (a, b)


class VersionTaken(Refused):
    """A version label names one content for ever."""

    code = "version-taken"
    default_cause = "A version label can only be published again with the same content."
    default_next = "Choose another --version, or leave it out."
