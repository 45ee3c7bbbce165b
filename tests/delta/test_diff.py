"""A diff leads from one manifest to exactly the other, costs what changed, and otherwise is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.columns import NewerFormat, decode_columns, encode_columns, ids_column
from chunkstore.placements import encode_placement, no_placement
from delta.diff import (
    MAGIC,
    VERSION,
    Applied,
    BadDiff,
    Rows,
    apply_diff,
    chunk_sources,
    file_sources,
    make_diff,
    match_paths,
)
from manifest.model import MAX_CHUNKS, MAX_FILES, Manifest
from manifest.payload import FILE_SPEC, UnknownFeature, encode_manifest, header_of, manifest_id
from tests.kit.builds import (
    SAMPLE_TREE,
    Packed,
    assert_same_manifest,
    builds,
    names_of,
    pack_build,
    placed_chunks,
    seeded_ids,
    seeded_manifest,
    seeded_placement,
    updates,
)
from tests.kit.game import Entry, noise

SPEC = {
    "file_starts": ("<u4", 1),
    "file_counts": ("<u4", 1),
    **FILE_SPEC,
    "chunk_starts": ("<u4", 1),
    "chunk_run_lengths": ("<u4", 1),
    "chunk_sizes": ("<u4", 1),
    "chunk_ids": ("<u8", 4),
    "placement": ("|u1", 1),
}


def rows_of(manifest: Manifest, *, files: int = 0, chunks: int = 0) -> Rows:
    """So many rows as the manifest has, and so many more."""
    return Rows(len(manifest.paths) + files, len(manifest.chunk_ids) + chunks)


def apply(old: Manifest, diff: bytes | bytearray, new: Manifest) -> Applied:
    return apply_diff(old, diff, wanted=manifest_id(encode_manifest(new)), rows=rows_of(new))


def assert_leads(old: Packed, new: Packed) -> None:
    applied = apply(old.manifest, make_diff(old.manifest, new.manifest, new.placement), new.manifest)
    assert applied.payload == encode_manifest(new.manifest)
    assert_same_manifest(applied.manifest, new.manifest)
    had, names = names_of(old.manifest.chunk_ids), names_of(new.manifest.chunk_ids)
    missing = [name for name in names if name not in set(had)]
    assert [had[row] if row >= 0 else None for row in applied.sources.tolist()] == [
        name if name in set(had) else None for name in names
    ]
    assert placed_chunks(applied.placement) == [new.places[name] for name in missing]


@given(updates())
def test_a_diff_leads_to_the_next_build_and_back(pair: tuple[Packed, Packed]) -> None:
    old, new = pair
    assert_leads(old, new)
    assert_leads(new, old)


@given(builds, builds)
def test_a_diff_leads_from_any_build_to_any_other(old: Packed, new: Packed) -> None:
    assert_leads(old, new)


@given(updates(), builds)
def test_from_another_manifest_it_leads_nowhere_else(pair: tuple[Packed, Packed], other: Packed) -> None:
    """At best it gives all that it does not copy, and then it leads from anywhere."""
    old, new = pair
    diff = make_diff(old.manifest, new.manifest, new.placement)
    try:
        applied = apply(other.manifest, diff, new.manifest)
    except BadDiff:
        return
    assert applied.payload == encode_manifest(new.manifest)


@given(updates(), st.integers(-2, 2), st.integers(-2, 2))
def test_other_counts_than_the_document_promises_are_refused(
    pair: tuple[Packed, Packed], files: int, chunks: int
) -> None:
    old, new = (build.manifest for build in pair)
    diff = make_diff(old, new, pair[1].placement)
    wanted = manifest_id(encode_manifest(new))
    if files or chunks:
        with pytest.raises(BadDiff):
            apply_diff(old, diff, wanted=wanted, rows=rows_of(new, files=files, chunks=chunks))
    with pytest.raises(BadDiff):
        apply_diff(old, diff, wanted=bytes(32), rows=rows_of(new))


@given(updates(), st.integers(-2, 2), st.integers(-2, 2))
def test_without_a_document_the_counts_are_limits(pair: tuple[Packed, Packed], files: int, chunks: int) -> None:
    old, new = (build.manifest for build in pair)
    diff = make_diff(old, new, pair[1].placement)
    limits = rows_of(new, files=files, chunks=chunks)
    for wanted, leads in ((manifest_id(encode_manifest(new)), min(files, chunks) >= 0), (bytes(32), False)):
        if leads:
            applied = apply_diff(old, diff, wanted=wanted, rows=limits, exact=False)
            assert applied.payload == encode_manifest(new)
        else:
            with pytest.raises(BadDiff):
                apply_diff(old, diff, wanted=wanted, rows=limits, exact=False)


@given(updates(), st.data())
def test_a_changed_byte_leads_to_the_wanted_manifest_or_nowhere(
    pair: tuple[Packed, Packed], draw: st.DataObject
) -> None:
    old, new = pair
    damaged = bytearray(make_diff(old.manifest, new.manifest, new.placement))
    for _ in range(draw.draw(st.integers(1, 3))):
        damaged[draw.draw(st.integers(0, len(damaged) - 1))] = draw.draw(st.integers(0, 255))
    try:
        applied = apply(old.manifest, damaged, new.manifest)
    except (BadDiff, NewerFormat, UnknownFeature):
        return
    assert applied.payload == encode_manifest(new.manifest)


OLD = pack_build({**SAMPLE_TREE, "gone": Entry(noise(900, 5))})
NEW = pack_build({**SAMPLE_TREE, "fresh": Entry(noise(900, 6)), "data/big.pak": Entry(noise(2500, 1) + b"x")}, OLD)
DIFF = make_diff(OLD.manifest, NEW.manifest, NEW.placement)


@pytest.mark.parametrize("bits", [1, 0x80, 0xFF])
def test_every_changed_byte_leads_to_the_wanted_manifest_or_nowhere(bits: int) -> None:
    wanted = encode_manifest(NEW.manifest)
    for at in range(len(DIFF)):
        damaged = bytearray(DIFF)
        damaged[at] ^= bits
        try:
            applied = apply(OLD.manifest, damaged, NEW.manifest)
        except (BadDiff, NewerFormat, UnknownFeature):
            continue
        assert applied.payload == wanted


def test_every_truncation_and_extension_is_refused() -> None:
    for length in range(0, len(DIFF), 3):
        with pytest.raises(BadDiff):
            apply(OLD.manifest, DIFF[:length], NEW.manifest)
    with pytest.raises(BadDiff):
        apply(OLD.manifest, DIFF + bytes(8), NEW.manifest)


def spoilt(header: dict[str, Any] | None = None, **other: Any) -> bytes:
    """The diff with other columns."""
    found, columns = decode_columns(DIFF, MAGIC, VERSION, SPEC)
    columns = {**columns, **other}
    made = [(name, np.asarray(columns[name], dtype)) for name, (dtype, _) in SPEC.items()]
    return encode_columns(MAGIC, VERSION, found if header is None else header, made)


TOP = (1 << 32) - 1
EMPTY_PLACEMENT = np.frombuffer(encode_placement(no_placement(), np.empty(0, "<u4")), "|u1")
NO_FILES = {name: np.empty((0, 4) if words == 4 else 0, dtype) for name, (dtype, words) in FILE_SPEC.items()}
HOSTILE: dict[str, dict[str, Any]] = {
    "no rows": {"file_starts": [], "file_counts": []},
    "all rows literal": {"file_starts": [TOP], "file_counts": [len(NEW.manifest.paths)]},
    "all rows copied": {"file_starts": [0], "file_counts": [len(NEW.manifest.paths)]},
    "rows behind the last": {"file_starts": [len(OLD.manifest.paths)], "file_counts": [len(NEW.manifest.paths)]},
    "rows far behind the last": {"file_starts": [TOP - 1], "file_counts": [len(NEW.manifest.paths)]},
    "counts that overflow": {"file_starts": [0, 0], "file_counts": [TOP, len(NEW.manifest.paths) + 1]},
    "starts without counts": {"chunk_starts": [0, TOP], "chunk_run_lengths": [len(NEW.manifest.chunk_ids)]},
    "a run of four billion": {"chunk_starts": [TOP], "chunk_run_lengths": [TOP]},
    "no literal chunks": {"chunk_sizes": [], "chunk_ids": ids_column(b""), "placement": EMPTY_PLACEMENT},
    "sizes without ids": {"chunk_ids": ids_column(b"")},
    "no literal files": NO_FILES,
    "no literal paths": {"path_shared": [], "path_rest": [], "path_bytes": []},
    "no literal kinds": {"kinds": []},
    "a placement that is none": {"placement": list(b"<html>")},
    "a placement of other chunks": {"placement": EMPTY_PLACEMENT},
    "a header of nothing": {"header": {}},
    "a header that says more": {"header": {**header_of(NEW.manifest), "more": 1}},
    "tags that are no list": {"header": {**header_of(NEW.manifest), "tags": 5}},
}


def test_the_diff_that_the_hostile_ones_differ_from_is_fine() -> None:
    assert spoilt() == DIFF
    assert apply(OLD.manifest, DIFF, NEW.manifest).payload == encode_manifest(NEW.manifest)


@pytest.mark.parametrize("other", HOSTILE.values(), ids=HOSTILE)
def test_hostile_diffs_are_refused_as_bad_diffs(other: dict[str, Any]) -> None:
    """One error for all, whichever rule is broken: the whole manifest is fetched instead."""
    diff = spoilt(**other)
    tracemalloc.start()
    try:
        with pytest.raises(BadDiff) as caught:
            apply(OLD.manifest, diff, NEW.manifest)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.code == "bad-diff"


@pytest.mark.parametrize(("files", "chunks"), [(MAX_FILES + 1, 1), (1, MAX_CHUNKS + 1), (1 << 50, 1 << 50)])
def test_counts_that_no_manifest_has_are_refused_before_memory_is_taken(files: int, chunks: int) -> None:
    with pytest.raises(BadDiff, match="more than a manifest can hold"):
        apply_diff(OLD.manifest, DIFF, wanted=bytes(32), rows=Rows(files, chunks))


@pytest.mark.parametrize("rows", [Rows(1 << 50, 1 << 50), rows_of(NEW.manifest)], ids=["no limit", "just enough"])
def test_a_run_that_no_limit_allows_is_refused_before_memory_is_taken(rows: Rows) -> None:
    diff = spoilt(chunk_starts=[TOP], chunk_run_lengths=[TOP])
    tracemalloc.start()
    try:
        with pytest.raises(BadDiff, match="another number of rows"):
            apply_diff(OLD.manifest, diff, wanted=bytes(32), rows=rows, exact=False)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_newer_diff_is_told_apart_from_damage() -> None:
    with pytest.raises(NewerFormat):
        apply(OLD.manifest, DIFF[:6] + bytes((VERSION + 1,)) + DIFF[7:], NEW.manifest)
    with pytest.raises(UnknownFeature):
        apply(OLD.manifest, spoilt({**header_of(NEW.manifest), "features": ["sparse"]}), NEW.manifest)


def with_chunks(manifest: Manifest, rows: Sequence[int]) -> Manifest:
    """The manifest with other bytes in these chunks, and so with other digests of their files."""
    chunk_ids, digests = manifest.chunk_ids.copy(), manifest.digests.copy()
    chunk_ids[rows] = seeded_ids(len(rows), 77)
    files = np.unique(manifest.chunk_files()[rows])
    digests[files] = seeded_ids(len(files), 78)
    return replace(manifest, chunk_ids=chunk_ids, digests=digests)


@pytest.mark.parametrize(
    "rows", [range(30_000, 30_013), range(7, 60_000, 4600), [0, 1, 2, 3, 59_999, *range(200, 208)]], ids=str
)
def test_the_size_of_a_diff_follows_the_change(rows: Sequence[int]) -> None:
    """Thirteen changed chunks in a build of 2 GB, together or apart."""
    assert len(rows) >= 13
    old = seeded_manifest(600, 100)
    new = with_chunks(old, list(rows))
    diff = make_diff(old, new, seeded_placement(new.chunk_sizes))
    assert len(diff) < 4096
    assert apply(old, diff, new).payload == encode_manifest(new)


def test_a_diff_to_the_same_manifest_is_nearly_nothing() -> None:
    manifest = seeded_manifest(600, 100)
    diff = make_diff(manifest, manifest, seeded_placement(manifest.chunk_sizes))
    assert len(diff) < 1500


def test_a_new_tag_touches_no_file_that_does_not_carry_it() -> None:
    """Sets of tags are numbered in order, so that one more can number all others anew."""
    plain = seeded_manifest(600, 2)
    sets = np.arange(600) % 3
    old = replace(plain, tags=(("de",), ("en",)), tag_sets=sets.astype("<u2"))
    carried = np.where(np.arange(600) == 5, 1, np.where(sets > 0, sets + 1, 0))
    new = replace(plain, tags=(("cs",), ("de",), ("en",)), tag_sets=carried.astype("<u2"))
    diff = make_diff(old, new, seeded_placement(new.chunk_sizes))
    assert apply(old, diff, new).payload == encode_manifest(new)
    assert len(diff) < 1500
    back = make_diff(new, old, seeded_placement(old.chunk_sizes))
    assert apply(new, back, old).payload == encode_manifest(old)


def test_a_copied_file_cannot_carry_tags_that_are_gone() -> None:
    manifest = pack_build(SAMPLE_TREE).manifest
    tagged = replace(manifest, tags=(("de",),), tag_sets=np.ones(len(manifest.paths), "<u2"))
    diff = make_diff(manifest, manifest, pack_build(SAMPLE_TREE).placement)
    with pytest.raises(BadDiff, match="tags"):
        apply(tagged, diff, manifest)


@given(updates())
def test_where_rows_come_from(pair: tuple[Packed, Packed]) -> None:
    old, new = (build.manifest for build in pair)
    rows = {path: row for row, path in enumerate(old.paths)}
    assert match_paths(old, new).tolist() == [rows.get(path, -1) for path in new.paths]
    files = file_sources(old, new)
    for path, row in zip(new.paths, files.tolist(), strict=True):
        assert row == (rows[path] if pair[0].tree.get(path) == pair[1].tree[path] else -1)
    chunks = chunk_sources(old, new, files)
    for file, source in enumerate(files.tolist()):
        if source >= 0:
            mine, theirs = new.chunks_of(file), old.chunks_of(source)
            assert chunks[mine].tolist() == list(range(theirs.start, theirs.stop))
