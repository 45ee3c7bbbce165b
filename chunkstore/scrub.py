"""Reading a whole pack to see whether it still is what it was: its id, its index, and each chunk by its own id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chunkstore.columns import Column, NewerFormat
from chunkstore.errors import Corrupt, LadingError
from chunkstore.frames import BadChunk, decode_frame, verify_run
from chunkstore.ids import digest_of
from chunkstore.packs import MAX_PACK, BadPack, NewerPack, PackIndex, index_of
from chunkstore.placements import Placement
from chunkstore.store import Buffer, ObjectReader

_OFFSET_BITS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Scrubbed:
    """What a pack turned out to be. `whole` has a bit per frame of the index; `fault` is what is wrong, if anything."""

    size: int
    index: PackIndex | None
    whole: Column
    fault: LadingError | None

    def holds(self, place: Placement, sizes: Column, ids: Column) -> Column:
        """For each chunk that `place` puts into this pack, whether it lies there undamaged."""
        if self.index is None or not len(self.index.sizes):
            return np.zeros(len(ids), dtype=bool)
        frames = _nearest(self.index.offsets, place.frame_offset)
        good = self.whole[frames] & (self.index.offsets[frames] == place.frame_offset)
        for mine, theirs in (("stored", "frame_stored"), ("raw", "frame_raw"), ("kinds", "frame_kind")):
            good &= getattr(self.index, mine)[frames] == getattr(place, theirs)
        frame, offset = self.index.chunk_places()
        wanted = _key(frames[place.chunk_frame], place.chunk_offset)
        known = _key(frame, offset)
        rows = _nearest(known, wanted)
        found = good[place.chunk_frame] & (known[rows] == wanted) & (self.index.sizes[rows] == sizes)
        result: Column = found & (self.index.ids[rows] == ids).all(axis=1)
        return result


def scrub_pack(store: ObjectReader, key: str, pack: str) -> Scrubbed:
    """Reads the pack of this id. Raises what reading it raises; what is wrong with its bytes is the answer."""
    data = store.get(key, limit=MAX_PACK).data
    try:
        index = index_of(data, key)
    except (Corrupt, NewerFormat, NewerPack) as error:
        return Scrubbed(len(data), None, np.zeros(0, dtype=bool), error)
    whole = _whole_frames(memoryview(data), index)
    fault: LadingError | None = None
    if not whole.all():
        fault = BadChunk(f"{int((~whole).sum())} of {len(whole)} frames are damaged", where=key)
    elif digest_of(data).hex() != pack:
        fault = BadPack("the bytes are not those that the name stands for", where=key)
    return Scrubbed(len(data), index, whole, fault)


def _whole_frames(data: memoryview, index: PackIndex) -> Column:
    """For each frame whether all its chunks have their ids."""
    sizes, ids = index.sizes.tolist(), index.ids.tobytes()
    whole = np.zeros(len(index.kinds), dtype=bool)
    first = 0
    rows = zip(*(c.tolist() for c in (index.kinds, index.offsets, index.stored, index.raw, index.chunks)), strict=True)
    for frame, (kind, offset, stored, raw_size, count) in enumerate(rows):
        last = first + count
        whole[frame] = _is_whole(
            kind, data[offset : offset + stored], raw_size, sizes[first:last], ids[32 * first : 32 * last]
        )
        first = last
    return whole


def _is_whole(kind: int, stored: Buffer, raw_size: int, sizes: list[int], ids: bytes) -> bool:
    try:
        return verify_run(decode_frame(kind, stored, raw_size), sizes, ids) is not None
    except Corrupt:
        return False


def _nearest(ascending: Column, wanted: Column) -> Column:
    """For each wanted value the row where it is, if it is anywhere."""
    return np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)


def _key(frames: Column, offsets: Column) -> Column:
    """A place in a pack as one number; places ascend as the chunks of an index do."""
    return (frames.astype(np.int64) << _OFFSET_BITS) + offsets.astype(np.int64)
