"""The table against a dict; ids of equal words, repeats within a batch, growth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chunkstore import idtable
from chunkstore.columns import Column, ids_column
from chunkstore.idtable import IdTable, locate
from tests.kit.builds import names_of, seeded_ids

# Few words, so that ids often agree in some and differ in others.
WORDS = st.sampled_from([0, 1, 1 << 10, 1 << 20, 1 << 63, (1 << 64) - 1])
ids = st.tuples(WORDS, WORDS, WORDS, WORDS)
batches = st.lists(ids, max_size=30).map(lambda rows: np.array(rows, "<u8").reshape(-1, 4))


def first_rows(names: Sequence[bytes]) -> dict[bytes, int]:
    rows: dict[bytes, int] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, row)
    return rows


class AgainstADict(RuleBasedStateMachine):
    """Any batches in any order; a dict numbers the names as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.table = IdTable(0)
        self.model: dict[bytes, int] = {}

    @rule(batch=batches)
    def add(self, batch: Column) -> None:
        rows, fresh = self.table.add(batch)
        for name, row, new in zip(names_of(batch), rows.tolist(), fresh.tolist(), strict=True):
            assert new == (name not in self.model)
            assert row == self.model.setdefault(name, len(self.model))

    @rule(seed=st.integers(0, 3), count=st.integers(0, 1500))
    def add_many(self, seed: int, count: int) -> None:
        self.add(seeded_ids(count, seed))

    @rule(batch=batches)
    def find(self, batch: Column) -> None:
        assert self.table.find(batch).tolist() == [self.model.get(name, -1) for name in names_of(batch)]

    @invariant()
    def holds_the_same(self) -> None:
        assert len(self.table) == len(self.model)
        assert names_of(self.table.ids) == list(self.model)


TestAgainstADict = AgainstADict.TestCase
TestAgainstADict.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


@given(batches, st.integers(0, 2000))
def test_repeats_within_one_batch_get_the_row_of_the_first(batch: Column, count: int) -> None:
    doubled = np.concatenate([batch, seeded_ids(count, 1), batch, seeded_ids(count, 1)[::-1]])
    rows, fresh = IdTable().add(doubled)
    first = first_rows(names_of(doubled))
    assert np.flatnonzero(fresh).tolist() == list(first.values())
    numbers = {name: number for number, name in enumerate(first)}
    assert rows.tolist() == [numbers[name] for name in names_of(doubled)]


@given(batches, batches)
def test_locating_equals_a_dict(needles: Column, haystack: Column) -> None:
    first = first_rows(names_of(haystack))
    assert locate(needles, haystack).tolist() == [first.get(name, -1) for name in names_of(needles)]


@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 64), st.integers(0, 5))
def test_locating_equals_a_dict_whichever_side_is_larger(
    needles: int, haystack: int, stride: int, repeats: int
) -> None:
    """The larger side streams past a table of the smaller one, in strides."""
    pool = seeded_ids(200, 7)
    pick = np.random.default_rng(needles * 401 + haystack + repeats)
    asked, held = pool[pick.integers(0, 200, needles)], pool[pick.integers(0, 200, haystack)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(idtable, "_STRIDE", stride)
        found = locate(asked, held)
    first = first_rows(names_of(held))
    assert found.tolist() == [first.get(name, -1) for name in names_of(asked)]


def colliding(word: int, count: int) -> Column:
    """Ids that agree in all words but one, and in that one's low bits."""
    made = np.zeros((count, 4), "<u8")
    made[:, word] = np.arange(count, dtype="<u8") << np.uint64(32)
    return made


@pytest.mark.parametrize("word", range(4))
@pytest.mark.parametrize("base", [0, 1 << 40])
def test_ids_made_to_collide_are_probed_no_longer_than_others(
    monkeypatch: pytest.MonkeyPatch, word: int, base: int
) -> None:
    """A hostile manifest may name any ids; probing one after another would take minutes for a million."""
    looked_at = 0
    honest = IdTable._equal

    def counted(table: IdTable, rows: Column, others: Column) -> Column:
        nonlocal looked_at
        looked_at += len(rows)
        return honest(table, rows, others)

    monkeypatch.setattr(IdTable, "_equal", counted)
    made = colliding(word, 20_000)
    made[:, (word + 1) % 4] += np.uint64(base)
    IdTable(len(made)).add(made)
    assert looked_at < 20 * len(made)


@pytest.mark.parametrize("word", range(4))
def test_ids_that_differ_in_one_word_are_different(word: int) -> None:
    one = seeded_ids(1, 1)
    other = one.copy()
    other[0, word] ^= np.uint64(1 << 63)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(idtable, "_SECRETS", np.zeros(4, "<u8"))  # both in one slot, so that they are compared
        table = IdTable()
        table.add(one)
        assert table.find(other).tolist() == [-1]
        assert table.add(np.concatenate([other, one]))[0].tolist() == [1, 0]


def test_a_table_of_nothing() -> None:
    none = ids_column(b"")
    table = IdTable(0)
    assert table.find(seeded_ids(3, 1)).tolist() == [-1, -1, -1]
    rows, fresh = table.add(none)
    assert (len(rows), len(fresh), len(table)) == (0, 0, 0)
    assert locate(none, none).tolist() == locate(none, seeded_ids(3, 1)).tolist() == []
    assert locate(seeded_ids(2, 1), none).tolist() == [-1, -1]


def test_an_id_costs_less_than_a_set_takes() -> None:
    """Promise 4 leaves 100 bytes a chunk of both builds together."""
    table = IdTable()
    for seed in range(50):
        table.add(seeded_ids(2000, seed))
    assert (table._ids.nbytes + table._table.nbytes) / len(table) < 60
