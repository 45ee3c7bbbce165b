"""Small stays small: what an update reads besides packs follows the change and not the build, from any recent version.

A build of 3,000 distinct chunks, whose manifest alone is larger than all that an update may read; in each version 13
chunks are new.
"""

from __future__ import annotations

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
    """All versions, each a build on the channel."""
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
    return folder / "store"


@pytest.mark.parametrize("version", HOPS)
def test_an_update_reads_little_besides_packs(
    store: Path, isolated: Path, tmp_path: Path, nginx: Callable[[Path], Nginx], version: int
) -> None:
    target, server = tmp_path / "game", nginx(store)
    assert lading("install", GAME, "--into", str(target), "--store", str(store), "--build", str(version)).exit == 0
    done = lading("update", str(target), "--store", server.url, "--json")
    assert (done.exit, done.document["result"]["to"]) == (0, VERSIONS)
    asked = [request for request in server.requests() if "/packs/" not in request.path]
    assert len(asked) <= 10 + 2 * HOPS[version]
    assert sum(request.body_bytes for request in asked) <= 100_000
