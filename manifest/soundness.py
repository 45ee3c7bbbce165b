"""Whether a store holds all that its builds need, and holds it undamaged.

Walks from the games down: signed metadata, manifests, heads, placements, diffs, packs. Reads and never mends. What it
finds is told by object: what is wrong with it, which builds that hurts, what to do. Memory is that of the packs'
indexes, 36 bytes a stored chunk, however many builds refer to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np

from chunkstore.cancel import Cancel
from chunkstore.columns import Column, NewerFormat
from chunkstore.errors import Corrupt, LadingError, NotFound
from chunkstore.packs import NewerPack
from chunkstore.placements import Placement
from chunkstore.scrub import Scrubbed, scrub_pack
from chunkstore.store import KeyMissing
from manifest.bare import BareRegistry, WrongPayload
from manifest.documents import Build, DepotRef, GameState, parse_json
from manifest.events import EventSink, Phase, Progress
from manifest.keys import (
    bundle_key,
    diff_key,
    head_key,
    manifest_key,
    metadata_key,
    note_key,
    pack_key,
    placement_key,
    timestamp_key,
)
from manifest.model import BadManifest, Manifest
from manifest.payload import UnknownFeature
from manifest.placed import is_as_promised, read_manifest, read_placement
from manifest.trust.bundle import MAX_CONTAINER, BadBundle, decode_bundle
from manifest.trust.inspection import misfits
from manifest.trust.refusals import BadMetadata
from manifest.trust.roles import ROOT, SNAPSHOT, TIMESTAMP

T = TypeVar("T")
Hurts: TypeAlias = Sequence[tuple[str, int]]
"""Games and the numbers of their builds; 0 is all of them."""

UNSOUND = (Corrupt, NotFound, NewerFormat, NewerPack, UnknownFeature)
"""How an object shows that it is missing, damaged or not readable here; all else stops the check."""

_PUBLISH = "Publish the build again from its folder with --rescan, or copy the object from another copy of the store."
_DELETE_FIRST = "Delete this object, then publish the build again from its folder with --rescan."
_POINT = "Point the channel to a build that is there, with `lading channel set`, or delete it."
_REFRESH = "Renew the signatures where their keys are, with `lading store refresh`."
_RESTORE = "Copy the object from another copy of the store; nothing else says which builds this game has."


@dataclass(slots=True)
class Problem:
    """One object that is not as it must be. `hurts` are the builds that cannot be had whole without it; see `Hurts`."""

    key: str
    code: str
    message: str
    next: str
    hurts: set[tuple[str, int]] = field(default_factory=set)


@dataclass(slots=True)
class Soundness:
    """What was looked at, in counts and bytes, and what is wrong, in the order of keys."""

    games: int = 0
    builds: int = 0
    manifests: int = 0
    packs: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)


def check_store(registry: BareRegistry, *, quick: bool, workers: int, sink: EventSink, cancel: Cancel) -> Soundness:
    """Looks at every object that some build needs; unless `quick`, every pack is read and its chunks are hashed."""
    check = _Check(registry, cancel)
    sink.emit(Phase("games"))
    names = registry.games()
    states = [state for name in names if (state := check.state(name)) is not None]
    check.report.games = len(names)
    for scope in sorted({state.scope for state in states}):
        there = registry.packs(scope)
        packs = _Packs(there, {} if quick else check.scrub(scope, there, workers, sink))
        check.report.packs += len(there)
        sink.emit(Phase("builds"))
        for state in states:
            if state.scope == scope:
                check.metadata(state)
                check.game(state, packs)
    return check.finish()


@dataclass(frozen=True, slots=True, eq=False)
class _Packs:
    """The packs of a scope with their sizes, and what reading them showed, as far as they were read."""

    there: Mapping[str, int]
    scrubbed: Mapping[str, Scrubbed]


class _Check:
    """One check in progress."""

    def __init__(self, registry: BareRegistry, cancel: Cancel) -> None:
        self.registry = registry
        self.report = Soundness()
        self._cancel = cancel
        self._problems: dict[tuple[str, str], Problem] = {}
        self._lock = threading.Lock()

    def finish(self) -> Soundness:
        """The report with its problems in order."""
        self.report.problems = [self._problems[at] for at in sorted(self._problems)]
        return self.report

    def state(self, game: str) -> GameState | None:
        """The present state of a game. Where it cannot be had, the file at fault is named, if one is."""
        try:
            return self.registry.whole(game)
        except UNSOUND as error:
            faults = list(misfits(self.registry.store, game))
            for key, fault in faults:
                self._blame(key, fault, [(game, 0)], _RESTORE)
            if not faults:
                advice = _REFRESH if error.code == "metadata-expired" else error.next
                self._blame(timestamp_key(game), error, [(game, 0)], advice)
            return None

    def metadata(self, state: GameState) -> None:
        """Whether strangers are served what was verified here: from the first root on, file by file and bundled."""
        game, store = state.game, self.registry.store
        versions = {role: parse_json(data, "metadata")["signed"]["version"] for role, data in state.metadata.items()}
        keys = {role: metadata_key(game, role, versions[role]) for role in versions if role != TIMESTAMP}
        for role, key in {**keys, TIMESTAMP: timestamp_key(game)}.items():
            self._tried(key, [(game, 0)], _RESTORE, partial(self._check_same, key, state.metadata[role]))
        for version in range(1, versions[ROOT]):
            key = metadata_key(game, ROOT, version)
            self._tried(key, [(game, 0)], _RESTORE, partial(store.stat, key))
        key = bundle_key(game, versions[SNAPSHOT])
        files = {keys[role].rpartition("/")[2]: state.metadata[role] for role in keys}
        self._tried(key, (), BadBundle.default_next, partial(self._check_bundle, key, files))

    def _check_same(self, key: str, verified: bytes) -> None:
        if self.registry.store.get(key, limit=len(verified)).data != verified:
            raise BadMetadata("the file is not the one that was signed")

    def _check_bundle(self, key: str, verified: Mapping[str, bytes]) -> None:
        found = decode_bundle(self.registry.store.get(key, limit=MAX_CONTAINER).data)
        if any(verified.get(name) != data for name, data in found.items()):
            raise BadBundle("the bundle does not hold the files that were signed")

    def scrub(self, scope: str, there: Mapping[str, int], workers: int, sink: EventSink) -> dict[str, Scrubbed]:
        """Reads all packs of a scope, several at once."""
        sink.emit(Phase("packs", sum(there.values())))
        before = self.report.bytes

        def read(pack: str) -> Scrubbed | None:
            self._cancel.check()
            key = pack_key(scope, pack)
            found = self._tried(key, (), _DELETE_FIRST, lambda: scrub_pack(self.registry.store, key, pack))
            if found is not None and found.fault is not None:
                self._blame(key, found.fault, (), _DELETE_FIRST)
            with self._lock:
                self.report.bytes += there[pack]
                sink.emit(Progress(self.report.bytes - before))
            return found

        with ThreadPoolExecutor(workers, "scrub") as pool:
            return {pack: found for pack, found in zip(there, pool.map(read, there), strict=True) if found is not None}

    def game(self, state: GameState, packs: _Packs) -> None:
        """All channels and builds of a game; each distinct manifest once."""
        users: dict[str, tuple[DepotRef, list[Build]]] = {}
        for channel in state.channels.values():
            self._tried(timestamp_key(state.game), (), _POINT, partial(state.build, channel.build))
        for number in sorted(state.builds):
            build = state.builds[number]
            self.report.builds += 1
            if build.notes_id:
                key = note_key(state.scope, build.notes_id)
                self._tried(
                    key, [(state.game, number)], _PUBLISH, partial(self.registry.notes, state.scope, build.notes_id)
                )
            for ref in build.depots.values():
                users.setdefault(ref.manifest, (ref, []))[1].append(build)
        for ref, builds in users.values():
            self._cancel.check()
            self.report.manifests += 1
            self._check_manifest(state.scope, ref, [(state.game, build.number) for build in builds], packs)

    def _check_manifest(self, scope: str, ref: DepotRef, hurts: Hurts, packs: _Packs) -> None:
        registry, name = self.registry, ref.manifest
        manifest = self._tried(manifest_key(scope, name), hurts, _PUBLISH, lambda: _manifest(registry, scope, ref))
        head = self._tried(head_key(scope, name), hurts, _PUBLISH, lambda: registry.head(scope, name))
        if head is None:
            return
        for diff in head.diffs:
            key = diff_key(scope, diff.diff.hex())
            self._tried(key, hurts, _PUBLISH, partial(registry.diff, scope, diff.diff.hex(), diff.payload_size))
        if manifest is not None:
            key = placement_key(scope, head.placement.hex())
            read = partial(read_placement, registry, scope, name, manifest, head)
            self._tried(key, hurts, _PUBLISH, lambda: self._check_placement(scope, manifest, read(), hurts, packs))

    def _check_placement(
        self, scope: str, manifest: Manifest, placement: Placement, hurts: Hurts, packs: _Packs
    ) -> None:
        """Whether each chunk lies where the placement says. Raises if that is the placement's own fault."""
        for pack, rows in _by_pack(placement):
            key = pack_key(scope, pack)
            if pack not in packs.there:
                self._blame(key, KeyMissing("the pack is gone"), hurts, _PUBLISH)
            elif pack in packs.scrubbed:
                found = packs.scrubbed[pack]
                if found.holds(placement.take(rows), manifest.chunk_sizes[rows], manifest.chunk_ids[rows]).all():
                    continue
                if found.fault is None:
                    raise WrongPayload(f"the placement does not agree with the pack {pack}")
                self._blame(key, found.fault, hurts, _DELETE_FIRST)

    def _tried(self, key: str, hurts: Hurts, advice: str, read: Callable[[], T]) -> T | None:
        """What `read` returns; None if it fails, which is a problem of the object at `key`."""
        try:
            return read()
        except UNSOUND as error:
            self._blame(key, error, hurts, advice)
            return None

    def _blame(self, key: str, error: LadingError, hurts: Hurts, advice: str) -> None:
        with self._lock:
            problem = self._problems.setdefault((key, error.code), Problem(key, error.code, error.message, advice))
            problem.hurts.update(hurts)


def _manifest(registry: BareRegistry, scope: str, ref: DepotRef) -> Manifest:
    """The manifest. Raises `BadManifest` unless it holds what the build's document promises."""
    manifest = read_manifest(registry, scope, ref)
    if not is_as_promised(manifest, ref):
        raise BadManifest("the manifest has other counts or sizes than its build says")
    return manifest


def _by_pack(placement: Placement) -> Iterator[tuple[str, Column]]:
    """The packs of a placement, each with the rows of the chunks in it."""
    packs = placement.frame_pack[placement.chunk_frame]
    order = np.argsort(packs, kind="stable")
    bounds = np.searchsorted(packs[order], np.arange(len(placement.packs) + 1))
    for number in range(len(placement.packs)):
        yield placement.pack_id(number).hex(), order[bounds[number] : bounds[number + 1]]
