"""From a complete staging folder to the new tree: the one stretch in which the tree is neither old nor new.

Everything that is put in place lies whole and durable in `.lading/staging` before the journal exists; from then on a
killed run can only be finished, and finishing is a matter of renames that may be repeated. Order: what goes away first
(a file may give way to a folder of its name), then files, links and folders, modes, and last the record.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from chunkstore.errors import LadingError, LocalProblem
from chunkstore.ids import digest_of
from client.disk import local_error, make_folder, named_errors, sync_names, write_durably
from client.record import InstallFolder, record_from_json
from client.staging import Staging
from delta.plan import Plan
from manifest.kinds import Kind
from manifest.model import EXECUTABLE
from manifest.paths import check_link, check_path, fold

_STAGED = re.compile(r"[0-9a-f]{64}(\.[0-9]+)?")


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


def swap_of(plan: Plan, staging: Staging, obstacles: Sequence[tuple[str, bool]], record: dict[str, Any]) -> Swap:
    """The swap that ends a plan; `record` is what the folder is to remember then."""
    wanted = plan.wanted
    rows = [*plan.build.tolist(), *plan.moves]
    remove = [*plan.remove, *obstacles]
    emptied = {str(parent) for path, _ in remove for parent in PurePosixPath(path).parents}
    folders = [path for path, kind in zip(wanted.paths, wanted.kinds.tolist(), strict=True) if kind == Kind.FOLDER]
    made = {wanted.paths[row] for row in plan.entries}
    return Swap(
        files=[(os.path.basename(staging.path(row)), wanted.paths[row]) for row in rows],
        remove=remove,
        links=[(wanted.paths[row], wanted.targets[row]) for row in plan.entries if row in wanted.targets],
        folders=[path for path in folders if path in made or path in emptied],
        modes=[(wanted.paths[row], bool(wanted.flags[row] & EXECUTABLE)) for row in (*plan.modes, *plan.moves)],
        record=record,
    )


def begin_swap(folder: InstallFolder, swap: Swap) -> None:
    """Writes the journal: the point of no return. The staged files are durable already."""
    text = json.dumps(asdict(swap)).encode()
    write_durably(folder.journal, digest_of(text).hex().encode() + b"\n" + text)


def pending_swap(folder: InstallFolder) -> Swap | None:
    """The swap that an interrupted run left unfinished. Raises `BadJournal`.

    A wrong byte in a path would put a file where it does not belong, so the journal begins with its own digest.
    """
    try:
        digest, _, text = folder.journal.read_bytes().partition(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise local_error(error, folder.journal) from error
    if digest != digest_of(text).hex().encode():
        raise BadJournal("the journal of an interrupted run is damaged", where=str(folder.journal))
    try:
        swap = Swap(**json.loads(text))
        _check(swap)
    except (ValueError, TypeError, LadingError) as error:
        raise BadJournal("the journal of an interrupted run is malformed", where=str(folder.journal)) from error
    return swap


def _check(swap: Swap) -> None:
    """Raises unless every path lies inside the tree: nothing in `.lading` is trusted."""
    for name, path in swap.files:
        if not _STAGED.fullmatch(name):
            raise ValueError(f"{name!r} is not a staged file")
        check_path(path)
    for path, target in swap.links:
        check_link(check_path(path), target)
    for path in (*swap.folders, *(path for path, _ in (*swap.remove, *swap.modes))):
        check_path(path)


def finish_swap(folder: InstallFolder, swap: Swap) -> None:
    """Puts everything in place. May be repeated from any point at which it stopped. The journal stays.

    A file that is not in staging any more was put in place before; if somebody took it away since, it is a wound that
    the next look at the tree finds.
    """
    root = os.fspath(folder.root)
    _remove(root, swap, os.fspath(folder.staging))
    made = {root}
    for name, path in swap.files:
        target = os.path.join(root, path)
        make_folder(os.path.dirname(target), made)
        _move_into_place(os.path.join(folder.staging, name), target)
    for path in swap.folders:
        make_folder(os.path.join(root, path), made)
    for path, link in swap.links:
        target, temporary = os.path.join(root, path), os.path.join(folder.own, "link.new")
        make_folder(os.path.dirname(target), made)
        with named_errors(target):
            if os.path.lexists(temporary):
                os.unlink(temporary)
            os.symlink(link, temporary)
        _move_into_place(temporary, target)
    for path, executable in swap.modes:
        _set_mode(os.path.join(root, path), executable)
    sync_names(folder.root, made)


def end_swap(folder: InstallFolder) -> None:
    """Forgets the journal and the staging folder, once the record is saved."""
    with named_errors(folder.journal):
        folder.journal.unlink(missing_ok=True)
    shutil.rmtree(folder.staging, ignore_errors=True)


def finish_pending(folder: InstallFolder) -> bool:
    """Ends the swap that an interrupted run had begun; whether there was one. Raises `BadJournal`."""
    swap = pending_swap(folder)
    if swap is None:
        return False
    finish_swap(folder, swap)
    folder.save(record_from_json(swap.record, os.fspath(folder.root)))
    end_swap(folder)
    return True


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


def _move_into_place(staged: str, target: str) -> None:
    try:
        os.replace(staged, target)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise local_error(error, target) from error


def _set_mode(target: str, executable: bool) -> None:
    if os.path.isfile(target) and not os.path.islink(target):
        with named_errors(target):
            os.chmod(target, 0o755 if executable else 0o644)


class BadJournal(LocalProblem):
    """The journal of a swap that was interrupted cannot be believed: which files are in place already is not known."""

    code = "bad-journal"
    default_cause = "A file in .lading was damaged or edited after a run was interrupted."
    default_next = "Run `lading repair DIR`: it compares every file and goes on from what is there."
