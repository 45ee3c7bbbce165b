"""How the disk below a test behaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def unhurried_disk() -> Iterator[None]:
    """Nothing waits for the medium: these tests kill processes and never cut the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        patch.setattr("client.disk._syncfs", lambda _: 0)
        yield
