"""A game whose keys change, made once; and no test in this folder waits for scrypt."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifest.trust import sealing
from tests.kit.keyfiles import CHEAP
from tests.kit.rotating import PLAN
from tests.kit.signedgame import SignedGame


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sealed here can be guessed at once: a document says what a guess costs, and is read the same at any."""
    monkeypatch.setattr(sealing, "_COST", CHEAP)


@pytest.fixture(scope="session")
def many_keys(tmp_path_factory: pytest.TempPathFactory) -> SignedGame:
    """Ten builds, two of them in their bins, signed with several keys of a kind; the player `old` looked once."""
    made = SignedGame.made(tmp_path_factory.mktemp("many") / "game", PLAN)
    made.read("old")
    return made


@pytest.fixture
def game(many_keys: SignedGame, tmp_path: Path) -> SignedGame:
    """A copy of it, to be changed."""
    return many_keys.copy(tmp_path / "game")
