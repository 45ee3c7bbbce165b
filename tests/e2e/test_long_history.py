"""A game with 200 builds, of which metadata holds only the newest first: commands see the old ones, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.command import lading
from tests.kit.rig import GAME, Rig
from tests.kit.seasons import BUILDS, DEPOTS, season

OLD = 2
"""A build that lies in a bin, and whose content is there."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The registry with its long history, for tests to copy."""
    return season(tmp_path_factory.mktemp("season") / "made").folder


@pytest.fixture
def rig(made: Path, isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A registry whose keys lie where the command line looks."""
    rig = season(tmp_path / "season", made)
    monkeypatch.setenv("LADING_STATE_DIR", str(rig.folder / "state"))
    monkeypatch.setenv("LADING_STORE", str(rig.folder / "store"))
    return rig


def result(*words: str) -> dict[str, Any]:
    done = lading(*words, "--json")
    assert done.exit == 0, done.stdout
    found: dict[str, Any] = done.document["result"]
    return found


def test_lists_and_counts_are_whole(rig: Rig) -> None:
    assert [row["build"] for row in result("build", "list", GAME)["builds"]] == list(range(1, BUILDS + 1))
    assert result("game", "show", GAME)["builds"] == BUILDS
    assert [row["builds"] for row in result("game", "list")["games"]] == [BUILDS]


def test_an_old_build_can_be_looked_at(rig: Rig) -> None:
    assert result("build", "show", f"{GAME}@#{OLD}")["build"] == OLD
    assert result("build", "show", f"{GAME}@{OLD}")["build"] == OLD
    assert result("ls", f"{GAME}@#{OLD}")["files"]
    assert result("diff", GAME, f"#{OLD}", f"#{BUILDS}")["paths"]["changed"]


def test_a_channel_may_point_to_an_old_build(rig: Rig, tmp_path: Path) -> None:
    """Whoever signs channels alone, as a server does, can move one where the keys of builds are not."""
    result("channel", "set", GAME, "classic", "--build", str(OLD))
    assert result("channel", "show", GAME, "classic")["build"] == OLD
    assert result("build", "show", f"{GAME}@@classic")["build"] == OLD
    into = ["--into", str(tmp_path / "game"), "--channel", "classic"]
    assert result("install", GAME, *into)["build"] == OLD


def test_a_check_asks_for_the_content_of_old_builds(rig: Rig) -> None:
    """That of the builds in between was never stored."""
    done = lading("store", "check", str(rig.folder / "store"), "--json")
    found = done.document["result"]
    assert found["builds"] == BUILDS
    missed = {row["build"] for problem in found["problems"] for row in problem["builds"]}
    assert missed == set(range(len(DEPOTS) + 1, BUILDS - len(DEPOTS) + 1))
