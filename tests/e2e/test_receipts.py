"""What a plan says it will cost is what it costs, and what the web host itself has counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.command import Finished, lading
from tests.kit.nginx import Nginx
from tests.kit.published import GAME, Published

PRICE = {
    "download_bytes",
    "metadata_bytes",
    "written_bytes",
    "peak_extra_disk_bytes",
    "final_size_bytes",
    "requests",
}


def settled(done: Finished) -> dict[str, int]:
    """The actual numbers of a receipt, after comparing them with the planned ones as promised."""
    assert done.exit == 0, done.stdout
    planned, actual = done.document["receipt"]["planned"], done.document["receipt"]["actual"]
    assert set(planned) == PRICE
    assert set(actual) == PRICE | {"retried_bytes", "retried_requests"}
    for name in PRICE:
        slack = max(planned[name] // 100, 2 if name == "requests" else 64 * 1024)
        assert abs(planned[name] - actual[name]) <= slack, name
    return dict(actual)


def install_update_repair(address: str, target: Path, check: Callable[[dict[str, int]], None]) -> None:
    """An install, an update over a version, and a repair of three wounds; `check` is given each receipt."""
    check(settled(lading("install", GAME, "--into", str(target), "--store", address, "--build", "1", "--json")))
    check(settled(lading("update", str(target), "--json")))
    (target / "bin" / "game").write_bytes(b"damaged")
    (target / "data" / "levels.pak").unlink()
    (target / "text" / "05.txt").write_bytes(b"edited")
    repaired = settled(lading("repair", str(target), "--json"))
    assert repaired["written_bytes"] > 0 < repaired["download_bytes"]
    check(repaired)


def test_over_a_folder(published: Published, tmp_path: Path) -> None:
    install_update_repair(str(published.store), tmp_path / "game", lambda actual: None)


def test_over_nginx(published: Published, tmp_path: Path, nginx: Callable[[Path], Nginx]) -> None:
    server = nginx(published.store)

    def compare(actual: dict[str, int]) -> None:
        asked = server.requests()
        server.forget()
        absent = [request for request in asked if request.status == 404]
        content = sum(request.body_bytes for request in asked if "/packs/" in request.path)
        everything = sum(request.body_bytes for request in asked if request not in absent)  # an error page is no object
        assert [request.path.rpartition("/")[2] for request in absent] in ([], ["2.root.json"])
        assert actual["requests"] == len(asked)
        assert (actual["download_bytes"], actual["metadata_bytes"]) == (content, everything - content)

    install_update_repair(server.url, tmp_path / "game", compare)


TRUST = {"requests": 2, "metadata_bytes": 4_000}
"""What it costs at most to meet a game; a dry run has met it, and remembers."""


@pytest.mark.parametrize("verb", ["install", "update", "repair"])
def test_a_dry_run_promises_what_the_run_then_costs(published: Published, tmp_path: Path, verb: str) -> None:
    target = tmp_path / "game"
    words = ["install", GAME, "--into", str(target), "--store", str(published.store), "--json"]
    if verb != "install":
        assert lading(*words, "--build", "1").exit == 0
        (target / "bin" / "game").write_bytes(b"damaged")
        words = [verb, str(target), "--json"]
    before = times(tmp_path)
    promised = lading(*words, "--dry-run").document["receipt"]
    assert promised["actual"] is None
    assert times(tmp_path) == before
    paid = lading(*words).document["receipt"]["planned"]
    spared = {name: promised["planned"][name] - paid[name] for name in PRICE}
    assert {name for name, number in spared.items() if number} == (set(TRUST) if verb == "install" else set())
    assert all(0 <= spared[name] <= most for name, most in TRUST.items())


def times(folder: Path) -> dict[str, int]:
    """When each thing below a folder was last touched, but for what a machine remembers of signatures that it saw."""
    memory = folder / ".home" / "state"
    paths = [path for path in folder.rglob("*") if path != memory and memory / "trust" not in (path, *path.parents)]
    return {str(path): path.lstat().st_mtime_ns for path in paths}
