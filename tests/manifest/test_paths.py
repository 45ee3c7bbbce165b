"""Portable paths: the attacks on paths that a build could carry, and the laws of what is accepted."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.errors import LadingError
from manifest.kinds import Kind
from manifest.paths import (
    BadPath,
    PathCollision,
    PathsUnordered,
    check_link,
    check_path,
    check_tree,
    check_union,
    fold,
)

ACCEPTED = [
    "a",
    "game.exe",
    "bin/game",
    ".hidden/.config",
    "a..b",
    "...a",
    "with space/a b.txt",
    "data/.lading",
    ".lading-notes",
    ".ladin",
    "lading",
    "lading~",
    "Icônes/été.png",
    normalize("NFD", "Icônes/été.png"),
    "ゲーム/データ.pak",
    "👩\u200d🚀.png",
    "con-man/aux_in/nullable/com10/lpt",
    "conan.dat",
    "console/COM",
    "icon",
    "a~1.txt",
    "!#$%&'()+,;=@[]^`{}~-_.x",
    "x" * 255,
    "/".join(["d" * 100] * 10),
]

REFUSED = {
    "empty": "",
    "absolute": "/etc/passwd",
    "absolute-unc": "//server/share",
    "dot": ".",
    "dot-dot": "..",
    "escape": "../a",
    "escape-inside": "a/../../b",
    "dot-inside": "a/./b",
    "empty-part": "a//b",
    "trailing-slash": "a/",
    "backslash": "a\\b",
    "backslash-escape": "..\\..\\a",
    "verbatim": "\\\\?\\C:\\a",
    "drive": "C:/a",
    "drive-relative": "c:a",
    "stream": "save.dat:hidden",
    "reserved-by-stream": ".lading::$INDEX_ALLOCATION/state",
    "nul-character": "a\0b",
    "newline": "a\nb",
    "newline-at-the-end": "a\n",
    "delete-character": "a\x7f",
    "c1-control": "a\x85b",
    "line-separator": "a\u2028b",
    "wildcard": "a*",
    "question": "q?",
    "less": "<a",
    "greater": "a>b",
    "quote": '"a"',
    "pipe": "a|b",
    "trailing-dot": "a.",
    "trailing-space": "a ",
    "trailing-dot-of-folder": "a./b",
    "dots-that-windows-strips": ".. /a",
    "three-dots": ".../a",
    "invisible": "a/\u200b",
    "invisible-dot-dot": ".\u200c./a",
    "undecodable": "a\udcff",
    "reserved": ".lading",
    "reserved-inside": ".lading/state",
    "reserved-upper-case": ".LADING/state",
    "reserved-invisible": ".lad\u200cing/state",
    "reserved-mark": "\ufeff.lading/state",
    "reserved-short": "LADING~1/state",
    "reserved-short-hashed": "la3f0C~1/state",
    "long-part": "x" * 256,
    "long-part-in-bytes": "é" * 128,
    "long-path": "/".join(["d" * 100] * 11),
}

DEVICES = ["CON", "PRN", "AUX", "NUL", "COM0", "COM9", "LPT1", "COM¹", "com²", "lpt³", "CONIN$", "conout$"]
DEVICE_FORMS = ["{}", "{}.txt", "{}.tar.gz", "{} .txt", "data/{}", "{}/a", "{} . x/a", "data/{}\u200b.txt"]


@pytest.mark.parametrize("path", ACCEPTED)
def test_portable_paths_are_kept_as_given(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize("path", REFUSED.values(), ids=REFUSED.keys())
def test_other_paths_are_refused_by_name(path: str) -> None:
    with pytest.raises(BadPath) as caught:
        check_path(path)
    _assert_named(caught.value, "bad-path")
    assert caught.value.data["path"].encode() == path.encode("utf-8", "backslashreplace")


@pytest.mark.parametrize("form", DEVICE_FORMS)
@pytest.mark.parametrize("device", DEVICES)
def test_devices_of_windows_are_refused(device: str, form: str) -> None:
    for name in (device, device.lower(), device.title()):
        with pytest.raises(BadPath):
            check_path(form.format(name))


@pytest.mark.parametrize("path", ["a", "a/b/c.txt", "é/b"])
def test_the_limits_count_bytes(path: str) -> None:
    room = 255 - len(path.rpartition("/")[2].encode())
    assert check_path(path + "x" * room)
    with pytest.raises(BadPath):
        check_path(path + "x" * (room + 1))


COLLISIONS = {
    "case": ("Readme", "readme"),
    "case-of-a-folder": ("A/x", "a/y"),
    "case-of-a-folder-deep": ("d/Sub/x/1", "d/sub/y/2"),
    "case-of-folder-and-file": ("A/x", "a"),
    "normalisation": (normalize("NFC", "é"), normalize("NFD", "é")),
    "sharp-s": ("straße", "strasse"),
    "capital-sharp-s": ("ß", "ẞ"),
    "kelvin": ("K", "\u212a"),
    "final-sigma": ("\u03c2", "\u03c3"),
    "ypogegrammeni": ("\u1fb3", "\u03b1\u03b9"),
    "marks-in-another-order": ("\u1fb4", "\u03b1\u0345\u0301"),
    "invisible": ("ab", "a\u200bb"),
}


@pytest.mark.parametrize(("first", "second"), COLLISIONS.values(), ids=COLLISIONS.keys())
def test_names_that_meet_on_some_system_collide(first: str, second: str) -> None:
    with pytest.raises(PathCollision) as caught:
        check_tree(sorted([first, second]), bytes(2))
    _assert_named(caught.value, "path-collision")
    assert len(caught.value.data["paths"]) == 2
    with pytest.raises(PathCollision):
        check_union([("one", [first], bytes(1)), ("two", [second], bytes(1))])


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("between", [[], ["a-b"]], ids=["adjacent", "apart"])
def test_nothing_lies_in_a_file_a_link_or_an_empty_folder(kind: Kind, between: list[str]) -> None:
    paths = ["a", *between, "a/b"]
    with pytest.raises(PathCollision) as caught:
        check_tree(paths, bytes([kind, *bytes(len(between)), Kind.FILE]))
    assert caught.value.data["paths"] == ["a", "a/b"]


def test_compatibility_forms_stay_apart() -> None:
    check_tree(sorted(["1", "①", "\u00b2", "2"]), bytes(4))


def test_the_order_of_a_tree_is_that_of_utf8_bytes() -> None:
    paths = sorted(["a-b", "a/b", "a0", "é", "\uffee", "🎮", "B"], key=str.encode)
    check_tree(paths, bytes(len(paths)))
    with pytest.raises(PathsUnordered) as caught:
        check_tree([*paths[1:], paths[0]], bytes(len(paths)))
    assert caught.value.data["paths"] == [paths[-1], paths[0]]
    with pytest.raises(PathCollision, match="twice"):
        check_tree(["a", "a"], bytes(2))


def test_a_tree_checks_each_path() -> None:
    with pytest.raises(BadPath):
        check_tree(["a", "b/../c"], bytes(2))
    with pytest.raises(ValueError, match="shorter"):
        check_tree(["a", "b"], bytes(1))


def test_depots_may_share_folders_only() -> None:
    check_union(
        [
            ("main", ["bin/game", "saves"], bytes([Kind.FILE, Kind.FOLDER])),
            ("german", ["bin/de/a", "saves"], bytes([Kind.FILE, Kind.FOLDER])),
            ("extras", ["saves/demo"], bytes([Kind.FILE])),
        ]
    )


@pytest.mark.parametrize(
    ("main", "dlc", "what"),
    [
        ((["bin/a"], [Kind.FILE]), (["bin/a"], [Kind.FILE]), "twice"),
        ((["bin/a"], [Kind.LINK]), (["bin/a"], [Kind.LINK]), "twice"),
        ((["bin/a"], [Kind.FILE]), (["Bin/b"], [Kind.FILE]), "letter case"),
        ((["bin"], [Kind.FOLDER]), (["Bin"], [Kind.FOLDER]), "letter case"),
        ((["bin"], [Kind.FILE]), (["bin/a"], [Kind.FILE]), "lies in it"),
        ((["bin/a"], [Kind.FILE]), (["bin"], [Kind.LINK]), "is a folder"),
        ((["bin"], [Kind.FOLDER]), (["bin"], [Kind.FILE]), "is a folder"),
    ],
)
def test_depots_that_exclude_each_other_are_both_named(
    main: tuple[list[str], list[int]], dlc: tuple[list[str], list[int]], what: str
) -> None:
    with pytest.raises(PathCollision, match=what) as caught:
        check_union([("other", ["z"], bytes(1)), ("main", *main), ("dlc", *dlc)])
    assert caught.value.data["depots"] == ["dlc", "main"]
    assert "'main'" in caught.value.message
    assert "'dlc'" in caught.value.message


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("lib/a.so", "a.so.1"),
        ("lib/a.so", "./v1//a"),
        ("Versions/Current", "A/"),
        ("a/b/c", "../../d"),
        ("a/b/c", "../.."),
        ("a", "missing"),
    ],
)
def test_links_inside_the_tree_are_accepted(path: str, target: str) -> None:
    assert check_link(path, target) == target


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", ""),
        ("a", "/etc/passwd"),
        ("a", ".."),
        ("a/b", "../../c"),
        ("a/b", "./../.././c"),
        ("a/b", "..//../c"),
        ("a", "b\\c"),
        ("a", "b\0c"),
        ("a", "b\udcff"),
        ("a", "x" * 1025),
        ("a", ".lading/state"),
        ("a/b", "../.LADING"),
        ("a", "LADING~1"),
        ("a", "link-to-root/.lading/state"),
        # `p/up` may itself be a link to the root: then this leads out although it counts as inside
        ("b", "p/up/.."),
    ],
)
def test_links_that_may_leave_the_tree_are_refused(path: str, target: str) -> None:
    with pytest.raises(BadPath) as caught:
        check_link(path, target)
    _assert_named(caught.value, "bad-path")
    assert caught.value.data["path"] == path


# A mix that is likely to make every rule bite, and plain text
tricky = st.sampled_from(
    [*"aAbB.~ -/éÉ:\\1K\u212a\u0301\u200b\x00", "e\u0301", "ß", "ẞ", "ss", "con", "NUL", ".lading", ".."]
)
texts = st.lists(tricky, max_size=10).map("".join) | st.text(max_size=20)


@given(texts)
def test_an_accepted_path_is_the_same_relative_path_everywhere(path: str) -> None:
    try:
        check_path(path)
    except BadPath:
        return
    parts = tuple(path.split("/"))
    for flavour in (PurePosixPath, PureWindowsPath):
        pure = flavour(path)
        assert pure.parts == parts
        assert not pure.is_absolute()
        assert not pure.anchor
        root = flavour("C:/games/frost")
        assert (root / pure).parts == root.parts + parts
        assert pure.as_posix() == path
    for part in parts:
        assert part.rstrip(". ") == part
        assert part.strip("\u200b") not in ("", ".", "..")
    assert path.encode().decode() == path


@given(st.lists(texts, max_size=8))
def test_names_of_an_accepted_tree_never_meet(paths: list[str]) -> None:
    tree = sorted(set(paths))
    try:
        check_tree(tree, bytes(len(tree)))
    except LadingError:
        return
    names = set(tree)
    for path in tree:
        parts = path.split("/")
        names.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    for form in ("NFC", "NFD"):
        for case in (str.casefold, str.lower, lambda name: normalize("NFC", name).casefold()):
            assert len({normalize(form, case(name)) for name in names}) == len(names)


@given(texts)
def test_folding_is_settled_after_one_step_and_blind_to_form(path: str) -> None:
    assert fold(fold(path)) == fold(path)
    assert fold(normalize("NFD", path)) == fold(normalize("NFC", path)) == fold(path)
    assert fold(path.casefold()) == fold(path)


def _assert_named(error: LadingError, code: str) -> None:
    assert error.code == code
    assert error.cause
    assert error.next
    assert str(error).isprintable()
