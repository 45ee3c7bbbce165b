"""Every object of a store spoilt in every way: a named error or a way round it, and nothing half applied.

After each failure the tree is what it was, and with the object put right the same command succeeds.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.attacks.objects import BUNDLED, keys_of, spoil
from tests.attacks.refusal import check_refusal
from tests.kit.command import lading
from tests.kit.published import GAME, Published
from tests.kit.trees import assert_same_tree

_METADATA = {
    "truncated": "bad-metadata",
    "empty": "bad-metadata",
    "flipped": "bad-metadata",
    "oversized": "object-too-large",
    "web page": "host-misconfigured",
}
_ANYTHING = dict.fromkeys([*_METADATA, "missing"])
_CONTAINER = {
    "truncated": "bad-compression",
    "empty": "bad-compression",
    "flipped": "bad-compression",
    "oversized": "object-too-large",
    "web page": "bad-compression",
    "bomb": "bad-compression",
    "silent bomb": "bad-compression",
    "missing": "object-missing",
}
# What installing the third build says; None: it does not need the object, or does not mind. Packs are read by several
# threads: which of two errors is met first is chance.
INSTALL: dict[str, dict[str, str | None]] = {
    "store document": _ANYTHING,
    "timestamp": {**_METADATA, "missing": "pointer-lost"},
    "root": {**_METADATA, "missing": "metadata-missing"},
    "bundle": _ANYTHING,
    **{role: {**_METADATA, "missing": "metadata-missing"} for role in BUNDLED},
    "head": {
        "truncated": "bad-head",
        "empty": "bad-head",
        "flipped": "bad-head",
        "oversized": "object-too-large",
        "web page": "bad-head",
        "missing": "object-missing",
        "swapped": "bad-payload",
    },
    "manifest": {**_CONTAINER, "swapped": "bad-compression"},
    "placement": {**_CONTAINER, "swapped": "wrong-payload"},
    "packs": {
        "truncated": "object-truncated",
        "empty": "object-truncated",
        "flipped": "bad-chunk bad-compression",
        "oversized": None,
        "missing": "object-missing",
        "swapped": "bad-chunk bad-compression object-truncated",
        "frame bomb": "bad-chunk bad-compression",
    },
}
# An update has the old manifest and the diff to it: it needs neither the new one nor the placement of everything.
UPDATE: dict[str, dict[str, str | None]] = {
    "store document": _ANYTHING,
    "timestamp": INSTALL["timestamp"],
    "root": _ANYTHING,
    "bundle": _ANYTHING,
    **{role: dict.fromkeys(_METADATA) for role in BUNDLED},
    "head": INSTALL["head"],
    "manifest": {"flipped": None, "missing": None},
    "placement": {"flipped": None, "missing": None},
    "diff": dict.fromkeys([*_CONTAINER, "swapped"]),
    "packs": {damage: code for damage, code in INSTALL["packs"].items() if damage != "oversized"},
}


def cases(table: dict[str, dict[str, str | None]]) -> list[tuple[str, str, str | None]]:
    return [(kind, damage, code) for kind, row in table.items() for damage, code in row.items()]


@pytest.mark.parametrize(("kind", "damage", "code"), cases(INSTALL))
def test_install(
    published: Published, three_builds: Published, tmp_path: Path, kind: str, damage: str, code: str | None
) -> None:
    target, store = tmp_path / "game", published.store
    spoil(store, keys_of(store, 3, 1), keys_of(store, 2, 1), kind, damage)
    words = ["install", GAME, "--into", str(target), "--store", str(store), "--json"]
    done = lading(*words)
    if code is not None:
        check_refusal(done, code)
        assert {path.name for path in target.glob("*")} <= {".lading"}
        copy_again(three_builds.store, store)
        assert lading(*words).exit == 0
    assert_same_tree(target, published.source(3))


@pytest.mark.parametrize(("kind", "damage", "code"), cases(UPDATE))
def test_update(
    published: Published, three_builds: Published, tmp_path: Path, kind: str, damage: str, code: str | None
) -> None:
    target, store = tmp_path / "game", published.store
    assert lading("install", GAME, "--into", str(target), "--store", str(store), "--build", "1").exit == 0
    spoil(store, keys_of(store, 3, 1), keys_of(store, 2, 1), kind, damage)
    done = lading("update", str(target), "--json")
    if code is not None:
        check_refusal(done, code)
        assert_same_tree(target, published.source(1))
        assert lading("verify", str(target), "--full").exit == 0
        copy_again(three_builds.store, store)
        assert lading("update", str(target)).exit == 0
    assert_same_tree(target, published.source(3))


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        (kind, damage)
        for kind, damages in {
            "head": ("flipped", "missing", "swapped"),
            "manifest": ("flipped", "missing", "swapped"),
            "placement": ("flipped", "missing", "swapped"),
            "packs": ("truncated", "missing"),
        }.items()
        for damage in damages
    ],
)
def test_publishing_again_mends_the_store(published: Published, tmp_path: Path, kind: str, damage: str) -> None:
    """The build stays the one that it was. Of packs only what their names or sizes give away is noticed."""
    target, store = tmp_path / "game", published.store
    spoil(store, keys_of(store, 3, 1), keys_of(store, 2, 1), kind, damage)
    words = ["publish", str(published.source(3)), GAME, "--store", str(store), "--version", "3.0", "--rescan", "--json"]
    done = lading(*words)
    assert (done.exit, done.document["result"]["build"], done.document["result"]["created"]) == (0, 3, False)
    assert lading("install", GAME, "--into", str(target), "--store", str(store)).exit == 0
    assert_same_tree(target, published.source(3))


def copy_again(good: Path, spoilt: Path) -> None:
    """Put everything right."""
    shutil.rmtree(spoilt)
    shutil.copytree(good, spoilt)
