"""A game that began anew after all its root keys were lost, as those meet it who are told no pin."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.machines import STORE, Machine, publish_toy, studio_in


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def studio(made: Path, isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A publisher of `toy`, whose keys changed once before those of the root were lost."""
    monkeypatch.chdir(tmp_path)
    studio = studio_in(made, tmp_path)
    studio.result("key", "rotate", "toy", "--role", "root", "--store", STORE)
    for file in studio.state.glob("*/keys/toy/root-*.json"):
        file.unlink()
    studio.result("key", "rotate", "toy", "--lost-root", "--store", STORE)
    return studio


def test_a_machine_without_keys_looks_and_leaves_candidates(studio: Machine, tmp_path: Path) -> None:
    build_machine = Machine(tmp_path / "builds", studio.clock)
    assert build_machine.result("ls", "toy", "--store", STORE)["build"] == 1
    assert build_machine.result("store", "check", STORE)["problems"] == []
    sealed = build_machine.result("publish", "source", "toy", "--store", STORE, "--candidate")
    assert studio.result("build", "sign", f"toy@#{sealed['build']}", "--store", STORE)["state"] == "live"


def test_whoever_believes_what_is_served_begins_where_the_game_did(studio: Machine, tmp_path: Path) -> None:
    player = Machine(tmp_path / "player", studio.clock)
    player.result("install", "toy", "--into", "game", "--store", STORE, "--trust", "first-use")
    (trusted,) = player.result("trust", "show", "toy")["trusted"]
    assert trusted["pin"].endswith("@3")
    assert trusted["newest"] == studio.result("key", "pin", "toy")["pin"]
    studio.result("key", "rotate", "toy", "--store", STORE)
    studio.result("publish", "source", "toy", "--store", STORE)
    assert player.result("update", "game")["to"] == 2


def test_where_keys_only_changed_the_first_root_is_the_one(made: Path, isolated: Path, tmp_path: Path) -> None:
    store = str(tmp_path / STORE)
    studio = studio_in(made, tmp_path)
    studio.result("key", "rotate", "toy", "--store", store)
    player = Machine(tmp_path / "player", studio.clock)
    player.result("install", "toy", "--into", str(tmp_path / "game"), "--store", store, "--trust", "first-use")
    (trusted,) = player.result("trust", "show", "toy")["trusted"]
    assert trusted["pin"] == studio.result("key", "pin", "toy")["pin"]
    assert trusted["pin"].endswith("@1")
