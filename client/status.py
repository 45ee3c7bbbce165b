"""What an installed folder is at this moment, from a look that reads no content of untouched files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from client.checking import Controls
from client.installed import ManifestLost, installed_tree
from client.inventory import check_tree_files
from client.record import InstallFolder, NotInstalled, Record, stamp_of


@dataclass(frozen=True, slots=True)
class Status:
    """`state` is absent, installed, interrupted or wounded; `record` None if nothing is there."""

    state: str
    record: Record | None


def status(root: Path, controls: Controls) -> Status:
    """Looks at a folder. Raises `BadRecord` if its record is damaged."""
    folder = InstallFolder(root)
    try:
        record = folder.load()
    except NotInstalled:
        return Status("absent", None)
    if not record.build or folder.journal.exists() or folder.staging.is_dir():
        return Status("interrupted", record)
    try:
        tree = installed_tree(folder, record)
    except ManifestLost:
        return Status("wounded", record)
    saved = folder.file_stats(len(tree.paths), stamp_of(record.manifests, record.tags))
    check = check_tree_files(folder, tree, saved, controls, full=False)
    sound = check.intact.all() and not check.mode_wrong.any()
    return Status("installed" if sound else "wounded", record)
