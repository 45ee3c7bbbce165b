"""No test in this folder waits for scrypt: a document says what a guess costs, and is read the same at any cost."""

from __future__ import annotations

import pytest

from manifest.trust import sealing
from tests.kit.keyfiles import CHEAP


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sealed here can be guessed at once."""
    monkeypatch.setattr(sealing, "_COST", CHEAP)
