"""What lies in a source folder: one walk, one stat an entry, and the answer as columns in the order of a manifest.

Opens no file. Everything that cannot be part of a build is refused here by name, before a byte is read: names that are
not portable, devices, links that lead outside. Ignored folders are not entered.
"""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass
from pathlib import Path
from stat import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISDIR, S_IXUSR
from typing import TypeAlias

from chunkstore.errors import NotFound, Refused
from chunkstore.store import PathUnusable
from manifest.kinds import Kind
from manifest.paths import RESERVED_FOLDER, check_link, check_tree, printable
from publisher.patterns import Patterns
from publisher.settings import CONFIG_FILE, EXECUTABLE_TAG, IGNORE_FILE, DepotConfig, Placed

NEVER_PUBLISHED = frozenset({RESERVED_FOLDER, CONFIG_FILE, IGNORE_FILE})
"""Names at the root of a source folder that are about the game, not of it."""

_KINDS = {S_IFREG: Kind.FILE, S_IFDIR: Kind.FOLDER, S_IFLNK: Kind.LINK}
# Windows makes the bit up from the extension: two machines would publish two manifests of one folder.
_EXECUTABLE_BIT = S_IXUSR if os.name == "posix" else 0
_LATEST = 2**63 - 1  # the year 2262; what claims to be later is as good as that


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """The files, links and empty folders of one depot; a row each, ascending by path.

    `paths` are those in the build, `sources` what to open for them. `executable` has a byte of 0 or 1 a row, `inodes`
    has 0 where the system tells none, `targets` maps the row of each link to where it points.
    """

    paths: list[str]
    sources: list[str]
    kinds: bytes
    executable: bytes
    sizes: array[int]
    mtime_ns: array[int]
    ctime_ns: array[int]
    inodes: array[int]
    targets: dict[int, str]


def scan(root: Path, depot: DepotConfig) -> Scan:
    """The part of `root` that makes up `depot`, whose platform (None is any) decides whether links may be in it.

    Raises `SourceMissing`, `UnsuitableSource`, `PathUnusable`, and what `check_tree` and `check_link` raise.
    """
    walk = _Walk(os.fspath(root), depot)
    for mapping in depot.mappings:
        walk.take(mapping)
    found = walk.in_order()
    check_tree(found.paths, found.kinds)
    links = [row for row, kind in enumerate(found.kinds) if kind == Kind.LINK]
    if links and depot.platform == "windows":
        raise UnsuitableSource("a link cannot be part of a depot for Windows", where=printable(found.sources[links[0]]))
    for row in links:
        target = _read_link(found.sources[row])
        found.targets[row] = check_link(found.paths[row], target)
        found.sizes[row] = len(target.encode())
    return found


_Folder: TypeAlias = tuple[str, str, str, os.stat_result]
"""A folder to enter: where it is, its prefix inside the source and in the build, and its own stat."""


class _Walk:
    """One scan in progress: columns in the order in which the system lists a folder."""

    def __init__(self, root: str, depot: DepotConfig) -> None:
        self._root = root
        self._ignore = Patterns(depot.ignore)
        self._made_executable = Patterns(rule.pattern for rule in depot.tags if rule.tag == EXECUTABLE_TAG)
        self._empty: dict[str, tuple[str, os.stat_result]] = {}
        self._filled = {""}
        self._paths: list[str] = []
        self._sources: list[str] = []
        self._kinds = bytearray()
        self._executable = bytearray()
        self._sizes = array("Q")
        self._mtime_ns = array("q")
        self._ctime_ns = array("q")
        self._inodes = array("Q")

    def take(self, mapping: Placed) -> None:
        """Walk one folder of the source; no recursion, so depth costs no stack."""
        top = os.path.join(self._root, mapping.source) if mapping.source else self._root
        parts = mapping.target.split("/")
        self._filled.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
        pending: list[_Folder] = [(top, _prefix(mapping.source), _prefix(mapping.target), _stat_of_folder(top))]
        while pending:
            pending += self._enter(*pending.pop())

    def in_order(self) -> Scan:
        """What was found, with a row for each folder in which no mapping found anything."""
        for path, (source, stat) in self._empty.items():
            if path not in self._filled:
                self._add(path, source, Kind.FOLDER, stat)
        order = sorted(range(len(self._paths)), key=self._paths.__getitem__)
        return Scan(
            paths=[self._paths[row] for row in order],
            sources=[self._sources[row] for row in order],
            kinds=bytes(map(self._kinds.__getitem__, order)),
            executable=bytes(map(self._executable.__getitem__, order)),
            sizes=_reordered(self._sizes, order),
            mtime_ns=_reordered(self._mtime_ns, order),
            ctime_ns=_reordered(self._ctime_ns, order),
            inodes=_reordered(self._inodes, order),
            targets={},
        )

    def _enter(self, folder: str, inside: str, prefix: str, own: os.stat_result) -> list[_Folder]:
        """Record what lies in one folder, `inside` the source and `prefix` in the build; the folders in it."""
        below: list[_Folder] = []
        found = len(self._paths)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    stat = entry.stat(follow_symlinks=False)
                    kind = _KINDS.get(S_IFMT(stat.st_mode))
                    name = entry.name
                    if self._is_left_out(inside + name, prefix + name, kind):
                        continue
                    if kind is None:
                        raise UnsuitableSource("neither a file, a folder nor a link", where=printable(entry.path))
                    if kind is Kind.FOLDER:
                        below.append((entry.path, f"{inside}{name}/", f"{prefix}{name}/", stat))
                    else:
                        self._add(prefix + name, entry.path, kind, stat)
        except OSError as error:
            raise _unusable(error, folder) from error
        if below or len(self._paths) > found:
            self._filled.add(prefix[:-1])
        else:
            self._empty[prefix[:-1]] = (folder, own)
        return below

    def _is_left_out(self, source: str, path: str, kind: Kind | None) -> bool:
        if source in NEVER_PUBLISHED or path == RESERVED_FOLDER:
            return True
        return self._ignore.match(source, folder=kind is Kind.FOLDER)

    def _add(self, path: str, source: str, kind: Kind, stat: os.stat_result) -> None:
        self._paths.append(path)
        self._sources.append(source)
        self._kinds.append(kind)
        runs = stat.st_mode & _EXECUTABLE_BIT != 0 or self._made_executable.match(path)
        self._executable.append(runs and kind is Kind.FILE)
        self._sizes.append(stat.st_size if kind is Kind.FILE else 0)
        self._mtime_ns.append(_stamp(stat.st_mtime_ns))
        self._ctime_ns.append(_stamp(stat.st_ctime_ns))
        self._inodes.append(stat.st_ino & 0xFFFF_FFFF_FFFF_FFFF)  # ReFS has 128 bits


def _prefix(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _reordered(column: array[int], order: list[int]) -> array[int]:
    return array(column.typecode, map(column.__getitem__, order))


def _stamp(ns: int) -> int:
    return ns if -_LATEST < ns < _LATEST else _LATEST


def _stat_of_folder(folder: str) -> os.stat_result:
    try:
        stat = os.stat(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceMissing("there is no such folder", where=printable(folder)) from error
    except OSError as error:
        raise _unusable(error, folder) from error
    if not S_ISDIR(stat.st_mode):
        raise UnsuitableSource("only a folder can be published", where=printable(folder), next="Name the folder.")
    return stat


def _read_link(source: str) -> str:
    try:
        return os.readlink(source).replace(os.sep, "/")
    except OSError as error:
        raise _unusable(error, source) from error


def _unusable(error: OSError, path: str) -> PathUnusable:
    where = printable(os.fsdecode(error.filename or path))
    return PathUnusable(f"the source cannot be read: {error.strerror}", where=where)


class SourceMissing(NotFound):
    """The folder to publish, or one that is mapped into the build, is not there."""

    code = "source-missing"
    default_cause = "The path is misspelt, or the build that makes the folder has not run."
    default_next = "Check the path; a mapping in lading.toml is relative to the folder that holds the file."


class UnsuitableSource(Refused):
    """Something in the source folder cannot be part of a build."""

    code = "source-unsuitable"
    default_cause = "A build holds files, folders and, but for Windows, links; no sockets, pipes or devices."
    default_next = "Remove it, or leave it out by a line in .ladingignore."
