"""Attacks by the names of files: each signed by right, and each refused before the first byte is written."""

from __future__ import annotations

from typing import Any

from tests.attacks.trust.forged import manifest_payload, serve_manifest
from tests.attacks.trust.scene import Scene
from tests.attacks.trust.table import BUILD_KEYS, attack


def _each(*paths: str) -> dict[str, Any]:
    """Every path in a build of its own."""
    return {f"path_{number}": [path] for number, path in enumerate(paths)}


def _together(*trees: tuple[str, ...]) -> dict[str, Any]:
    """Every tuple of paths in one build."""
    return {f"tree_{number}": sorted(paths) for number, paths in enumerate(trees)}


def _serve(scene: Scene, paths: list[str]) -> None:
    serve_manifest(scene, manifest_payload(paths))
    scene.mend = scene.supersede


@attack(
    "A63",
    "paths that lead out, are absolute, or hold what no path holds",
    holds=BUILD_KEYS,
    answer="bad-manifest",
    **_each(
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
    ),
)
def out_of_the_tree(scene: Scene, paths: list[str]) -> None:
    _serve(scene, paths)


@attack(
    "A64",
    "dots and spaces that Windows drops",
    holds=BUILD_KEYS,
    answer="bad-manifest",
    **_each("data/.. /x", ".. ", "...", "data/.../x", "data/dot.", "data/space ", "data/x . .", "data/..\u200b/x"),
)
def dropped_ends(scene: Scene, paths: list[str]) -> None:
    _serve(scene, paths)


@attack(
    "A65",
    "names that are devices on Windows",
    holds=BUILD_KEYS,
    answer="bad-manifest",
    **_each("CON", "data/nul.txt", "aux .tar.gz", "com1", "COM¹.log", "lpt9/x", "CONIN$", "prn.", "n\u200bul"),
)
def devices(scene: Scene, paths: list[str]) -> None:
    _serve(scene, paths)


@attack(
    "A66",
    "streams behind a colon",
    holds=BUILD_KEYS,
    answer="bad-manifest",
    **_each("a:b", "data/x::$DATA", "bin/game:Zone.Identifier", "data:$INDEX_ALLOCATION/x"),
)
def streams(scene: Scene, paths: list[str]) -> None:
    _serve(scene, paths)


@attack(
    "A67",
    "the client's own folder, also by its short and its disguised names",
    holds=BUILD_KEYS,
    answer="bad-manifest",
    **_each(
        ".lading/install.json",
        ".LADING/journal",
        "LADING~1/journal",
        "lading~9/journal",
        "LA1F3C~1/journal",
        ".lad\u200bing/journal",
        ".lading",
    ),
)
def own_folder(scene: Scene, paths: list[str]) -> None:
    _serve(scene, paths)


@attack(
    "A68",
    "names that differ in case alone",
    holds=BUILD_KEYS,
    answer="bad-manifest",
    **_together(("Readme", "readme"), ("Data/a", "data/b"), ("a/B/c", "a/b")),
)
def cases(scene: Scene, paths: list[str]) -> None:
    _serve(scene, paths)


@attack(
    "A69",
    "names that differ in their Unicode form alone",
    holds=BUILD_KEYS,
    answer="bad-manifest",
    **_together(
        ("\u00e9", "e\u0301"),
        ("stra\u00dfe", "STRA\u1e9eE"),
        ("stra\u00dfe", "strasse"),
        ("k", "\u212a"),
        ("\u00c5", "\u212b"),
        ("\u03c3", "\u03c2"),
        ("a\u200db", "ab"),
        ("\ufb01", "fi"),
    ),
)
def unicode_forms(scene: Scene, paths: list[str]) -> None:
    _serve(scene, paths)


@attack(
    "A70",
    "an entry that is a file and a folder, or is there twice, or out of order",
    holds=BUILD_KEYS,
    answer="bad-manifest",
    file_and_folder=["a", "a/b"],
    deep_below_a_file=["a/b", "a/b/c/d"],
    twice=["a", "a"],
    out_of_order=["b", "a"],
)
def impossible_trees(scene: Scene, paths: list[str]) -> None:
    _serve(scene, paths)
