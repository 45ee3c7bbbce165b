"""A set of 32-byte ids in arrays: an open-addressing table of row numbers, each hit checked on all 256 bits.

About 48 bytes an id where a Python set takes 120 or more, and every operation works on a whole batch. Honest ids are
outputs of BLAKE3, but a hostile manifest can name any: slots come from a hash that nobody outside the process can
foresee, so that ids made to collide do not. Not thread-safe: the owner locks.
"""

from __future__ import annotations

import numpy as np

from chunkstore.columns import Column

_EMPTY = np.uint32(0xFFFFFFFF)
_STRIDE = 1 << 16
_LEAST_BITS = 10
_HALF = np.uint64(32)

_SECRETS = np.array([hash(b"id table %d" % word) | 1 for word in range(4)], dtype="<i8").view("<u8")
"""Odd multipliers, one a word. Python hashes bytes differently in every process, against this very attack."""


class IdTable:
    """Ids numbered in the order in which they first came: row 0, 1, 2, …"""

    def __init__(self, capacity: int = 1024) -> None:
        self._count = 0
        self._ids: Column = np.empty((capacity, 4), dtype="<u8")
        self._make_table(capacity)

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> Column:
        """All ids by row, as words; a view, valid until the next `add`."""
        return self._ids[: self._count]

    def find(self, ids: Column) -> Column:
        """The row of each id, or -1, as int64."""
        rows = np.empty(len(ids), dtype=np.int64)
        for start in range(0, len(ids), _STRIDE):
            rows[start : start + _STRIDE] = self._find(ids[start : start + _STRIDE])
        return rows

    def add(self, ids: Column) -> tuple[Column, Column]:
        """The row of each id, adding the new ones, and which were new; of equal new ids the first counts as new."""
        rows, fresh = np.empty(len(ids), dtype=np.int64), np.empty(len(ids), dtype=bool)
        for start in range(0, len(ids), _STRIDE):
            here = slice(start, start + _STRIDE)
            rows[here], fresh[here] = self._add(ids[here])
        return rows, fresh

    def _find(self, ids: Column) -> Column:
        rows = np.full(len(ids), -1, dtype=np.int64)
        pending = np.arange(len(ids))
        slots = self._slots(ids)
        while len(pending):
            held = self._table[slots]
            taken = held != _EMPTY
            pending, slots, held = pending[taken], slots[taken], held[taken]
            equal = self._equal(held, ids[pending])
            rows[pending[equal]] = held[equal]
            pending, slots = pending[~equal], (slots[~equal] + 1) & self._mask
        return rows

    def _add(self, ids: Column) -> tuple[Column, Column]:
        rows = self._find(ids)
        absent = np.flatnonzero(rows < 0)
        if not len(absent):
            return rows, rows < 0
        self._reserve(self._count + len(absent))
        first = self._count
        self._ids[first : first + len(absent)] = ids[absent]
        taken = self._insert(np.arange(first, first + len(absent), dtype=np.uint32))
        new = taken == np.arange(first, first + len(absent))
        if not new.all():
            taken = self._close_gaps(first, new, taken)
        self._count = first + int(new.sum())
        rows[absent] = taken
        fresh = np.zeros(len(ids), dtype=bool)
        fresh[absent] = new
        return rows, fresh

    def _insert(self, rows: Column) -> Column:
        """Puts `rows` of `_ids` into the table; the row that holds each one's id: of equal ids, the first one's row."""
        holder = rows.astype(np.int64)
        pending = np.arange(len(rows))
        slots = self._slots(self._ids[rows])
        while len(pending):
            # Of several writers to one slot numpy keeps the last, so they write in reverse: the first id wins.
            free = np.flatnonzero(self._table[slots] == _EMPTY)[::-1]
            self._table[slots[free]] = rows[pending[free]]
            held = self._table[slots]
            other = held != rows[pending]
            pending, slots, held = pending[other], slots[other], held[other]
            equal = self._equal(held, self._ids[rows[pending]])
            holder[pending[equal]] = held[equal]
            pending, slots = pending[~equal], (slots[~equal] + 1) & self._mask
        return holder

    def _close_gaps(self, first: int, new: Column, taken: Column) -> Column:
        """Renumbers the rows from `first` on so that rows which turned out to repeat others leave no gap."""
        kept = np.flatnonzero(new)
        number = np.empty(len(new), dtype=np.int64)
        number[kept] = first + np.arange(len(kept))
        slots = self._find_slots(first + kept)
        self._ids[first : first + len(kept)] = self._ids[first + kept]
        self._table[slots] = number[kept]
        inside = taken >= first
        taken[inside] = number[taken[inside] - first]
        return taken

    def _find_slots(self, rows: Column) -> Column:
        slots = self._slots(self._ids[rows])
        pending = np.arange(len(rows))
        found = slots.copy()
        while len(pending):
            hit = self._table[slots] == rows[pending]
            found[pending[hit]] = slots[hit]
            pending, slots = pending[~hit], (slots[~hit] + 1) & self._mask
        return found

    def _equal(self, rows: Column, ids: Column) -> Column:
        mine = self._ids[rows]
        equal: Column = mine[:, 0] == ids[:, 0]
        for word in (1, 2, 3):
            equal &= mine[:, word] == ids[:, word]
        return equal

    def _slots(self, ids: Column) -> Column:
        mixed = ids @ _SECRETS
        for secret in _SECRETS[:2]:  # a product alone keeps evenly spaced ids evenly spaced, and so in few slots
            mixed ^= mixed >> _HALF
            mixed *= secret
        slots: Column = (mixed >> self._shift).astype(np.int64)
        return slots

    def _make_table(self, capacity: int) -> None:
        bits = max(_LEAST_BITS, (capacity * 3 // 2).bit_length())
        self._table = np.full(1 << bits, _EMPTY, dtype=np.uint32)
        self._mask = (1 << bits) - 1
        self._shift = np.uint64(64 - bits)

    def _reserve(self, count: int) -> None:
        if count > len(self._ids):
            grown = np.empty((max(count, len(self._ids) + len(self._ids) // 4), 4), dtype="<u8")
            grown[: self._count] = self._ids[: self._count]
            self._ids = grown
        if count * 3 // 2 > len(self._table):
            self._make_table(count)
            self._insert(np.arange(self._count, dtype=np.uint32))


def locate(needles: Column, haystack: Column) -> Column:
    """For each id of `needles` the row of its first occurrence in `haystack`, or -1, as int64.

    The smaller side goes into the table, the larger one streams past it.
    """
    if len(haystack) <= len(needles):
        table = IdTable(len(haystack))
        _, fresh = table.add(haystack)
        first = np.flatnonzero(fresh)
        found = table.find(needles)
        return np.where(found >= 0, first[found], -1) if len(first) else found
    table = IdTable(len(needles))
    needle_rows, _ = table.add(needles)
    first = np.full(len(table) + 1, -1, dtype=np.int64)
    for start in range(len(haystack) - len(haystack) % _STRIDE, -1, -_STRIDE):
        hits = table.find(haystack[start : start + _STRIDE])
        at = np.flatnonzero(hits >= 0)[::-1]
        first[hits[at]] = start + at
    return first[needle_rows]
