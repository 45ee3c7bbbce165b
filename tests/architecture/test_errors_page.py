"""`docs/errors.md` says what the errors say, and each of them says enough."""

from __future__ import annotations

import pytest

from chunkstore.errors import LadingError
from tests.architecture.errors_page import PAGE, page
from tests.kit.errors import every_leaf


def test_the_page_is_up_to_date() -> None:
    """`python -m tests.architecture.errors_page` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("leaf", every_leaf(), ids=lambda leaf: leaf.code)
def test_every_error_says_why_and_what_to_do_next(leaf: type[LadingError]) -> None:
    assert leaf.default_cause.endswith((".", "?"))
    assert leaf.default_next.endswith(".")
