"""What a store holds, in bytes: what its builds would weigh one by one, what they share, what nobody needs any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from chunkstore.cancel import Cancel
from chunkstore.columns import Column
from chunkstore.idtable import IdTable
from manifest.bare import BareRegistry
from manifest.documents import DepotRef, GameState
from manifest.placed import read_manifest, read_placement


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes of some builds: `logical`, each installed by itself; `unique`, their distinct chunks uncompressed;
    `download`, the frames that installing each of them by itself fetches."""

    builds: int
    logical: int
    unique: int
    download: int


@dataclass(frozen=True, slots=True)
class Census:
    """`stored` are the bytes of all objects, `pack_bytes` those of packs, `orphan_bytes` of packs that no build needs.
    `channels` maps (game, channel) to the weight of its build."""

    total: Weight
    stored: int
    packs: int
    pack_bytes: int
    orphans: int
    orphan_bytes: int
    games: Mapping[str, Weight]
    channels: Mapping[tuple[str, str], Weight]

    @property
    def ratio(self) -> float:
        """Logical bytes a stored byte."""
        return self.total.logical / self.stored if self.stored else 0.0


def take_census(registry: BareRegistry, cancel: Cancel) -> Census:
    """Counts everything; each manifest is read once. Raises what reading a damaged object raises."""
    states = [registry.whole(name) for name in registry.games()]
    games: dict[str, Weight] = {}
    channels: dict[tuple[str, str], Weight] = {}
    totals = []
    there: dict[str, int] = {}
    needed: set[str] = set()
    for scope in sorted({state.scope for state in states}):
        count = _Count(registry, scope, [state for state in states if state.scope == scope])
        count.read_all(cancel)
        games |= {game: count.weigh(pile) for game, pile in count.games.items()}
        channels |= {at: count.weigh(pile) for at, pile in count.channels.items()}
        totals.append(count.weigh(count.whole))
        there |= registry.packs(scope)
        needed |= count.packs
    dead = there.keys() - needed
    return Census(
        total=Weight(*(sum(getattr(total, name) for total in totals) for name in Weight.__dataclass_fields__)),
        stored=sum(entry.size for entry in registry.store.list("")),
        packs=len(there),
        pack_bytes=sum(there.values()),
        orphans=len(dead),
        orphan_bytes=sum(there[pack] for pack in dead),
        games=games,
        channels=channels,
    )


@dataclass(slots=True)
class _Pile:
    """Builds that are weighed together: how many use each manifest, and the distinct chunks, as rows of the table."""

    builds: int = 0
    uses: dict[str, int] = field(default_factory=dict)
    logical: int = 0
    download: int = 0
    chunks: Column = field(default_factory=lambda: np.empty(0, dtype=np.int64))


class _Count:
    """The chunks of one scope, numbered, and the piles that its games and channels make."""

    def __init__(self, registry: BareRegistry, scope: str, states: list[GameState]) -> None:
        self._registry = registry
        self._scope = scope
        self._table = IdTable()
        self._sizes: Column = np.empty(0, dtype="<u4")
        self._refs: dict[str, DepotRef] = {}
        self.packs: set[str] = set()
        self.whole = _Pile()
        self.games = {state.game: _Pile() for state in states}
        self.channels = {(state.game, name): _Pile() for state in states for name in state.channels}
        for state in states:
            for build in state.builds.values():
                self._add([self.whole, self.games[state.game]], build.depots)
            for name, channel in state.channels.items():
                self._add([self.channels[state.game, name]], state.build(channel.build).depots)

    def read_all(self, cancel: Cancel) -> None:
        """Reads every manifest with its placement."""
        for name, ref in self._refs.items():
            cancel.check()
            self._read(name, ref)

    def weigh(self, pile: _Pile) -> Weight:
        """What a pile came to."""
        unique = int(self._sizes[pile.chunks].sum(dtype=np.int64))
        return Weight(pile.builds, pile.logical, unique, pile.download)

    def _add(self, piles: list[_Pile], depots: Mapping[str, DepotRef]) -> None:
        for pile in piles:
            pile.builds += 1
            for ref in depots.values():
                pile.uses[ref.manifest] = pile.uses.get(ref.manifest, 0) + 1
                self._refs[ref.manifest] = ref

    def _read(self, name: str, ref: DepotRef) -> None:
        manifest = read_manifest(self._registry, self._scope, ref)
        placement = read_placement(self._registry, self._scope, name, manifest)
        self.packs.update(placement.pack_id(number).hex() for number in range(len(placement.packs)))
        rows, fresh = self._table.add(manifest.chunk_ids)
        self._sizes = np.concatenate([self._sizes, manifest.chunk_sizes[fresh]])
        frames = int(placement.frame_stored.sum(dtype=np.int64))
        for pile in (self.whole, *self.games.values(), *self.channels.values()):
            uses = pile.uses.get(name, 0)
            if uses:
                pile.chunks = np.union1d(pile.chunks, rows)
                pile.logical += uses * manifest.installed_size
                pile.download += uses * frames
