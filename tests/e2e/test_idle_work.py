"""What costs nothing must do nothing: no file is read to see that it is untouched, and few requests say so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command import lading
from tests.kit.published import GAME, Published
from tests.kit.webhost import web_host


@pytest.fixture
def target(published: Published, tmp_path: Path) -> Path:
    """An installation of the newest build."""
    place = tmp_path / "game"
    assert lading("install", GAME, "--into", str(place), "--store", str(published.store)).exit == 0
    return place


@pytest.fixture
def opened(target: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of the game that are opened from now on, whatever for."""
    paths: list[str] = []
    open_file: Callable[..., int] = os.open

    def counting(path: Any, *args: Any, **how: Any) -> int:
        relative = os.path.relpath(path, target)
        if not relative.startswith(("..", ".lading")) and not os.path.isdir(path):
            paths.append(relative)
        return open_file(path, *args, **how)

    monkeypatch.setattr(os, "open", counting)
    return paths


@pytest.mark.parametrize("verb", ["verify", "status", "update"])
def test_untouched_files_are_not_opened(target: Path, opened: list[str], verb: str) -> None:
    assert lading(verb, str(target)).exit == 0
    assert opened == []


def test_a_touched_file_is_the_only_one_opened(target: Path, opened: list[str]) -> None:
    (target / "bin" / "game").touch()
    assert lading("verify", str(target)).exit == 0
    assert opened == ["bin/game"]


def test_every_file_is_opened_when_all_are_to_be_read(target: Path, opened: list[str], published: Published) -> None:
    assert lading("verify", str(target), "--full").exit == 0
    sizes = {path.relative_to(target).as_posix(): path.stat().st_size for path in target.rglob("*") if path.is_file()}
    assert set(opened) == {path for path, size in sizes.items() if size and not path.startswith(".lading/")}


def test_an_update_with_nothing_to_do_asks_little(published: Published, target: Path) -> None:
    with web_host(published.store) as host:
        done = lading("update", str(target), "--store", host.url, "--json")
        assert (done.exit, done.document["result"]["files_changed"]) == (0, 0)
        assert done.document["receipt"]["actual"]["requests"] == 1
        assert [request.key for request in host.requests] == [f"tuf/{GAME}/timestamp.json"]
