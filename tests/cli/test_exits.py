"""The exit table is complete, and says what the documentation says."""

from __future__ import annotations

import re
from pathlib import Path

from cli.exits import EXITS, Exit
from tests.kit.errors import every_leaf

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def test_every_error_has_an_exit_code() -> None:
    """Families are no fallback: whoever adds an error decides what a script may tell apart."""
    missing = {leaf.code: leaf.__qualname__ for leaf in every_leaf() if leaf.code not in EXITS}
    assert missing == {}


def test_the_table_has_no_row_for_an_error_that_is_gone() -> None:
    assert set(EXITS) - {leaf.code for leaf in every_leaf()} == set()


def test_every_error_has_a_code_of_its_own() -> None:
    owners: dict[str, str] = {}
    for leaf in every_leaf():
        assert "code" in vars(leaf), f"{leaf.__qualname__} inherits its code"
        assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", leaf.code)
        assert leaf.__doc__, leaf.__qualname__
        assert leaf.code not in owners, f"{leaf.code}: {owners[leaf.code]} and {leaf.__qualname__}"
        owners[leaf.code] = leaf.__qualname__


def test_the_documentation_lists_the_codes() -> None:
    section = DOCS.read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == [code.value for code in Exit]
