"""A manifest that exists keeps every rule; what it tells of itself equals what a walk over its files tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.columns import Column
from chunkstore.cutting import CutParameters
from chunkstore.ids import digest_of
from manifest.kinds import Kind
from manifest.model import MAX_CHUNKS, MAX_FILES, MAX_TAG_BYTES, BadManifest, Manifest, ranges
from manifest.paths import BadPath, PathCollision, PathsUnordered
from tests.kit.builds import (
    SAMPLE_TREE,
    Packed,
    assert_same_manifest,
    builds,
    cut_up,
    manifest_of,
    pack_build,
    seeded_ids,
)
from tests.kit.game import Entry, noise

GOOD = pack_build(SAMPLE_TREE).manifest
BIG, NONE, FOLDER, GAME, LINK = range(5)


def but(column: str, row: int, value: Any) -> Callable[[], Manifest]:
    """The good manifest with one value replaced."""
    changed = getattr(GOOD, column).copy()
    changed[row] = value
    return lambda: replace(GOOD, **{column: changed})


def tagged(*tags: tuple[str, ...], carried: int = 0) -> Callable[[], Manifest]:
    return lambda: replace(GOOD, tags=tags, tag_sets=np.full(5, carried, "<u2"))


BROKEN: dict[str, Callable[[], Manifest]] = {
    "a kind that there is not": but("kinds", GAME, 3),
    "a flag that there is not": but("flags", GAME, 2),
    "an executable folder": but("flags", FOLDER, 1),
    "an executable link": but("flags", LINK, 1),
    "a file without a row of sizes": lambda: replace(GOOD, sizes=GOOD.sizes[:-1]),
    "a file without a row of digests": lambda: replace(GOOD, digests=GOOD.digests[:-1]),
    "a path too many": lambda: replace(GOOD, paths=[*GOOD.paths, "z"]),
    "a chunk without a size": lambda: replace(GOOD, chunk_sizes=GOOD.chunk_sizes[:-1]),
    "a chunk too many": lambda: replace(
        GOOD,
        chunk_sizes=np.append(GOOD.chunk_sizes, GOOD.chunk_sizes[:1]),
        chunk_ids=seeded_ids(len(GOOD.chunk_ids) + 1, 1),
    ),
    "a count that overflows": but("chunk_counts", BIG, (1 << 32) - 1),
    "chunks of a folder": lambda: replace(GOOD, chunk_counts=swapped(GOOD.chunk_counts, FOLDER, GAME)),
    "chunks of a link": lambda: replace(GOOD, chunk_counts=swapped(GOOD.chunk_counts, LINK, GAME)),
    "content without chunks": but("sizes", NONE, 5),
    "a folder with a size": but("sizes", FOLDER, 1),
    "a link of another size": but("sizes", LINK, 5),
    "a file of another size than its chunks": but("sizes", BIG, 2999),
    "a size that overflows": but("sizes", BIG, (1 << 64) - 1),
    "an empty chunk": but("chunk_sizes", 0, 0),
    "a chunk beyond the cutter's maximum": lambda: replace(GOOD, cut=CutParameters(256, 64, 1024), **one_big_chunk()),
    "a link without a target": lambda: replace(GOOD, targets={}),
    "a target without a link": lambda: replace(GOOD, targets={**GOOD.targets, GAME: "empty"}),
    "the digest of a folder": but("digests", FOLDER, 1),
    "another digest of an empty file": but("digests", NONE, 1),
    "another digest of a file of one chunk": but("digests", GAME, 1),
    "another digest of a link": but("digests", LINK, 1),
    "tags that are not listed": but("tag_sets", BIG, 1),
    "more tags than are listed": tagged(("a",), carried=2),
    "a set of no tags": tagged(()),
    "a tag without a name": tagged(("",)),
    "a tag that nobody can read": tagged(("a\n",)),
    "a tag that is no Unicode": tagged(("\ud800",)),
    "tags out of order": tagged(("b", "a")),
    "a tag twice": tagged(("a", "a")),
    "sets out of order": tagged(("b",), ("a",)),
    "a set twice": tagged(("a",), ("a",)),
    "more tags than a header has room for": tagged(*((f"{number:08}",) for number in range(MAX_TAG_BYTES // 16 + 1))),
}


def swapped(column: Column, first: int, second: int) -> Column:
    changed = column.copy()
    changed[[first, second]] = changed[[second, first]]
    return changed


def one_big_chunk() -> dict[str, Any]:
    data = noise(1025, 1)
    one = manifest_of({"a": Entry(data)}, {"a": [data]}, cut=CutParameters(512, 64, 2048))
    return {field.name: getattr(one, field.name) for field in fields(one) if field.init and field.name != "cut"}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
def test_what_breaks_a_rule_is_not_a_manifest(make: Callable[[], Manifest]) -> None:
    with pytest.raises(BadManifest) as caught:
        make()
    assert caught.value.code == "bad-manifest"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"paths": ["data/none", "data/big.pak", "empty", "game", "game.sh"]}, PathsUnordered),
        ({"paths": ["../big.pak", "data/none", "empty", "game", "game.sh"]}, BadPath),
        ({"paths": ["data/big.pak", "data/none", "empty", "game", "GAME.sh"]}, PathsUnordered),
        ({"paths": ["GAME", "data/none", "empty", "game", "game.sh"]}, PathCollision),
        ({"paths": ["data/big.pak", "data/none", "empty", "empty/game", "game.sh"]}, PathCollision),
        ({"targets": {LINK: "../game"}}, BadPath),
        ({"targets": {LINK: "\udcff"}}, BadPath),
    ],
)
def test_paths_and_links_are_judged_by_the_rules_for_paths(changed: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        replace(GOOD, **changed)


def test_a_column_of_another_type_is_a_mistake_of_the_program() -> None:
    for name in ("kinds", "sizes", "chunk_counts", "chunk_ids"):
        with pytest.raises(ValueError, match=name):
            replace(GOOD, **{name: getattr(GOOD, name).astype("<i8")})


def test_more_than_a_manifest_can_hold_is_refused_before_it_is_looked_at() -> None:
    """Columns of so many rows that take no memory."""
    with pytest.raises(BadManifest, match=str(MAX_CHUNKS + 1)):
        replace(GOOD, chunk_ids=np.broadcast_to(GOOD.chunk_ids[0], (MAX_CHUNKS + 1, 4)))
    with pytest.raises(BadManifest, match=str(MAX_FILES + 1)):
        replace(GOOD, paths=cast(Sequence[str], range(MAX_FILES + 1)))


def test_a_manifest_of_nothing() -> None:
    nothing = manifest_of({}, {})
    assert (nothing.installed_size, len(nothing.chunk_files()), len(nothing.chunk_offsets())) == (0, 0, 0)
    assert nothing.select(np.empty(0, np.int64)) is nothing


def test_as_many_tags_as_fit() -> None:
    names = [(f"{number:08}",) for number in range(MAX_TAG_BYTES // 16)]
    assert len(tagged(*names, carried=len(names))().tags) == 2048


def walked(manifest: Manifest) -> list[tuple[int, int, int]]:
    """For each chunk its file, its offset there, and its size, by walking over the files."""
    sizes = iter(manifest.chunk_sizes.tolist())
    found = []
    for row, count in enumerate(manifest.chunk_counts.tolist()):
        at = 0
        for _ in range(count):
            size = next(sizes)
            found.append((row, at, size))
            at += size
    return found


@given(builds)
def test_a_manifest_tells_where_its_chunks_belong(build: Packed) -> None:
    manifest = build.manifest
    expected = walked(manifest)
    assert manifest.chunk_files().tolist() == [row for row, _, _ in expected]
    assert manifest.chunk_offsets().tolist() == [at for _, at, _ in expected]
    assert manifest.opens_file().tolist() == [at == 0 for _, at, _ in expected]
    files, offsets = manifest.place_chunks(np.arange(len(expected)))
    assert list(zip(files.tolist(), offsets.tolist(), strict=True)) == [(row, at) for row, at, _ in expected]
    for row in range(len(manifest.paths)):
        chunks = manifest.chunks_of(row)
        assert {row} >= {expected[number][0] for number in range(chunks.start, chunks.stop)}
        assert chunks.stop - chunks.start == manifest.chunk_counts[row]
    assert manifest.installed_size == sum(len(e.data or e.target.encode()) for e in build.tree.values())


@given(builds, st.data())
def test_the_manifest_of_some_files_is_that_of_the_tree_of_these_files(build: Packed, draw: st.DataObject) -> None:
    chosen = {path: entry for path, entry in build.tree.items() if draw.draw(st.booleans())}
    rows = np.array([row for row, path in enumerate(build.manifest.paths) if path in chosen], np.int64)
    assert_same_manifest(
        build.manifest.select(rows), manifest_of(chosen, {path: cut_up(e.data) for path, e in chosen.items() if e.data})
    )
    chunks = build.manifest.chunk_rows(rows)
    assert np.array_equal(build.manifest.chunk_ids[chunks], build.manifest.select(rows).chunk_ids)


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 5))))
def test_ranges_follow_one_another(pairs: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in pairs], np.int64)
    counts = np.array([count for _, count in pairs], np.int64)
    expected = [start + step for start, count in pairs for step in range(count)]
    assert ranges(starts, counts).tolist() == expected


def test_what_the_good_manifest_is() -> None:
    """All that the broken ones differ from by one thing each."""
    assert GOOD.kinds.tolist() == [Kind.FILE, Kind.FILE, Kind.FOLDER, Kind.FILE, Kind.LINK]
    assert GOOD.chunk_counts[BIG] > 2
    assert GOOD.digests[GAME].tobytes() == digest_of(b"#!/bin/sh\n")
    assert GOOD.targets == {LINK: "game"}
