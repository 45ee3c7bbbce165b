"""Command lines that see none of the settings of whoever runs the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.command import Lading
from tests.kit.command import lading as run_lading
from tests.kit.machines import Machine, publish_toy, studio_in
from tests.kit.people import Crew, Person
from tests.kit.shop import Shop


@pytest.fixture
def user_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's configuration file would be; nothing is there, and no variable is set."""
    for name in os.environ:
        if name.startswith("LADING_") or name in ("NO_COLOR", "_LADING_COMPLETE"):
            monkeypatch.delenv(name)
    file = tmp_path / "config" / "config.toml"
    monkeypatch.setattr("cli.config.config_file", lambda: file)
    return file


@pytest.fixture
def lading(user_config: Path) -> Lading:
    """`lading("config", "show", "--json")` in a clean environment."""
    return run_lading


@pytest.fixture
def shop(tmp_path: Path, lading: Lading, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A publisher with a source folder, and a store that is not made yet."""
    monkeypatch.setenv("LADING_STATE_DIR", str(tmp_path / "state"))
    return Shop(tmp_path, lading)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the game `toy`, its source, and the state of who published it; to be copied, not to be changed."""
    return publish_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def studio(toy: Path, isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A publisher who published `toy` to the store, which lies where the commands run."""
    monkeypatch.chdir(tmp_path)
    return studio_in(toy, tmp_path)


@pytest.fixture
def crew(tmp_path: Path, lading: Lading, monkeypatch: pytest.MonkeyPatch) -> Crew:
    """People of one store, by name."""
    people: dict[str, Person] = {}

    def person(name: str) -> Person:
        return people.setdefault(name, Person(tmp_path, name, lading, monkeypatch))

    return person


@pytest.fixture
def ann(crew: Crew) -> Person:
    """Who published build #1 of the game `toy` on the channel stable, and has its keys."""
    ann = crew("ann")
    ann.publish("one", "--version", "1.0")
    return ann
