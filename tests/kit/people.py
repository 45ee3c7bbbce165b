"""People who work on one store, each with a state folder, and so with keys and trust, of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.kit.command import Finished, Lading
from tests.kit.source import write
from tests.kit.stores import objects_in

KEYS = ("root", "builds", "online")


class Person:
    """Somebody with a state folder. `ann("build", "list", "toy")` runs these words on the store, with `--json`."""

    def __init__(self, home: Path, name: str, lading: Lading, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = home / f"state of {name}"
        self.store = home / "store"
        self.source = home / f"source of {name}"
        self._lading = lading
        self._monkeypatch = monkeypatch

    def run(self, *words: str) -> Finished:
        self._monkeypatch.setenv("LADING_STATE_DIR", str(self.state))
        return self._lading(*words)

    def __call__(self, *words: str) -> Finished:
        return self.run(*words, "--store", str(self.store), "--json")

    def text(self, *words: str) -> str:
        finished = self.run(*words, "--store", str(self.store))
        assert finished.exit == 0, finished.stderr
        return finished.stdout

    def result(self, *words: str) -> dict[str, Any]:
        finished = self(*words)
        assert finished.exit == 0, finished.stdout
        result: dict[str, Any] = finished.document["result"]
        return result

    def fails(self, *words: str) -> tuple[int, str]:
        """The exit code and the error's code of words that change nothing."""
        before = self.objects()
        finished = self(*words)
        assert self.objects() == before
        return finished.exit, finished.document["error"]["code"]

    def folder(self, content: str) -> str:
        """A source folder that holds this one file, and one that never changes."""
        return str(write(self.source, {"game.txt": content, "readme.txt": "read me"}))

    def publish(self, content: str, *words: str) -> dict[str, Any]:
        return self.result("publish", self.folder(content), "toy", *words)

    def builds(self) -> list[tuple[int, str, str]]:
        return [(row["build"], row["version"], row["state"]) for row in self.result("build", "list", "toy")["builds"]]

    def channel(self, name: str = "stable") -> int:
        build: int = self.result("channel", "show", "toy", name)["build"]
        return build

    def objects(self) -> dict[str, bytes]:
        return objects_in(self.store)

    def keys(self) -> dict[str, list[Path]]:
        """The key files of the game by kind."""
        files = sorted(self.state.glob("*/keys/toy/*.json"))
        return {kind: [file for file in files if file.name.startswith(kind)] for kind in KEYS}

    def give_keys(self, other: Person) -> None:
        """As a backup that is restored there does."""
        (folder,) = self.state.glob("*/keys")
        shutil.copytree(folder, other.state / folder.relative_to(self.state))

    def drop_key(self, kind: str, number: int = 0) -> None:
        self.keys()[kind][number].unlink()

    def update(self, installed: Path) -> tuple[int, str]:
        """What a player's folder holds after an install or update; the exit code and the content of the game."""
        if installed.exists():
            done = self.run("update", str(installed), "--json")
        else:
            done = self("install", "toy", "--into", str(installed), "--trust", "first-use")
        return done.exit, (installed / "game.txt").read_text()


Crew: TypeAlias = Callable[[str], Person]
"""`crew("ann")` is always the same person."""
