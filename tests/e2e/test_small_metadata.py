"""Small stays small: what an update reads besides packs follows the change and not the build, from any recent version.

Signed metadata is part of it. A build of 3,000 distinct chunks, whose manifest alone is larger than all that an update
may read; in each version 13 chunks are new.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.command import lading
from tests.kit.game import noise
from tests.kit.nginx import Nginx
from tests.kit.published import GAME, isolate

SIZE = 3_000 * 1024
VERSIONS = 20
CHANGES = 13
TIMESTAMP = f"tuf/{GAME}/timestamp.json"
TRUST_BYTES = 4_000
"""The signed metadata of a game with one depot."""

HOPS = {version: 0 if version >= VERSIONS - 16 else 1 for version in range(1, VERSIONS)}
"""Of the last 16 each has a diff of its own to the newest; older ones go by another."""


def change(file: Path, version: int) -> None:
    """Put something new into 13 chunks that no other version touches."""
    with file.open("r+b") as data:
        for place in range(CHANGES):
            data.seek(SIZE * place // CHANGES + version * 8192)
            data.write(noise(16, "change", version, place))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All versions, each a build on the channel; beside it each timestamp that was live."""
    folder = tmp_path_factory.mktemp("small-metadata")
    file = folder / "source" / "big.pak"
    file.parent.mkdir()
    file.write_bytes(noise(SIZE, "big"))
    publish = ["publish", str(file.parent), GAME, "--store", str(folder / "store"), "--chunk-average", "1024", "--json"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, folder / ".home")
        for version in range(1, VERSIONS + 1):
            change(file, version)
            done = lading(*publish)
            assert done.exit == 0
            assert version == 1 or CHANGES <= done.document["result"]["new_chunks"] <= 2 * CHANGES
            assert done.document["result"]["chunks"] > 2_500
            shutil.copy(folder / "store" / TIMESTAMP, folder / f"{version}.timestamp.json")
    return folder / "store"


def as_it_stood(store: Path, version: int, copy: Path) -> Path:
    """The store when this version was its newest: nothing but the timestamp is ever overwritten."""
    shutil.copytree(store, copy)
    shutil.copy(store.parent / f"{version}.timestamp.json", copy / TIMESTAMP)
    return copy


@pytest.mark.parametrize("version", HOPS)
def test_an_update_reads_little_besides_packs(
    store: Path, isolated: Path, tmp_path: Path, nginx: Callable[[Path], Nginx], version: int
) -> None:
    """By somebody who has not looked since: timestamp, next root, bundle, and for each hop a head and a diff."""
    target, server, then = tmp_path / "game", nginx(store), as_it_stood(store, version, tmp_path / "then")
    assert lading("install", GAME, "--into", str(target), "--store", str(then), "--trust", "first-use").exit == 0
    done = lading("update", str(target), "--store", server.url, "--json")
    assert (done.exit, done.document["result"]["from"], done.document["result"]["to"]) == (0, version, VERSIONS)
    asked = server.requests()
    metadata = [request for request in asked if "/packs/" not in request.path]
    names = [request.path.rpartition("/")[2] for request in metadata[:3]]
    assert (names[0], names[1], names[2].endswith(".bundle")) == ("timestamp.json", "2.root.json", True)
    assert len(metadata) == 5 + 2 * HOPS[version]
    assert sum(request.body_bytes for request in metadata[:3]) <= TRUST_BYTES
    assert sum(request.body_bytes for request in metadata) <= 100_000
    if version == VERSIONS - 1:
        assert sum(request.body_bytes for request in asked) <= 100_000
    server.forget()
    again = lading("update", str(target), "--json")
    assert (again.exit, [request.path for request in server.requests()]) == (0, [f"/{TIMESTAMP}"])
