"""Manifests that nobody's publisher would write: what they ask for is refused before the first byte is written.

Each is well formed in its bytes and properly named by the game's documents; only what it says is hostile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chunkstore.columns import ids_column
from chunkstore.cutting import DEFAULT
from chunkstore.ids import digest_of
from chunkstore.stores.folder import FolderStore
from manifest.documents import Build, DepotRef
from manifest.kinds import Kind
from manifest.model import Manifest
from manifest.payload import encode_manifest, header_of
from tests.attacks.refusal import check_refusal
from tests.kit.clock import FakeClock
from tests.kit.command import lading
from tests.kit.published import GAME, Published
from tests.kit.signed import registry_of
from tests.kit.trees import assert_same_tree

FILES = [
    "../outside",
    "data/../../outside",
    "/outside",
    "//outside",
    "C:/outside",
    "data\\..\\..\\outside",
    "data/nul",
    "data/con.txt",
    "data/x:stream",
    "data/dot.",
    "data/space ",
    "data/\x1b[2J",
    "data//twice",
    "./here",
    ".lading/install.json",
    ".Lading/journal",
    "LADING~1/journal",
    ".lading\u200b/journal",
    "a" * 300,
    "",
]
LINKS = ["/etc/passwd", "../outside", "data/../../outside", "C:\\Windows", ".lading/install.json", ""]
TREES = [["Readme", "readme"], ["a", "a/b"], ["a", "a"], ["b", "a"], ["\u00e9", "e\u0301"]]


def forged(paths: list[str], target: str | None = None) -> Manifest:
    """A manifest of files that all hold `x`, or of links that all lead to `target`."""
    count = len(paths)
    content = b"x" if target is None else target.encode()
    digests = ids_column(digest_of(content) * count)
    return Manifest(
        cut=DEFAULT,
        paths=paths,
        kinds=np.full(count, Kind.FILE if target is None else Kind.LINK, "|u1"),
        flags=np.zeros(count, "|u1"),
        sizes=np.full(count, len(content), "<u8"),
        digests=digests,
        chunk_counts=np.full(count, target is None, "<u4"),
        tag_sets=np.zeros(count, "<u2"),
        tags=(),
        targets={} if target is None else dict.fromkeys(range(count), target),
        chunk_ids=digests if target is None else digests[:0],
        chunk_sizes=np.full(count if target is None else 0, 1, "<u4"),
    )


def publish(published: Published, manifest: Manifest) -> None:
    """Make a build of the manifest live, as somebody who has the publisher's keys can."""
    registry = registry_of(FolderStore(published.store), published.state, FakeClock())
    state = registry.whole(GAME)
    payload = encode_manifest(manifest)
    name = registry.put_manifest(state.scope, payload)
    ref = DepotRef(name, len(payload), len(manifest.paths), len(manifest.chunk_ids), manifest.installed_size)
    number = max(state.builds) + 1
    channel = replace(state.channels["stable"], build=number)
    builds = {**state.builds, number: Build(number, str(number), {"main": ref}, 0)}
    registry.commit(state, replace(state, builds=builds, channels={"stable": channel}), lambda: None)


@pytest.mark.parametrize(
    ("paths", "target"),
    [
        *[pytest.param([path], None, id=f"file {number}") for number, path in enumerate(FILES)],
        *[pytest.param(["link"], target, id=f"link {number}") for number, target in enumerate(LINKS)],
        *[pytest.param(paths, None, id=f"tree {number}") for number, paths in enumerate(TREES)],
    ],
)
def test_it_is_refused(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: list[str], target: str | None
) -> None:
    with monkeypatch.context() as lenient:
        lenient.setattr("manifest.model.check_tree", lambda paths, kinds: None)
        lenient.setattr("manifest.model.check_link", lambda path, target: target)
        publish(published, forged(paths, target))
    room = tmp_path / "room"
    room.mkdir()
    before = sorted(tmp_path.iterdir())
    done = lading("install", GAME, "--into", str(room / "game"), "--store", str(published.store), "--json")
    check_refusal(done, "bad-manifest")
    assert list(room.iterdir()) == []
    assert sorted(tmp_path.iterdir()) == before


def _of_a_newer_format(lenient: pytest.MonkeyPatch) -> None:
    lenient.setattr("manifest.payload.VERSION", 99)


def _with_an_unknown_feature(lenient: pytest.MonkeyPatch) -> None:
    lenient.setattr("manifest.payload.header_of", lambda manifest: header_of(manifest) | {"features": ["holograms"]})


@pytest.mark.parametrize(
    ("newer", "code"), [(_of_a_newer_format, "newer-format"), (_with_an_unknown_feature, "unknown-feature")]
)
def test_a_manifest_of_a_newer_version_asks_for_one(
    published: Published,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    newer: Callable[[pytest.MonkeyPatch], None],
    code: str,
) -> None:
    target = tmp_path / "game"
    assert lading("install", GAME, "--into", str(target), "--store", str(published.store), "--build", "1").exit == 0
    with monkeypatch.context() as lenient:
        newer(lenient)
        publish(published, forged(["a"]))
    check_refusal(lading("update", str(target), "--json"), code)
    assert_same_tree(target, published.source(1))
    assert lading("update", str(target), "--build", "3").exit == 0
    assert_same_tree(target, published.source(3))
