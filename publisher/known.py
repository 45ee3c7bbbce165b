"""Which chunks the scope holds already and where they lie: what one publish may refer to instead of sending.

Filled from the registry's own answers (placements of live manifests, indexes of this session's earlier packs), and only
with chunks whose pack is there right now; never from a local guess. Grows by the chunks that this publish adds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from chunkstore.columns import Column, NewerFormat
from chunkstore.errors import Corrupt, NotFound, Refused
from chunkstore.ids import DIGEST_SIZE
from chunkstore.idtable import IdTable
from chunkstore.packs import PackIndex
from chunkstore.placements import Placement, join
from manifest.documents import DepotRef, GameState
from manifest.payload import UnknownFeature
from manifest.placed import read_manifest, read_placement
from manifest.registry import RegistryWriter

UNREADABLE = (Corrupt, NotFound, NewerFormat, UnknownFeature)
"""How reading an object of an earlier build fails when this publish can do without it."""

DEDUP_DEPTH = 16
"""So many of the newest distinct manifests of the depot are deduplicated against, besides those of all channels."""


class KnownChunks:
    """Chunk ids in a table; for each, in the end, one place. Safe to use from many threads."""

    def __init__(self, expected: int = 0) -> None:
        """`expected` chunks fit without growing; what stays unused costs no memory."""
        self._lock = threading.Lock()
        self._table = IdTable(max(1024, expected))
        self._parts: list[Placement] = []
        self._rows: list[Column] = []

    def claim(self, ids: Column) -> tuple[Column, Column]:
        """The row of each id, and which ones nobody knew: those the caller must store and then `place`."""
        with self._lock:
            return self._table.add(ids)

    def place(self, rows: Column, placement: Placement) -> None:
        """Says where the chunks of these rows lie."""
        with self._lock:
            self._rows.append(rows.astype("<u4"))
            self._parts.append(placement)

    def learn(self, ids: Column, placement: Placement) -> None:
        """Adds chunks that are stored already; of those known before, the first place counts."""
        rows, fresh = self.claim(ids)
        new = np.flatnonzero(fresh)
        if len(new):
            self.place(rows[new], placement.take(new))

    def holds(self, ids: Column) -> Column:
        """For each of these chunks whether it is known."""
        with self._lock:
            return self._table.find(ids) >= 0

    def into_placement(self, ids: Column) -> Placement:
        """Where each of these chunks lies, all of which are known and placed. Uses the set up: it may be large."""
        with self._lock:
            rows, count = self._table.find(ids), len(self._table)
            self._table = IdTable()
            placed_rows = np.concatenate([*self._rows, np.empty(0, "<u4")])
            self._rows.clear()
            at = np.full(count, -1, dtype=np.int64)
            at[placed_rows] = np.arange(len(placed_rows))
            if len(rows) and (rows.min() < 0 or at[rows].min() < 0):
                raise RuntimeError("a chunk of the manifest was neither known nor stored")
            rows = at[rows]
            del at, placed_rows
            return join(self._parts).take(rows)


def placement_of_pack(pack: str, index: PackIndex) -> Placement:
    """The placement of all chunks of one pack, in its order."""
    frames, offsets = index.chunk_places()
    return Placement(
        packs=np.frombuffer(bytes.fromhex(pack), dtype="<u8").reshape(1, DIGEST_SIZE // 8),
        frame_pack=np.zeros(len(index.kinds), dtype="<u4"),
        frame_offset=index.offsets,
        frame_stored=index.stored,
        frame_raw=index.raw,
        frame_kind=index.kinds.astype("|u1"),
        chunk_frame=frames.astype("<u4"),
        chunk_offset=offsets.astype("<u4"),
    )


def load_known(
    registry: RegistryWriter,
    state: GameState,
    depot: str,
    packs: Mapping[str, int],
    expected: int,
    sealed: Iterable[DepotRef] = (),
) -> KnownChunks:
    """What a publish of this depot, of about `expected` chunks, is deduplicated against: live builds, and `sealed`.

    `packs` are those that are there, with their sizes.

    A manifest that the store has lost or damaged counts for nothing: this publish may be the one that mends it.
    """
    known = KnownChunks(expected)
    refs = {ref.manifest: ref for build in state.builds.values() for ref in build.depots.values()}
    wanted = {manifest: refs[manifest] for _, manifest in state.newest_manifests(depot)[:DEDUP_DEPTH]}
    wanted.update((ref.manifest, ref) for ref in sealed)
    for game in (state, *_neighbours(registry, state)):
        for channel in game.channels.values():
            for number in {channel.build, channel.previous} & game.builds.keys():
                wanted.update((ref.manifest, ref) for ref in game.builds[number].depots.values())
    for name, ref in wanted.items():
        try:
            manifest = read_manifest(registry, state.scope, ref)
            placement = read_placement(registry, state.scope, name, manifest)
        except UNREADABLE:
            continue
        there = _present(placement, packs)
        known.learn(manifest.chunk_ids[there], placement.take(there))
    return known


def _neighbours(registry: RegistryWriter, state: GameState) -> Iterator[GameState]:
    """The other games of the scope, as far as they are trusted here."""
    for name in registry.neighbours(state.scope):
        if name != state.game:
            try:
                yield registry.game(name)
            except (*UNREADABLE, Refused):  # one that is not trusted here is one that nothing is known of
                continue


def _present(placement: Placement, packs: Mapping[str, int]) -> Column:
    """The rows of the chunks whose frame lies inside a pack that is there."""
    sizes = [packs.get(placement.pack_id(number).hex(), 0) for number in range(len(placement.packs))]
    ends = placement.frame_offset.astype(np.int64) + placement.frame_stored
    whole = ends <= np.array(sizes, dtype=np.int64)[placement.frame_pack] if sizes else ends < 0
    return np.flatnonzero(whole[placement.chunk_frame])
