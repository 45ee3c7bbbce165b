"""Several people's computers in one test: each with a state folder of its own, and a store that all of them reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kit.clock import FakeClock
from tests.kit.command import Finished, lading


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
