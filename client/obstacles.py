"""What stands in the way of a plan: things at a build's paths that nobody installed, and folders that lie elsewhere.

Looked at when the plan is made and again right before the swap, so that a swap that has begun can end. Things go only
with leave, and a folder that holds files of somebody else never does: they may be all that is left of that work.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from functools import cached_property

from chunkstore.errors import LocalProblem, Refused
from chunkstore.store import PathUnusable
from client.disk import is_allowed
from delta.plan import Plan
from manifest.kinds import Kind
from manifest.model import Manifest
from manifest.paths import fold

_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_JUNCTION = 0xA0000003
"""The reparse tag of a folder on Windows that is really another one."""


class Ground:
    """One tree as it lies on the disk. Each of its folders is looked at once."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._device = os.stat(root).st_dev if os.path.isdir(root) else 0
        self._barriers = {"": ""}
        self._writable: set[str] = set()

    def look(self, path: str) -> os.stat_result | None:
        """What lies at a path of the tree, links not followed; None if nothing does."""
        try:
            return os.lstat(os.path.join(self._root, path))
        except OSError as error:
            if error.errno in _NOTHING_THERE:
                return None
            raise

    def barrier(self, path: str) -> str:
        """The first part above `path` that is there and is not a folder in this place on this disk, or ""."""
        folder = os.path.dirname(path)
        found = self._barriers.get(folder)
        if found is None:
            found = self._barriers[folder] = self.barrier(folder) or ("" if self._is_open(folder) else folder)
        return found

    def leads_away(self, path: str) -> bool:
        """Whether what is written below `path` would land somewhere else: it is a link, or on another disk."""
        seen = self.look(path)
        if seen is None or stat.S_ISLNK(seen.st_mode):
            return seen is not None
        return stat.S_ISDIR(seen.st_mode) and not self._is_open(path)

    def is_alias(self, path: str, other: str | None) -> bool:
        """Whether this disk takes both spellings for one and the same entry."""
        if other is None or other == path:
            return False
        seen, known = self.look(path), self.look(other)
        return seen is not None and known is not None and os.path.samestat(seen, known)

    def check_writable(self, path: str) -> None:
        """Raises `PathUnusable` if names cannot be changed in the folder of `path`, or in the one it would lie in."""
        above = folder = os.path.dirname(path)
        if above in self._writable:
            return
        while folder and ((seen := self.look(folder)) is None or not stat.S_ISDIR(seen.st_mode)):
            folder = os.path.dirname(folder)
        place = os.path.join(self._root, folder) if folder else self._root
        if os.path.isdir(place) and not is_allowed(place, os.W_OK | os.X_OK):
            raise PathUnusable("the folder cannot be written to", where=place)
        self._writable.add(above)

    def below(self, folder: str) -> Iterator[tuple[str, bool]]:
        """All that lies in a folder, as (path, whether it is a folder), a folder after what is in it."""
        with os.scandir(os.path.join(self._root, folder)) as entries:
            found = [(f"{folder}/{entry.name}", entry.is_dir(follow_symlinks=False)) for entry in entries]
        for path, is_folder in sorted(found):
            if is_folder:
                yield from self.below(path)
            yield path, is_folder

    def _is_open(self, folder: str) -> bool:
        seen = self.look(folder)
        if seen is None:
            return True
        here = seen.st_dev == self._device and getattr(seen, "st_reparse_tag", 0) != _JUNCTION
        return stat.S_ISDIR(seen.st_mode) and here


def unclaimed(root: str, installed: Manifest, paths: Sequence[str]) -> set[str]:
    """Those of the paths at which only somebody else can have put something.

    Not so where an installed entry lies under another spelling, on a disk that ignores letter case, or where the path
    leads through a link.
    """
    ground, spelled = Ground(root), _by_fold(installed) if paths else {}
    return {path for path in paths if not (ground.barrier(path) or ground.is_alias(path, spelled.get(fold(path))))}


def _by_fold(manifest: Manifest) -> dict[str, str]:
    return {fold(path): path for path in manifest.paths}


def clear_ground(root: str, plan: Plan, installed: Manifest, *, replace: bool) -> list[tuple[str, bool]]:
    """What has to go before the plan's files can be put in place, as (path, whether it is a folder), in order.

    Raises `ForeignFiles`, unless `replace` lets single files go, `FolderElsewhere` and `PathUnusable`.
    """
    if plan.empty:
        return []
    survey = _Survey(root, installed)
    for row in [*plan.build.tolist(), *plan.moves, *plan.entries]:
        survey.look_at(plan.wanted.paths[row], plan.wanted.kinds[row] == Kind.FOLDER)
    for row in plan.modes:
        survey.look_above(plan.wanted.paths[row])
    for path, _ in plan.remove:
        survey.look_above(path, removes=True)
    if survey.in_folders or (survey.strangers and not replace):
        raise _foreign(root, survey.in_folders or list(survey.strangers), replaceable=not survey.in_folders)
    return survey.obstacles


class _Survey:
    """`strangers` may go with leave, `in_folders` never; `obstacles` are what has to go."""

    def __init__(self, root: str, installed: Manifest) -> None:
        self._root = root
        self._ground = Ground(root)
        self._ours = {
            path for path, kind in zip(installed.paths, installed.kinds.tolist(), strict=True) if kind != Kind.FOLDER
        }
        self._installed = installed
        self.obstacles: list[tuple[str, bool]] = []
        self.strangers: dict[str, None] = {}
        self.in_folders: list[str] = []

    @cached_property
    def _spelled(self) -> dict[str, str]:
        return _by_fold(self._installed)

    def look_at(self, path: str, is_folder: bool) -> None:
        """Looks at a place where an entry is to be put."""
        barrier = self._ground.barrier(path)
        if barrier and barrier not in self._ours:
            self._refuse_elsewhere(barrier)
            self._stranger(barrier)
        self._ground.check_writable(path)
        seen = self._ground.look(path)
        if barrier or seen is None:
            return
        if stat.S_ISDIR(seen.st_mode):
            if not is_folder:
                self._folder(path)
        elif path not in self._ours and not self._ground.is_alias(path, self._spelled.get(fold(path))):
            self._stranger(path, replaced=not is_folder)

    def look_above(self, path: str, *, removes: bool = False) -> None:
        """Looks at the way to an entry that is to be changed or removed."""
        if self._ground.look(path) is None:
            return
        self._refuse_elsewhere(self._ground.barrier(path))
        if removes:
            self._ground.check_writable(path)

    def _stranger(self, path: str, *, replaced: bool = False) -> None:
        """Notes a file that is not ours; one that is `replaced` goes by that."""
        if path not in self.strangers:
            self.strangers[path] = None
            if not replaced:
                self.obstacles.append((path, False))

    def _folder(self, path: str) -> None:
        """Looks at a folder where a file or a link is to be put."""
        self._refuse_elsewhere(path)
        for entry, is_folder in [*self._ground.below(path), (path, True)]:
            if is_folder:
                self.obstacles.append((entry, True))
            elif entry not in self._ours:
                self.in_folders.append(entry)

    def _refuse_elsewhere(self, path: str) -> None:
        if path and self._ground.leads_away(path):
            raise FolderElsewhere(f"the folder {path} does not lie here", where=os.path.join(self._root, path))


def _foreign(root: str, paths: list[str], *, replaceable: bool) -> ForeignFiles:
    count = "a file" if len(paths) == 1 else f"{len(paths)} files"
    return ForeignFiles(
        f"{count} that Lading did not install {'is' if len(paths) == 1 else 'are'} in the way, such as {paths[0]}",
        where=os.path.join(root, paths[0]),
        cause="" if replaceable else "The build has a file where somebody made a folder and put files into it.",
        next="" if replaceable else "Move them away; what lies in such a folder is never replaced.",
        data={"paths": paths[:100], "count": len(paths)},
    )


class ForeignFiles(Refused):
    """Files that are not part of the installation lie where the build has files of its own."""

    code = "foreign-files"
    default_cause = "Somebody else put files there; they differ from the build's."
    default_next = "Move them away, or let them be replaced with --replace."


class FolderElsewhere(LocalProblem):
    """A folder of the tree is a link, or the root of another file system: nothing is written through it."""

    code = "folder-elsewhere"
    default_cause = "Somebody moved the folder to another place and left a link, or mounted a disk there."
    default_next = "Bring the folder back, or move the whole installation and install into its new place."
