"""Memory of planning: bounded by the number of chunks, whatever lies where. Promise 4 of the design."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chunkstore.cancel import Cancel
from client.checking import Controls
from client.inventory import note_stat, take_inventory
from client.record import FileStats, InstallFolder
from client.resolve import DepotContent, unite_placements
from client.staging import Staging
from client.work import Brake
from delta.plan import Plan, make_plan
from manifest.documents import DepotRef
from manifest.model import Manifest
from manifest.union import unite
from tests.kit.builds import seeded_ids, seeded_manifest, seeded_placement

FILES, EACH = 1000, 200
CHUNKS = FILES * EACH
A_CHUNK, CONSTANT = 100, 1024 * 1024
"""Bytes that planning may take for each chunk of both builds beside their manifests, and once."""

OLD = seeded_manifest(FILES, EACH)


def made_of(ids: np.ndarray, sizes: np.ndarray) -> Manifest:
    """The files of `OLD` with other chunks in them."""
    columns = {name: getattr(OLD, name) for name in Manifest.__dataclass_fields__ if name != "first_chunk"}
    same = (ids == OLD.chunk_ids).all(axis=1).reshape(FILES, EACH).all(axis=1)
    digests = np.where(same[:, None], OLD.digests, seeded_ids(FILES, 5))
    lengths = sizes.reshape(FILES, EACH).sum(axis=1, dtype="<u8")
    return Manifest(**{**columns, "chunk_ids": ids, "chunk_sizes": sizes, "digests": digests, "sizes": lengths})


def one_in_hundred_changed() -> Manifest:
    ids = OLD.chunk_ids.copy()
    ids[::100] = seeded_ids(CHUNKS // 100, 2)
    return made_of(ids, OLD.chunk_sizes)


def half_changed() -> Manifest:
    ids = OLD.chunk_ids.copy()
    ids[::2] = seeded_ids(CHUNKS // 2, 3)
    return made_of(ids, OLD.chunk_sizes)


def all_moved_about() -> Manifest:
    order = np.random.default_rng(4).permutation(CHUNKS)
    return made_of(OLD.chunk_ids[order], OLD.chunk_sizes[order])


def install(folder: Path) -> InstallFolder:
    """`OLD` as it lies on a disk where every file looks untouched: holes of the right size."""
    installed = InstallFolder(folder)
    installed.own.mkdir()
    stats = FileStats.unknown(FILES)
    for row, path in enumerate(OLD.paths):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.truncate(int(OLD.sizes[row]))
        note_stat(stats, row, os.lstat(place))
    installed.save_file_stats(stats, "old")
    return installed


def plan(folder: InstallFolder, old: Manifest, new: Manifest) -> tuple[Plan, int]:
    """The plan from one to the other, and the most bytes that making it took at once."""
    placement = seeded_placement(new.chunk_sizes)
    content = DepotContent(DepotRef("", 0, 0, 0, 0), new, b"", np.arange(CHUNKS), placement)
    tracemalloc.start()
    try:
        union = unite([content.manifest])
        staging = Staging(folder.staging, union.manifest)
        inventory, _ = take_inventory(
            folder,
            old,
            "old",
            union.manifest,
            staging,
            Controls(2, Cancel(), Brake()),
            full=False,
            progress=lambda _: None,
        )
        made = make_plan(union.manifest, inventory, *unite_placements(union, [content]))
        return made, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("change", [one_in_hundred_changed, half_changed, all_moved_about])
def test_planning_an_update(tmp_path: Path, change: Callable[[], Manifest]) -> None:
    made, peak = plan(install(tmp_path), OLD, change())
    assert len(made.copies.source) + len(made.fetches.chunks) > 0
    assert peak < A_CHUNK * 2 * CHUNKS + CONSTANT


def test_planning_an_install(tmp_path: Path) -> None:
    """Here there is only one build to pay from."""
    made, peak = plan(InstallFolder(tmp_path), unite([]).manifest, OLD)
    assert len(made.fetches.chunks) == CHUNKS
    assert peak < A_CHUNK * CHUNKS + CONSTANT
