"""Generated builds must be the same everywhere, or nobody could compare numbers."""

from itertools import pairwise
from pathlib import Path

from blake3 import blake3

from benchmarks.generate import BLOCK, block, build, scattered, touch


def test_a_block_is_pinned() -> None:
    digest = blake3(block(1, 7)).hexdigest()
    assert digest == "6dcf9d184c98de1c6e982faffd7c145a87fa644f473e03b88d7cf8b14a3c9f21"


def test_blocks_differ_by_number_and_by_seed() -> None:
    assert len({block(1, 0), block(1, 1), block(2, 0)}) == 3


def test_a_build_holds_its_blocks_in_order(tmp_path: Path) -> None:
    assert build(tmp_path, [3, 1]) == 2 * BLOCK
    assert (tmp_path / "data/part-0000.pak").read_bytes() == block(1, 3) + block(1, 1)


def test_a_scattered_order_keeps_all_blocks_and_no_neighbours() -> None:
    for count in (10, 1000, 36_240):
        order = list(scattered(count))
        assert sorted(order) == list(range(count))
        assert all(abs(a - b) >= count // 4 for a, b in pairwise(order))


def test_a_next_version_changes_so_many_blocks_and_another_one_others(tmp_path: Path) -> None:
    """R-card-10: the small-update benchmark changes 13 chunks a version, never the same twice."""
    build(tmp_path, range(40))
    states = [_blocks(tmp_path)]
    for version in (1, 2):
        touch(tmp_path, version)
        states.append(_blocks(tmp_path))
    first, second = (_changed(old, new) for old, new in pairwise(states))
    assert len(first) == len(second) == 13
    assert not first & second


def _blocks(folder: Path) -> list[bytes]:
    data = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.pak")))
    return [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]


def _changed(old: list[bytes], new: list[bytes]) -> set[int]:
    return {row for row, (a, b) in enumerate(zip(old, new, strict=True)) if a != b}
