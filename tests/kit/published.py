"""A store that holds the three builds of the small game, made by the command line as anybody would."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.command import lading
from tests.kit.game import BUILDS, write_build

GAME = "toy"


@dataclass(frozen=True)
class Published:
    """The store, the folders that its builds were published from, and the state folder of who published."""

    store: Path
    sources: Path
    state: Path

    def source(self, build: int) -> Path:
        """What an installation of this build has to be equal to."""
        return self.sources / str(build)


def isolate(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No setting of whoever runs the tests reaches a command line or a process; what they remember is below `home`."""
    for name in os.environ:
        if name.startswith("LADING_") or name in ("NO_COLOR", "_LADING_COMPLETE"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("cli.config.config_file", lambda: home / "config.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("LADING_STATE_DIR", str(home / "state"))


def publish_three_builds(folder: Path) -> Published:
    """Build n of the game as build #n with the label `n.0`, all on the channel `stable`."""
    published = Published(folder / "store", folder / "sources", Path(os.environ["LADING_STATE_DIR"]))
    for build in BUILDS:
        source = write_build(published.source(build), build)
        done = lading("publish", str(source), GAME, "--store", str(published.store), "--version", f"{build}.0")
        assert done.exit == 0, done.stderr
    return published


def hand_over_keys(state: Path, to: Path) -> None:
    """Gives a machine that has none the keys of another one: it may publish, and trusts what they sign."""
    for keys in state.glob("*/keys"):
        shutil.copytree(keys, to / keys.relative_to(state), dirs_exist_ok=True)
