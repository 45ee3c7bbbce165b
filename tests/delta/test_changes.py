"""What became of each file, and what an update would cost, against plain dictionaries."""

from __future__ import annotations

from collections import Counter

from hypothesis import given

from delta.changes import compare, forecast
from tests.kit.builds import Packed, names_of, pack_build, updates
from tests.kit.game import Entry


@given(updates())
def test_every_entry_is_accounted_for_once(pair: tuple[Packed, Packed]) -> None:
    old, new = pair
    found = compare(old.manifest, new.manifest)
    moved_from, moved_to = [a for a, _ in found.moved], [b for _, b in found.moved]
    assert sorted(found.added + moved_to) == sorted(new.tree.keys() - old.tree.keys())
    assert sorted(found.removed + moved_from) == sorted(old.tree.keys() - new.tree.keys())
    assert found.changed == sorted(p for p in old.tree.keys() & new.tree.keys() if old.tree[p] != new.tree[p])
    assert len(set(moved_from)) == len(moved_from)
    assert all(old.tree[a].data == new.tree[b].data and new.tree[b].data for a, b in found.moved)


@given(updates())
def test_no_move_is_overlooked(pair: tuple[Packed, Packed]) -> None:
    """What is called added, and what is called removed, have no content in common."""
    old, new = pair
    found = compare(old.manifest, new.manifest)
    added = {new.tree[path].data for path in found.added}
    removed = {old.tree[path].data for path in found.removed}
    assert {data for data in added & removed if data} == set()


@given(updates())
def test_the_forecast_fetches_what_the_old_build_lacks(pair: tuple[Packed, Packed]) -> None:
    old, new = pair
    plan = forecast(old.manifest, new.manifest, new.placement)
    here, wanted = set(names_of(old.manifest.chunk_ids)), set(names_of(new.manifest.chunk_ids))
    fetched = names_of(new.manifest.chunk_ids[plan.fetches.chunks])
    assert set(fetched) == wanted - here
    assert plan.unplaced == 0
    frames = {new.places[name][:3] for name in fetched}
    assert plan.price.download_bytes >= sum(stored for _, _, stored in frames)


def test_of_equal_files_each_moves_once() -> None:
    twin = Entry(b"same" * 100)
    old = pack_build({"a": twin, "b": twin, "empty": Entry(b"")})
    new = pack_build({"c": twin, "d": twin, "e": twin, "void": Entry(b"")}, before=old)
    found = compare(old.manifest, new.manifest)
    assert Counter(found.moved) == Counter([("a", "c"), ("b", "d")])
    assert (found.added, found.removed) == (["e", "void"], ["empty"])


def test_nothing_moves_where_nothing_went() -> None:
    old = pack_build({"a": Entry(b"same" * 100)})
    new = pack_build({"a": Entry(b"same" * 100), "copy": Entry(b"same" * 100)}, before=old)
    assert compare(old.manifest, new.manifest).added == ["copy"]
