"""A source folder, a store and a state folder of one publisher who works on the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command import Finished, Lading, lading
from tests.kit.game import noise
from tests.kit.published import hand_over_keys, isolate
from tests.kit.source import write
from tests.kit.stores import objects_in


class Shop:
    """`shop("build", "list", "toy")` runs these words with the store named and `--json`."""

    def __init__(self, home: Path, lading: Lading) -> None:
        self.state = home / "state"
        self.source = write(home / "source", {"data.pak": noise(200_000, "pak"), "readme.txt": b"hello"})
        self.store = home / "store"
        self._lading = lading

    @staticmethod
    def made_once(home: Path, make: Callable[[Shop], None]) -> Path:
        """A folder with source, store and keys as `make` leaves them, for `copy` to start many tests from."""
        with pytest.MonkeyPatch.context() as monkeypatch:
            isolate(monkeypatch, home)
            make(Shop(home, lading))
        return home

    def copy(self, made: Path) -> Shop:
        """This shop, stocked as `made_once` left that folder."""
        for name in ("source", "store"):
            shutil.rmtree(self.source.parent / name, ignore_errors=True)
            shutil.copytree(made / name, self.source.parent / name)
        hand_over_keys(made / "state", self.state)
        return self

    def __call__(self, *words: str) -> Finished:
        return self._lading(*words, "--store", str(self.store), "--json")

    def publish(self, *words: str) -> Finished:
        """Publish the source as the game `toy`."""
        return self("publish", str(self.source), "toy", *words)

    def result(self, *words: str) -> dict[str, Any]:
        """The result of words that must succeed."""
        finished = self(*words)
        assert finished.exit == 0, finished.stdout
        result: dict[str, Any] = finished.document["result"]
        return result

    def check(self, *words: str) -> Finished:
        """`lading store check`."""
        return self._lading("store", "check", str(self.store), "--json", *words)

    def stats(self) -> dict[str, Any]:
        """The result of `lading store stats`."""
        result: dict[str, Any] = self._lading("store", "stats", str(self.store), "--json").document["result"]
        return result

    def objects(self) -> dict[str, bytes]:
        """All objects of the store by key."""
        return objects_in(self.store)
