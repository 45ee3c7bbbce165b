"""From a complete staging folder to the new tree: the one stretch in which the tree is neither old nor new.

Everything that is put in place lies whole and durable in `.lading/staging` before the journal exists; from then on a
killed run can only be finished, and finishing is a matter of renames that may be repeated. Order: what goes away first
(a file may give way to a folder of its name), then files, links and folders, modes, and last the record.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from chunkstore.store import PathUnusable
from client.disk import local_error, named_errors, sync_tree, write_durably
from client.record import InstallFolder
from client.staging import Staging
from delta.plan import Plan
from manifest.kinds import Kind
from manifest.model import EXECUTABLE
from manifest.paths import check_path, fold


@dataclass(frozen=True, slots=True)
class Swap:
    """The journal: all that finishing needs.

    `files` are (name in staging, path), `remove` (path, whether it is a folder), `links` (path, target), `folders`
    paths, `modes` (path, whether executable).
    """

    files: list[tuple[str, str]]
    remove: list[tuple[str, bool]]
    links: list[tuple[str, str]]
    folders: list[str]
    modes: list[tuple[str, bool]]
    record: dict[str, Any]


def swap_of(plan: Plan, staging: Staging, record: dict[str, Any]) -> Swap:
    """The swap that ends a plan; `record` is what the folder is to remember then."""
    wanted = plan.wanted
    rows = [*plan.build.tolist(), *plan.moves]
    return Swap(
        files=[(os.path.basename(staging.path(row)), wanted.paths[row]) for row in rows],
        remove=plan.remove,
        links=[(wanted.paths[row], wanted.targets[row]) for row in plan.entries if row in wanted.targets],
        folders=[wanted.paths[row] for row in plan.entries if wanted.kinds[row] == Kind.FOLDER],
        modes=[(wanted.paths[row], bool(wanted.flags[row] & EXECUTABLE)) for row in plan.modes],
        record=record,
    )


def begin_swap(folder: InstallFolder, swap: Swap) -> None:
    """Makes the staged files durable, then writes the journal: the point of no return."""
    if folder.staging.is_dir():
        sync_tree(folder.staging)
    write_durably(folder.journal, json.dumps(asdict(swap)).encode())


def pending_swap(folder: InstallFolder) -> Swap | None:
    """The swap that an interrupted run left unfinished. A journal that cannot be read was never complete."""
    try:
        value = json.loads(folder.journal.read_bytes())
        swap = Swap(**value)
        for path in (*(path for _, path in swap.files), *(path for path, _ in swap.remove), *swap.folders):
            check_path(path)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, OSError) as error:
        raise PathUnusable(f"the journal cannot be read: {error}", where=str(folder.journal)) from error
    return swap


def finish_swap(folder: InstallFolder, swap: Swap) -> None:
    """Puts everything in place. May be repeated from any point at which it stopped. The journal stays."""
    root = os.fspath(folder.root)
    _remove(root, swap, os.fspath(folder.staging))
    made: set[str] = set()
    for name, path in swap.files:
        staged, target = os.path.join(folder.staging, name), os.path.join(root, path)
        _make_folder(os.path.dirname(target), made)
        try:
            os.replace(staged, target)
        except FileNotFoundError:
            if not os.path.lexists(target):
                raise
        except OSError as error:
            raise local_error(error, target) from error
    for path in swap.folders:
        _make_folder(os.path.join(root, path), made)
    for path, link in swap.links:
        _place_link(os.path.join(root, path), link, made)
    for path, executable in swap.modes:
        with named_errors(path):
            os.chmod(os.path.join(root, path), 0o755 if executable else 0o644)
    sync_tree(folder.root, made)


def end_swap(folder: InstallFolder) -> None:
    """Forgets the journal and the staging folder, once the record is saved."""
    with named_errors(folder.journal):
        folder.journal.unlink(missing_ok=True)
    shutil.rmtree(folder.staging, ignore_errors=True)


def remove_paths(root: str, paths: Iterable[tuple[str, bool]]) -> None:
    """Removes entries given as (path, whether it is a folder), and folders that this leaves empty. Absent is fine."""
    parents = set()
    for path, is_folder in paths:
        target = os.path.join(root, path)
        try:
            if is_folder:
                os.rmdir(target)
            else:
                os.unlink(target)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            pass
        except OSError as error:
            if not is_folder and not os.path.isdir(target):
                raise local_error(error, target) from error
        parents.add(os.path.dirname(path))
    for parent in sorted(parents, key=len, reverse=True):
        _remove_empty(root, parent)


def _remove(root: str, swap: Swap, staging: str) -> None:
    """Removes what the new build does not have.

    Where letter case is ignored, an old path may *be* a new one under another spelling: it goes only as long as the new
    file still waits in staging, so that repeating this cannot remove what was put in place.
    """
    waiting = {fold(path): name for name, path in swap.files}
    remove_paths(
        root,
        (
            (path, is_folder)
            for path, is_folder in swap.remove
            if (name := waiting.get(fold(path))) is None or os.path.lexists(os.path.join(staging, name))
        ),
    )


def _remove_empty(root: str, folder: str) -> None:
    """Removes a folder of the old build and those above it as far as they are empty."""
    while folder:
        try:
            os.rmdir(os.path.join(root, folder))
        except OSError:
            return
        folder = os.path.dirname(folder)


def _make_folder(path: str, made: set[str]) -> None:
    """Makes a folder and those above it, readable for all whatever the umask."""
    if path in made or os.path.isdir(path):
        made.add(path)
        return
    _make_folder(os.path.dirname(path), made)
    with named_errors(path):
        os.mkdir(path)
        os.chmod(path, 0o755)
    made.add(path)


def _place_link(target: str, link: str, made: set[str]) -> None:
    _make_folder(os.path.dirname(target), made)
    temporary = f"{target}.lading-new"
    with named_errors(target):
        if os.path.lexists(temporary):
            os.unlink(temporary)
        os.symlink(link, temporary)
        os.replace(temporary, target)
