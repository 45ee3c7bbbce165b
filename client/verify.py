"""Verification: the places where an installed tree differs from its manifest, called wounds.

Quick, files whose stat is as saved are believed; full, every byte is read. Repair is the road with the wounds as its
inventory. Nothing here changes the tree.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from chunkstore.errors import Corrupt
from client.apply import pending_swap
from client.checking import Controls
from client.disk import is_allowed
from client.installed import installed_tree
from client.inventory import TreeCheck, check_tree_files
from client.record import InstallFolder, Record, stamp_of
from client.tally import Tally
from manifest.events import EventSink, Phase
from manifest.model import Manifest
from manifest.paths import RESERVED_FOLDER


@dataclass(frozen=True, slots=True)
class Wound:
    """One place. `kind` is missing, modified, mode, type or unreadable; `offset` and `length` say which bytes."""

    path: str
    kind: str
    offset: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome. `extra` are paths in the tree that are not part of the build; they are nobody's fault."""

    record: Record
    files: int
    bytes: int
    wounds: list[Wound]
    extra: list[str]


def verify(
    root: Path, controls: Controls, sink: EventSink, *, full: bool = False, globs: Iterable[str] = ()
) -> Verification:
    """Compares an installed folder with its manifest. Raises `NotInstalled`, `ManifestLost`, `Unfinished`."""
    folder = InstallFolder(root)
    record = folder.load()
    with folder.locked():
        tree = _settled_tree(folder, record)
        patterns = list(globs)
        rows = [r for r, path in enumerate(tree.paths) if not patterns or any(fnmatchcase(path, p) for p in patterns)]
        saved = folder.file_stats(len(tree.paths), stamp_of(record.manifests, record.tags))
        total = int(tree.sizes[rows].sum(dtype=np.int64))
        sink.emit(Phase("verify", total))
        tally = Tally(sink, total)
        check = check_tree_files(folder, tree, saved, controls, full=full, rows=rows, progress=tally.add)
        tally.finish()
        extra = [] if patterns else sorted(_extra(root, tree))
    return Verification(record, len(rows), total, list(_wounds(root, tree, check, rows)), extra)


def _settled_tree(folder: InstallFolder, record: Record) -> Manifest:
    """What the record says is installed. Raises `Unfinished` in the middle of an install or a swap, `ManifestLost`."""
    if not record.build or pending_swap(folder) is not None:
        raise Unfinished("the installation is not finished", where=str(folder.root))
    return installed_tree(folder, record)


def _wounds(root: Path, tree: Manifest, check: TreeCheck, rows: list[int]) -> Iterator[Wound]:
    for row in rows:
        path = tree.paths[row]
        if not check.there[row]:
            yield Wound(path, "type" if os.path.lexists(root / path) else "missing")
            continue
        if not check.intact[row]:
            yield from _content_wounds(root, tree, check, row)
        if check.mode_wrong[row]:
            yield Wound(path, "mode")


def _content_wounds(root: Path, tree: Manifest, check: TreeCheck, row: int) -> Iterator[Wound]:
    """Where the content of one file differs: neighbouring bad chunks as one wound, and what is past the end."""
    path = tree.paths[row]
    if not is_allowed(root / path, os.R_OK):
        yield Wound(path, "unreadable")
        return
    chunks = tree.chunks_of(row)
    sizes = tree.chunk_sizes[chunks].tolist()
    start, end, at = 0, 0, 0
    for good, size in zip(check.chunks[chunks].tolist(), sizes, strict=True):
        if not good:
            if end != at:
                if end > start:
                    yield Wound(path, "modified", start, end - start)
                start = at
            end = at + size
        at += size
    if end > start:
        yield Wound(path, "modified", start, end - start)
    surplus = int(check.stats.sizes[row]) - at
    if surplus > 0:
        yield Wound(path, "modified", at, surplus)


def _extra(root: Path, tree: Manifest) -> Iterator[str]:
    """Files in the tree that the build does not have."""
    ours = set(tree.paths)
    top = os.fspath(root)
    for folder, folders, names in os.walk(top):
        if folder == top:
            folders[:] = [name for name in folders if name != RESERVED_FOLDER]
        base = os.path.relpath(folder, top).replace(os.sep, "/")
        prefix = "" if base == "." else f"{base}/"
        yield from (prefix + name for name in names if prefix + name not in ours)


class Unfinished(Corrupt):
    """An install or update was interrupted; the tree is not one build yet."""

    code = "installation-unfinished"
    default_cause = "A run was interrupted."
    default_next = "Run the same install or update again; it goes on where it stopped."
