"""Attacks by the names of files: each signed by right, and each refused before the first byte is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.attacks.trust.forged import manifest_payload, serve_manifest
from tests.attacks.trust.scene import Scene
from tests.attacks.trust.table import BUILD_KEYS, attack


def _each(scene: Scene, *paths: str) -> Iterator[None]:
    """Every path in a build of its own, one build after another."""
    return _together(scene, *([path] for path in paths))


def _together(scene: Scene, *trees: Sequence[str]) -> Iterator[None]:
    """All paths of each tree in one build, one build after another."""
    for paths in trees:
        serve_manifest(scene, manifest_payload(paths))
        yield


@attack(
    "A63",
    "paths that lead out, are absolute, or hold what no path holds",
    holds=BUILD_KEYS,
    answer="bad-manifest",
)
def out_of_the_tree(scene: Scene) -> Iterator[None]:
    return _each(
        scene,
        "../outside",
        "data/../../outside",
        "/outside",
        "//outside",
        "C:\\outside",
        "C:outside",
        "\\\\?\\C:\\outside",
        "\\\\host\\share",
        "data\\..\\..\\outside",
        "data/nul\0byte",
        "data//twice",
        "data/",
        "./here",
        "data/./here",
        ".",
        "..",
        "",
        "data/\x1b[2J",
        "a" * 256,
        "a/" * 600 + "a",
    )


@attack(
    "A64",
    "dots and spaces that Windows drops",
    holds=BUILD_KEYS,
    answer="bad-manifest",
)
def dropped_ends(scene: Scene) -> Iterator[None]:
    return _each(
        scene, "data/.. /x", ".. ", "...", "data/.../x", "data/dot.", "data/space ", "data/x . .", "data/..\u200b/x"
    )


@attack(
    "A65",
    "names that are devices on Windows",
    holds=BUILD_KEYS,
    answer="bad-manifest",
)
def devices(scene: Scene) -> Iterator[None]:
    return _each(
        scene, "CON", "data/nul.txt", "aux .tar.gz", "com1", "COM¹.log", "lpt9/x", "CONIN$", "prn.", "n\u200bul"
    )


@attack(
    "A66",
    "streams behind a colon",
    holds=BUILD_KEYS,
    answer="bad-manifest",
)
def streams(scene: Scene) -> Iterator[None]:
    return _each(scene, "a:b", "data/x::$DATA", "bin/game:Zone.Identifier", "data:$INDEX_ALLOCATION/x")


@attack(
    "A67",
    "the client's own folder, also by its short and its disguised names",
    holds=BUILD_KEYS,
    answer="bad-manifest",
)
def own_folder(scene: Scene) -> Iterator[None]:
    return _each(
        scene,
        ".lading/install.json",
        ".LADING/journal",
        "LADING~1/journal",
        "lading~9/journal",
        "LA1F3C~1/journal",
        ".lad\u200bing/journal",
        ".lading",
    )


@attack(
    "A68",
    "names that differ in case alone",
    holds=BUILD_KEYS,
    answer="bad-manifest",
)
def cases(scene: Scene) -> Iterator[None]:
    return _together(scene, ("Readme", "readme"), ("Data/a", "data/b"), ("a/B/c", "a/b"))


@attack(
    "A69",
    "names that differ in their Unicode form alone",
    holds=BUILD_KEYS,
    answer="bad-manifest",
)
def unicode_forms(scene: Scene) -> Iterator[None]:
    return _together(
        scene,
        ("\u00e9", "e\u0301"),
        ("stra\u00dfe", "STRA\u1e9eE"),
        ("stra\u00dfe", "strasse"),
        ("k", "\u212a"),
        ("\u00c5", "\u212b"),
        ("\u03c3", "\u03c2"),
        ("a\u200db", "ab"),
        ("\ufb01", "fi"),
    )


@attack(
    "A70",
    "an entry that is a file and a folder, or is there twice, or out of order",
    holds=BUILD_KEYS,
    answer="bad-manifest",
)
def impossible_trees(scene: Scene) -> Iterator[None]:
    return _together(scene, ["a", "a/b"], ["a/b", "a/b/c/d"], ["a", "a"], ["b", "a"])
