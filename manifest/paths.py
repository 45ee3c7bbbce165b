"""Portable paths: what a build may call its files, so that it means the same on every player's machine.

Publisher and client both ask here, before the first byte is written. Nothing here touches a disk: a path is judged by
its spelling alone, against the union of what Linux, macOS and Windows do with names. Paths are kept exactly as given;
only collisions are judged on a folded form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import dropwhile
from typing import TypeAlias
from unicodedata import normalize

from chunkstore.errors import Corrupt, Refused
from chunkstore.store import Buffer
from manifest.kinds import Kind

RESERVED_FOLDER = ".lading"
PART_LIMIT = 255  # bytes of UTF-8; so also UTF-16 units, which are never more
PATH_LIMIT = 1024  # bytes of UTF-8; PATH_MAX on macOS, the lowest of the three

Claim: TypeAlias = tuple[str, str, bool]
"""Who holds a folded name: the depot, the spelling, and whether it is a folder."""

# With an extension Windows opens the device all the same, and it drops the spaces before the dot.
_DEVICE = r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\ *(?:\.[^/]*)?"
# The three sets tell most names from devices before any word is tried: twice as fast, and every path comes by here.
_NO_DEVICE = rf"(?!(?=[CcPpAaNnLl][OoRrUuPp][NnXxLlMmTt])(?i:{_DEVICE})(?:/|\Z))"
_PLAIN_PART = rf"{_NO_DEVICE}[A-Za-z0-9_ .+,;=@#$%&'()!^`{{}}\[\]-]++(?<![ .])"
_PLAIN_PATH = re.compile(rf"(?!(?i:\.lading)(?:/|\Z)){_PLAIN_PART}(?:/{_PLAIN_PART})*+")

# What `.lading` is called on a volume with 8.3 names: counted, or hashed when several names begin alike.
_SHORT_RESERVED = re.compile(r"(?:lading|la[0-9a-f]{4})~[0-9]", re.IGNORECASE)
_SURROGATE = r"[\ud800-\udfff]"
_CONTROL = r"[\x00-\x1f\x7f-\x9f\u2028\u2029]"

Faults: TypeAlias = tuple[tuple[re.Pattern[str], str], ...]
_PATH_FAULTS: Faults = (
    (re.compile(r"\A\Z"), "is empty"),
    (re.compile(r"\A/"), "is absolute"),
    (re.compile(_SURROGATE), "is not valid UTF-8"),
)
_PART_FAULTS: Faults = (
    (re.compile(r"\A\.{0,2}\Z"), "names no file"),
    (re.compile(_CONTROL), "holds a control character"),
    (re.compile(r'[\\:<>"|?*]'), "holds a character that Windows does not allow in names"),
    (re.compile(r"[ .]\Z"), "ends in a character that Windows drops"),
    (re.compile(rf"\A{_DEVICE}\Z", re.IGNORECASE), "is a device on Windows"),
)
_TARGET_FAULTS: Faults = (
    (re.compile(r"\A\Z"), "is nowhere"),
    (re.compile(r"\A/"), "is an absolute path"),
    (re.compile(rf"{_SURROGATE}|{_CONTROL}|\\"), "is not a portable path"),
)
# Unicode's Default_Ignorable_Code_Point. HFS+ and case-folding ext4 leave these out when they compare names.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def check_path(path: str) -> str:
    """`path` itself if it is a portable relative path. Raises `BadPath`."""
    if len(path) <= PART_LIMIT and _PLAIN_PATH.fullmatch(path):
        return path  # nearly every path of nearly every game
    reason = _fault_of_path(path)
    if reason:
        raise BadPath(f"{path!r:.300} {reason}", data={"path": printable(path)})
    return path


def check_link(path: str, target: str) -> str:
    """`target` itself if the link at `path` may point there: at something inside the tree. Raises `BadPath`.

    `..` may stand only in front. Behind a name it would start from wherever that name leads, and two links that are
    harmless one by one could lead out of the tree together.
    """
    reason = _fault_of_target(path, target)
    if reason:
        raise BadPath(
            f"the link {path!r:.300} points to {target!r:.300}, which {reason}",
            next="Point the link at a file or folder of the same build, by a relative path, or leave it out.",
            data={"path": printable(path), "target": printable(target)},
        )
    return target


def check_tree(paths: Sequence[str], kinds: Sequence[int] | Buffer) -> None:
    """Refuse a tree that some machine could not hold.

    Each path is portable, they ascend strictly by their UTF-8 bytes (which is the order of Python's strings), no two
    become one when letter case and Unicode form are ignored, none lies inside a file or a link, and a recorded folder
    is empty. Raises `BadPath`, `PathCollision` or `PathsUnordered`.
    """
    _claim_tree({}, "", paths, kinds)


def check_union(trees: Sequence[tuple[str, Sequence[str], Sequence[int] | Buffer]]) -> None:
    """Refuse depots, given as (name, paths, kinds), that cannot be installed together: `PathCollision` names both.

    A folder may be in several of them; everything else belongs to one.
    """
    claims: dict[str, Claim] = {}
    for depot, paths, kinds in trees:
        _claim_tree(claims, depot, paths, kinds)


def fold(path: str) -> str:
    """What `path` becomes where letter case, Unicode form and invisible characters are ignored.

    Unicode's canonical caseless match, which is at least as coarse as the tables of NTFS, APFS, HFS+ and ext4. Not the
    compatibility forms (NFKC): no file system takes `①` for `1`, and a game may well ship both.
    """
    if path.isascii():
        return path.lower()
    return normalize("NFC", normalize("NFD", _IGNORABLE.sub("", path)).casefold())


def printable(path: str) -> str:
    """`path` as it can be written to a terminal, to JSON and into an error: undecodable bytes become `\\udcNN`."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def _claim_tree(claims: dict[str, Claim], depot: str, paths: Sequence[str], kinds: Sequence[int] | Buffer) -> None:
    entered = {""}
    previous = ""
    for path, kind in zip(paths, kinds, strict=True):
        check_path(path)
        if path < previous:
            raise PathsUnordered(f"{path!r:.300} comes after {previous!r:.300}", data={"paths": [previous, path]})
        previous = path
        parent = path.rpartition("/")[0]
        if parent not in entered:
            for folder in _with_ancestors(parent):
                if folder not in entered:
                    entered.add(folder)
                    _claim(claims, (depot, folder, True), path)
        _claim(claims, (depot, path, kind == Kind.FOLDER), path)


def _claim(claims: dict[str, Claim], claim: Claim, path: str) -> None:
    """Enter what `path` needs under its folded name, unless somebody else holds that."""
    holder = claims.setdefault(fold(claim[1]), claim)
    if holder is claim:
        return
    depot, spelling, is_folder = claim
    shared_folder = is_folder and holder[2] and spelling == holder[1] and depot != holder[0]
    if not shared_folder:
        raise _collision(holder, claim, path)


def _with_ancestors(folder: str) -> Iterator[str]:
    """`a`, `a/b`, `a/b/c` for `a/b/c`."""
    end = folder.find("/")
    while end >= 0:
        yield folder[:end]
        end = folder.find("/", end + 1)
    yield folder


def _fault_of_path(path: str) -> str:
    if fault := _first_fault(_PATH_FAULTS, path):
        return fault
    if len(path.encode()) > PATH_LIMIT:
        return f"is longer than {PATH_LIMIT} bytes"
    parts = path.split("/")
    if _is_reserved(parts[0]):
        return f"lies in {RESERVED_FOLDER}, or in what some systems take for it; that folder belongs to the client"
    return next(filter(None, map(_fault_of_part, parts)), "")


def _fault_of_part(part: str) -> str:
    if fault := _first_fault(_PART_FAULTS, _IGNORABLE.sub("", part)):
        return f"has the part {part!r}, which {fault}"
    if len(part.encode()) > PART_LIMIT:
        return f"has a part longer than {PART_LIMIT} bytes"
    return ""


def _fault_of_target(path: str, target: str) -> str:
    if fault := _first_fault(_TARGET_FAULTS, target):
        return fault
    if len(target.encode()) > PATH_LIMIT:
        return f"is longer than {PATH_LIMIT} bytes"
    steps = [step for step in target.split("/") if step not in ("", ".")]
    names = list(dropwhile("..".__eq__, steps))
    if ".." in names:
        return "has a '..' behind a name"
    if len(steps) - len(names) > path.count("/"):
        return "lies outside the build"
    # At any depth: the names before it may be links that lead back to the root.
    return f"lies in {RESERVED_FOLDER}" if any(map(_is_reserved, names)) else ""


def _first_fault(faults: Faults, text: str) -> str:
    return next((why for pattern, why in faults if pattern.search(text)), "")


def _is_reserved(part: str) -> bool:
    return fold(part) == RESERVED_FOLDER or _SHORT_RESERVED.fullmatch(part) is not None


def _collision(holder: Claim, claim: Claim, path: str) -> PathCollision:
    """Say in words how two claims to one folded name exclude each other; `path` is the entry that needs the second."""
    (held_by, held, held_is_folder), (depot, wanted, _) = holder, claim
    if held != wanted:
        what = f"{held!r} and {wanted!r} are one name where letter case and Unicode form are ignored"
    elif wanted != path:
        what = f"{held!r} is an entry of its own, but {path!r} lies in it"
    elif held_is_folder:
        what = f"{wanted!r} is a folder, and something else as well"
    else:
        what = f"{wanted!r} is there twice"
    between = f", in the depots {held_by!r} and {depot!r}" if held_by != depot else ""
    paths = list(dict.fromkeys((held, path)))
    return PathCollision(what + between, data={"paths": paths, "depots": sorted({held_by, depot} - {""})})


class BadPath(Refused):
    """A path does not mean the same on Linux, macOS and Windows, or leads out of the game's folder."""

    code = "bad-path"
    default_cause = "A build must be installable on every system, and only inside its own folder."
    default_next = "Rename the file, or leave it out by a line in .ladingignore."


class PathCollision(Refused):
    """Two entries want the same place on some machine."""

    code = "path-collision"
    default_cause = "Some systems take names for equal that differ in letter case or in the form of an accent."
    default_next = "Rename one of them, or leave it out by a line in .ladingignore."


class PathsUnordered(Corrupt):
    """The paths of a tree are not in canonical order."""

    code = "paths-unordered"
    default_cause = "Whatever wrote this manifest does not follow the format."
    default_next = "Publish the build again with a current version of Lading."
