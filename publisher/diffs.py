"""The diffs that lead to a manifest, so that players who have an earlier one need only what is new.

Straight from each of the newest distinct manifests, then from every doubled distance; and one back, for rollback.
"""

from __future__ import annotations

from chunkstore.placements import Placement
from chunkstore.store import KeyMissing
from delta.diff import make_diff
from manifest.documents import GameState
from manifest.heads import DiffRef, Head
from manifest.model import Manifest
from manifest.placed import read_manifest, read_placement
from manifest.registry import RegistryWriter
from publisher.known import UNREADABLE
from publisher.sealed import Sealed

DIFF_DEPTH = 16
"""Diffs lead straight from so many of the newest distinct manifests; then from every doubled distance beyond."""


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
    refs = (ref for build in state.builds.values() for ref in build.depots.values())
    return read_manifest(registry, state.scope, next(ref for ref in refs if ref.manifest == name))
