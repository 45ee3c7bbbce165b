"""Several people's computers in one test: each with a state folder of its own, and a store that all of them reach."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kit.clock import FakeClock
from tests.kit.command import Finished, lading
from tests.kit.published import isolate
from tests.kit.source import write

STORE = "store"
"""The store that `publish_toy` makes, where the commands of a test run."""


@dataclass
class Machine:
    """`machine("key", "list")` runs these words there, with `--json`, at the moment that its clock shows."""

    state: Path
    clock: FakeClock = field(default_factory=FakeClock)
    variables: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str) -> Finished:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("LADING_STATE_DIR", str(self.state))
            for name, value in self.variables.items():
                environment.setenv(name, value)
            return lading(*words, "--json", clock=self.clock)

    def result(self, *words: str) -> dict[str, Any]:
        """The result of words that must succeed."""
        finished = self(*words)
        assert finished.exit == 0, finished.stdout
        result: dict[str, Any] = finished.document["result"]
        return result

    def refused(self, *words: str) -> tuple[int, str]:
        """Exit and error code of words that must fail."""
        finished = self(*words)
        assert "Traceback" not in finished.stderr
        error = finished.document["error"]
        assert all(error[part] for part in ("message", "cause", "next")), error
        return finished.exit, error["code"]

    def warnings(self, finished: Finished) -> list[str]:
        """The codes of the warnings that a command gave."""
        return [line.partition("[")[2].partition("]")[0] for line in finished.stderr.splitlines() if "warning[" in line]


def publish_toy(home: Path) -> Path:
    """A folder with the source and the store of the game `toy`, and the state of the `studio` that published it."""
    write(home / "source", {"readme.txt": b"hello"})
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, home / "home")
        monkeypatch.chdir(home)
        Machine(home / "studio").result("publish", "source", "toy", "--store", STORE)
    return home


def studio_in(made: Path, here: Path) -> Machine:
    """The same studio, and all that is its, in a folder of its own."""
    shutil.copytree(made, here, dirs_exist_ok=True)
    return Machine(here / "studio")
