"""Uninstalling: taking away what the build put there and nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from client.apply import finish_pending, remove_paths
from client.checking import Controls
from client.installed import installed_tree
from client.inventory import check_tree_files
from client.obstacles import Ground
from client.record import InstallFolder, NotInstalled, Record, stamp_of
from manifest.kinds import Kind


@dataclass(frozen=True, slots=True)
class Removed:
    """What an uninstall took away, and which changed files it left because nobody confirmed."""

    record: Record
    files: int
    bytes: int
    kept: list[str]


def uninstall(root: Path, controls: Controls, *, modified_too: bool, dry_run: bool) -> Removed:
    """Removes the files of the build that are unchanged, with `modified_too` also those that are not, and `.lading`.

    Saves, mods and everything else that is not of the build stay, and so does all that lies behind a link.
    Raises `NotInstalled`, `ManifestLost`.
    """
    folder = InstallFolder(root)
    try:
        folder.load()
    except NotInstalled:
        if not dry_run:
            folder.vanish()
        raise
    with folder.locked():
        if not dry_run:
            finish_pending(folder)
        removed, going = _choose(folder, folder.load(), controls, modified_too=modified_too)
        if not dry_run:
            remove_paths(os.fspath(root), going)
            folder.save(replace(removed.record, build=0, manifests={}))  # whoever is stopped here can begin again
            folder.forget()
    if not dry_run:
        folder.vanish()
    return removed


def _choose(
    folder: InstallFolder, record: Record, controls: Controls, *, modified_too: bool
) -> tuple[Removed, list[tuple[str, bool]]]:
    """What is to go, as a sum and as (path, whether it is a folder)."""
    tree = installed_tree(folder, record)
    saved = folder.file_stats(len(tree.paths), stamp_of(record.manifests, record.tags))
    check = check_tree_files(folder, tree, saved, controls, full=False)
    going = check.there & (check.intact | modified_too)
    ground = Ground(os.fspath(folder.root))
    behind = [row for row in np.flatnonzero(going).tolist() if ground.barrier(tree.paths[row])]
    going[behind] = False
    staying = [row for row in np.flatnonzero(~going).tolist() if ground.look(tree.paths[row])]
    kept = [tree.paths[row] for row in staying]
    # What is not there may have been removed by a run that was stopped before it removed the folder, too.
    rows = np.setdiff1d(np.arange(len(tree.paths)), [*staying, *behind])
    pairs = [(tree.paths[row], tree.kinds[row] == Kind.FOLDER) for row in rows.tolist()]
    return Removed(record, int(going.sum()), int(tree.sizes[going].sum(dtype=np.int64)), kept), pairs
