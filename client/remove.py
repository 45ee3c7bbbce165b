"""Uninstalling: taking away what the build put there and nothing else."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from client.apply import finish_pending, remove_paths
from client.checking import Controls
from client.disk import named_errors
from client.installed import installed_tree
from client.inventory import check_tree_files
from client.record import InstallFolder, Record, stamp_of
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

    Saves, mods and everything else that is not of the build stay. Raises `NotInstalled`.
    """
    folder = InstallFolder(root)
    folder.load()
    with folder.locked():
        if not dry_run:
            finish_pending(folder)
        record = folder.load()
        tree = installed_tree(folder, record)
        if tree is None:
            removed = Removed(record, 0, 0, [])
        else:
            saved = folder.file_stats(len(tree.paths), stamp_of(record.manifests, record.tags))
            check = check_tree_files(folder, tree, saved, controls, full=False)
            regular = tree.kinds == Kind.FILE
            going = check.there & (check.intact | (True if modified_too else ~regular))
            kept = [tree.paths[row] for row in np.flatnonzero(check.there & ~going).tolist()]
            rows = np.flatnonzero(going)
            if not dry_run:
                pairs = [(tree.paths[row], tree.kinds[row] == Kind.FOLDER) for row in rows.tolist()]
                remove_paths(os.fspath(root), pairs)
            removed = Removed(record, len(rows), int(tree.sizes[rows].sum(dtype=np.int64)), kept)
    if not dry_run:
        with named_errors(folder.own):
            shutil.rmtree(folder.own)
        if not any(root.iterdir()):
            root.rmdir()
    return removed
