"""The scene for every attack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.attacks.trust.scene import Scene, scene_of, set_up
from tests.kit.disks import unhurried_disk

__all__ = ["unhurried_disk"]


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """What all scenes are copies of."""
    folder = tmp_path_factory.mktemp("attacked")
    return folder, set_up(folder)


@pytest.fixture
def scene(master: tuple[Path, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A scene of this test's own."""
    with ExitStack() as closing:
        yield scene_of(*master, tmp_path / "scene", monkeypatch, closing)


@pytest.fixture(scope="module")
def shared(master: tuple[Path, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A scene in which the root keys were changed, too. All examples work in it, and leave it as it was."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as closing:
        scene = scene_of(*master, tmp_path_factory.mktemp("shared") / "scene", patch, closing)
        scene.rotate("root")
        yield scene
