"""A missing server program is a reason to skip, and a failure where it is required."""

from __future__ import annotations

import pytest

from tests.kit.services import require_program

ABSENT = "no-such-server-program"


def test_a_missing_program_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LADING_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match=ABSENT):
        require_program(ABSENT)


def test_a_required_program_that_is_missing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADING_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match=ABSENT):
        require_program(ABSENT)
