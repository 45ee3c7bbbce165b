"""A plan, executed over dicts, makes the wanted build: every byte once, and nothing fetched that lies on this disk."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.columns import Column
from chunkstore.cutting import Cutter
from chunkstore.frames import decode_frame, verify_run
from chunkstore.placements import no_placement
from delta.diff import chunk_sources, file_sources
from delta.plan import MAX_COPY, Inventory, Plan, Sources, make_plan, refetch
from manifest.kinds import Kind
from manifest.model import Manifest
from tests.kit.builds import SMALL, Packed, names_of, pack_build, seeded_manifest, seeded_placement, updates
from tests.kit.game import Entry, noise
from tests.kit.ranges import assert_sound


@dataclass(frozen=True)
class Disk:
    """What lies in the tree: an entry a path, as the old build has it unless it was damaged."""

    old: Packed
    spoilt: frozenset[int] = frozenset()
    """Rows of chunks of the old build that are not what they were."""

    def content(self, path: str) -> bytes:
        """The file's bytes, with the spoilt chunks blotted out."""
        manifest = self.old.manifest
        row = list(manifest.paths).index(path)
        sizes = manifest.chunk_sizes.tolist()
        data, parts, at = self.old.tree[path].data or b"", [], 0
        chunks = manifest.chunks_of(row)
        for number in range(chunks.start, chunks.stop):
            piece = data[at : at + sizes[number]]
            parts.append(bytes(len(piece)) if number in self.spoilt else piece)
            at += sizes[number]
        return b"".join(parts)


def take_inventory(disk: Disk, wanted: Manifest, staged: frozenset[int] = frozenset()) -> Inventory:
    """As the client takes it, with dicts."""
    old = disk.old.manifest
    rows = {path: row for row, path in enumerate(old.paths)}
    whole = [not disk.spoilt & set(range(*_span(old, row))) for row in range(len(old.paths))]
    present, mode_wrong = [], []
    for row, path in enumerate(wanted.paths):
        at = rows.get(path, -1)
        same = at >= 0 and whole[at] and old.kinds[at] == wanted.kinds[row]
        same = same and old.digests[at].tobytes() == wanted.digests[row].tobytes()
        present.append(bool(same))
        mode_wrong.append(bool(same) and old.flags[at] != wanted.flags[row])
    sound = np.array([row for row in range(len(old.chunk_ids)) if row not in disk.spoilt], np.int64)
    return Inventory(
        manifest=old,
        intact=np.array(whole, bool),
        present=np.array(present, bool),
        mode_wrong=np.array(mode_wrong, bool),
        sources=Sources(old, sound if disk.spoilt else None),
        staged=np.isin(np.arange(len(wanted.chunk_ids)), sorted(staged)),
    )


def _span(manifest: Manifest, row: int) -> tuple[int, int]:
    chunks = manifest.chunks_of(row)
    return chunks.start, chunks.stop


def execute(plan: Plan, disk: Disk, new: Packed) -> dict[str, bytes]:
    """The files that the plan builds; that each of their bytes is written exactly once is checked on the way."""
    wanted = plan.wanted
    made = {row: bytearray(int(wanted.sizes[row])) for row in plan.build.tolist()}
    written = {row: Counter[int]() for row in made}

    def write(row: int, offset: int, data: bytes | memoryview) -> None:
        made[row][offset : offset + len(data)] = data
        written[row].update(range(offset, offset + len(data)))

    offsets, files = wanted.chunk_offsets().tolist(), wanted.chunk_files().tolist()
    for chunk in np.flatnonzero(plan.staged).tolist():
        if files[chunk] in made:
            start, size = offsets[chunk], int(wanted.chunk_sizes[chunk])
            write(files[chunk], start, (new.tree[wanted.paths[files[chunk]]].data or b"")[start : start + size])
    copies = plan.copies
    columns = (copies.source, copies.start, copies.file, copies.offset, copies.length)
    for source, start, file, offset, length in zip(*(column.tolist() for column in columns), strict=True):
        data = disk.content(plan.sources.manifest.paths[source])[start : start + length]
        assert 0 < len(data) == length <= MAX_COPY
        write(file, offset, data)
    for first, count, length in zip(copies.first_chunk, copies.chunk_counts, copies.length, strict=True):
        assert wanted.chunk_sizes[first : first + count].sum() == length
    for each in assert_sound(plan.fetches):
        held = new.packs[each.pack][each.offset : each.end]
        for frame in each.frames:
            start = frame.offset - each.offset
            raw = decode_frame(frame.kind, held[start : start + frame.stored], frame.raw)
            for run in frame.runs:
                piece = raw[run.start : run.start + run.length]
                assert verify_run(
                    piece, wanted.chunk_sizes[run.chunks].tolist(), wanted.chunk_ids[run.chunks].tobytes()
                )
                write(run.file, run.offset, piece)
    for row, counts in written.items():
        assert counts == Counter(range(len(made[row])))
    return {wanted.paths[row]: bytes(content) for row, content in made.items()}


def assert_makes(plan: Plan, disk: Disk, new: Packed) -> None:
    """Carries out all of the plan on a copy of the old tree; what results is the new one."""
    wanted = plan.wanted
    moved = {wanted.paths[row]: Entry(disk.content(path), bool(wanted.flags[row])) for row, path in plan.moves.items()}
    built = {path: Entry(data, new.tree[path].executable) for path, data in execute(plan, disk, new).items()}
    tree = dict(disk.old.tree)
    for path, is_folder in plan.remove:
        assert is_folder == (tree.pop(path) == Entry())
    tree.update(moved | built)
    for row in plan.entries:
        assert wanted.kinds[row] != Kind.FILE
        tree[wanted.paths[row]] = new.tree[wanted.paths[row]]
    for row in plan.modes:
        entry = tree[wanted.paths[row]]
        tree[wanted.paths[row]] = Entry(entry.data, not entry.executable)
    assert tree == new.tree


def everything(build: Packed) -> Column:
    return np.arange(len(build.manifest.chunk_ids))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Disk, Packed, frozenset[int]]:
    """An old build on a disk that lost some of it, a new one, and chunks of that which are staged already."""
    old, new = draw(updates())
    lost = st.frozensets(st.integers(0, max(0, len(old.manifest.chunk_ids) - 1)), max_size=6)
    staged = st.frozensets(st.integers(0, max(0, len(new.manifest.chunk_ids) - 1)), max_size=6)
    disk = Disk(old, draw(lost) if len(old.manifest.chunk_ids) else frozenset())
    return disk, new, draw(staged) if len(new.manifest.chunk_ids) else frozenset()


@given(scenes())
def test_a_plan_makes_the_wanted_build(scene: tuple[Disk, Packed, frozenset[int]]) -> None:
    """DESIGN section 12: apply(plan(diff(a, b)), a) = b. R-2.3.4-2: from a damaged tree as well."""
    disk, new, staged = scene
    plan = make_plan(new.manifest, take_inventory(disk, new.manifest, staged), everything(new), new.placement)
    assert plan.unplaced == 0
    assert_makes(plan, disk, new)


@given(scenes())
def test_nothing_is_fetched_that_lies_on_this_disk(scene: tuple[Disk, Packed, frozenset[int]]) -> None:
    disk, new, staged = scene
    inventory = take_inventory(disk, new.manifest, staged)
    plan = make_plan(new.manifest, inventory, everything(new), new.placement)
    here = set(names_of(inventory.sources.ids))
    names = names_of(new.manifest.chunk_ids)
    fetched = plan.fetches.chunks.tolist()
    assert not here & {names[row] for row in fetched}
    assert not staged & set(fetched)
    needed = [row for row in new.manifest.chunk_rows(plan.build).tolist() if row not in staged]
    assert sorted(fetched) == [row for row in needed if names[row] not in here]


@given(scenes())
def test_moves_come_from_paths_that_go_away(scene: tuple[Disk, Packed, frozenset[int]]) -> None:
    disk, new, staged = scene
    inventory = take_inventory(disk, new.manifest, staged)
    plan = make_plan(new.manifest, inventory, everything(new), new.placement)
    kept = {path for path, here in zip(new.manifest.paths, inventory.present.tolist(), strict=True) if here}
    sources = list(plan.moves.values())
    assert not kept & set(sources)
    assert len(set(sources)) == len(sources)
    for row, path in plan.moves.items():
        assert not inventory.present[row]
        assert disk.old.tree[path] == new.tree[new.manifest.paths[row]]
        assert disk.content(path) == new.tree[new.manifest.paths[row]].data


@given(scenes())
def test_the_price_is_what_the_steps_come_to(scene: tuple[Disk, Packed, frozenset[int]]) -> None:
    """Promise 9: the numbers of the plan are shown before."""
    disk, new, staged = scene
    inventory = take_inventory(disk, new.manifest, staged)
    plan = make_plan(new.manifest, inventory, everything(new), new.placement)
    fetched = int(new.manifest.chunk_sizes[plan.fetches.chunks].sum())
    copied = int(plan.copies.length.sum())
    assert plan.price.download_bytes == plan.fetches.download_bytes
    assert plan.price.requests == plan.fetches.requests
    assert plan.price.written_bytes == plan.price.peak_extra_disk_bytes == fetched + copied
    assert plan.price.final_size_bytes == new.manifest.installed_size
    waiting = sum(
        int(new.manifest.chunk_sizes[row]) for row in staged & set(new.manifest.chunk_rows(plan.build).tolist())
    )
    links = sum(
        len(entry.target.encode())
        for row, entry in enumerate(map(new.tree.__getitem__, new.manifest.paths))
        if entry.target and not inventory.present[row]
    )
    assert plan.price.reused_bytes + fetched + waiting + links == new.manifest.installed_size


@given(updates())
def test_a_plan_to_what_is_there_is_empty(pair: tuple[Packed, Packed]) -> None:
    """DESIGN section 12: plan(b, b) is empty."""
    for build in pair:
        plan = make_plan(
            build.manifest, take_inventory(Disk(build), build.manifest), everything(build), build.placement
        )
        assert plan.empty
        assert plan.files_changed == 0
        assert (plan.price.download_bytes, plan.price.written_bytes, plan.price.requests) == (0, 0, 0)
        assert plan.price.reused_bytes == build.manifest.installed_size


@given(updates())
def test_the_places_that_a_diff_brings_are_enough(pair: tuple[Packed, Packed]) -> None:
    """The literal chunks of a diff are those that the old build lacks, so an undamaged tree needs no others."""
    old, new = pair
    disk = Disk(old)
    missing = np.flatnonzero(chunk_sources(old.manifest, new.manifest, file_sources(old.manifest, new.manifest)) < 0)
    plan = make_plan(new.manifest, take_inventory(disk, new.manifest), missing, new.placement.take(missing))
    assert plan.unplaced == 0
    assert_makes(plan, disk, new)


@given(scenes(), st.data())
def test_chunks_without_a_place_are_counted(scene: tuple[Disk, Packed, frozenset[int]], draw: st.DataObject) -> None:
    """Then the whole placement has to be asked for; until then such a plan is not executable."""
    disk, new, staged = scene
    inventory = take_inventory(disk, new.manifest, staged)
    full = make_plan(new.manifest, inventory, everything(new), new.placement)
    known = np.array([row for row in everything(new).tolist() if draw.draw(st.booleans())], np.int64)
    plan = make_plan(new.manifest, inventory, known, new.placement.take(known))
    assert plan.unplaced == len(set(full.fetches.chunks.tolist()) - set(known.tolist()))
    assert sorted(plan.fetches.chunks.tolist()) == sorted(set(full.fetches.chunks.tolist()) & set(known.tolist()))
    nothing = make_plan(new.manifest, inventory, known[:0], no_placement())
    assert nothing.unplaced == len(full.fetches.chunks)
    assert nothing.fetches.requests == 0


@given(scenes())
def test_what_could_not_be_copied_is_fetched(scene: tuple[Disk, Packed, frozenset[int]]) -> None:
    """The disk changed under the plan: each lost chunk comes from the store, to where its copy would have gone."""
    disk, new, staged = scene
    plan = make_plan(new.manifest, take_inventory(disk, new.manifest, staged), everything(new), new.placement)
    copies = plan.copies
    lost = [
        row
        for first, count in zip(copies.first_chunk.tolist(), copies.chunk_counts.tolist(), strict=True)
        for row in range(first, first + count)
    ]
    rest = refetch(plan, np.array(sorted(lost), np.int64), everything(new), new.placement)
    assert len(rest.copies.length) == 0
    assert sorted(rest.fetches.chunks.tolist()) == sorted(lost)
    both = replace(rest, staged=rest.staged.copy())
    both.staged[plan.fetches.chunks] = True
    execute(both, disk, new)


def packed_pair(before: dict[str, Entry], after: dict[str, Entry]) -> tuple[Disk, Packed, Plan]:
    old = pack_build(before)
    new = pack_build(after, old)
    disk = Disk(old)
    return disk, new, make_plan(new.manifest, take_inventory(disk, new.manifest), everything(new), new.placement)


PAK = noise(20_000, 1)


def test_a_renamed_file_moves() -> None:
    _, _, plan = packed_pair({"a": Entry(PAK)}, {"b": Entry(PAK)})
    assert (plan.moves, plan.remove) == ({0: "a"}, [("a", False)])
    assert (len(plan.build), plan.price.written_bytes, plan.price.requests) == (0, 0, 0)


def test_two_files_that_trade_places_move() -> None:
    other = noise(9000, 2)
    disk, new, plan = packed_pair({"a": Entry(PAK), "b": Entry(other)}, {"a": Entry(other), "b": Entry(PAK)})
    assert plan.moves == {0: "b", 1: "a"}
    assert plan.price.written_bytes == 0
    assert_makes(plan, disk, new)


def test_a_copy_of_a_file_that_stays_is_copied() -> None:
    disk, new, plan = packed_pair({"a": Entry(PAK)}, {"a": Entry(PAK), "b": Entry(PAK)})
    assert (plan.moves, plan.price.requests) == ({}, 0)
    assert len(plan.copies.length) == 1
    assert_makes(plan, disk, new)


def test_a_file_that_only_becomes_executable_is_not_touched_otherwise() -> None:
    _, _, plan = packed_pair({"a": Entry(PAK)}, {"a": Entry(PAK, executable=True)})
    assert (plan.modes, len(plan.build), plan.files_changed) == ([0], 0, 1)


@pytest.mark.parametrize("executable", [False, True])
def test_a_renamed_file_of_another_mode_is_copied(executable: bool) -> None:
    """A move links the old file, and changing the mode of one name would change the tree that is still in use."""
    disk, new, plan = packed_pair({"a": Entry(PAK, executable)}, {"b": Entry(PAK, not executable)})
    assert (plan.moves, plan.price.requests) == ({}, 0)
    assert_makes(plan, disk, new)


def test_a_file_that_goes_away_moves_once() -> None:
    disk, new, plan = packed_pair({"a": Entry(PAK)}, {"b": Entry(PAK), "c": Entry(PAK)})
    assert (plan.moves, plan.build.tolist(), plan.price.requests) == ({0: "a"}, [1], 0)
    assert_makes(plan, disk, new)


def test_no_copy_leaves_its_files() -> None:
    """Chunks can be neighbours in both builds and still lie in two files of one of them."""
    middle = Cutter(SMALL).ends(PAK)[5]
    whole, parts = {"a": Entry(PAK)}, {"x": Entry(PAK[:middle]), "y": Entry(PAK[middle:])}
    for before in (whole, parts):
        disk, new, plan = packed_pair(before, whole | parts)
        assert plan.copies.length.tolist() == [middle, len(PAK) - middle]
        assert_makes(plan, disk, new)


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        (Entry(PAK), Entry(), [("x", False)]),
        (Entry(), Entry(PAK), [("x", True)]),
        (Entry(target="y"), Entry(), [("x", False)]),
        (Entry(target="y"), Entry(PAK), []),
        (Entry(PAK), Entry(target="y"), []),
    ],
)
def test_a_path_that_becomes_something_else(before: Entry, after: Entry, gone: list[tuple[str, bool]]) -> None:
    disk, new, plan = packed_pair({"x": before, "y": Entry(b"y")}, {"x": after, "y": Entry(b"y")})
    assert plan.remove == gone
    assert_makes(plan, disk, new)


def test_three_inserted_bytes_cost_one_frame() -> None:
    disk, new, plan = packed_pair({"a": Entry(PAK)}, {"a": Entry(PAK[:9000] + b"abc" + PAK[9000:])})
    assert plan.price.requests == 1
    assert plan.price.download_bytes < 5000
    assert len(plan.copies.length) <= 4
    assert_makes(plan, disk, new)


def test_a_copy_is_no_longer_than_a_worker_can_hold() -> None:
    """A build of 16 MiB in one file, copied to another path: many copies, none above the limit, no byte twice."""
    old = seeded_manifest(1, 30_000)
    new = replace(old, paths=["copy.bin"])
    inventory = Inventory(
        manifest=old,
        intact=np.zeros(1, bool),
        present=np.zeros(1, bool),
        mode_wrong=np.zeros(1, bool),
        sources=Sources(old),
        staged=np.zeros(len(new.chunk_ids), bool),
    )
    plan = make_plan(new, inventory, np.arange(30_000), seeded_placement(new.chunk_sizes))
    lengths, offsets = plan.copies.length, plan.copies.offset
    assert lengths.max() <= MAX_COPY
    assert len(lengths) <= 2 * (int(new.sizes[0]) // MAX_COPY + 1)
    assert offsets.tolist() == [0, *np.cumsum(lengths)[:-1].tolist()]
    assert int(lengths.sum()) == int(new.sizes[0])
