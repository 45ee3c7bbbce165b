"""Writes `docs/errors.md` from the errors themselves: `python -m tests.architecture.errors_page`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from chunkstore.errors import LadingError
from cli.exits import EXITS
from tests.kit.errors import every_leaf

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"

_INTRODUCTION = """\
# Errors

Everything that Lading refuses or fails at has a code: `error[disk-full]` in the text on standard error, `error.code` in
the document of `--json`. A code never changes its meaning. The words beside it may improve, and an error often knows
more of its cause and of what to do next than this page does.

Written by `python -m tests.architecture.errors_page` from the errors themselves.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *map(_section, every_leaf())])


def _section(leaf: type[LadingError]) -> str:
    return "\n".join([f"## `{leaf.code}`\n", *_lines(leaf)]) + "\n"


def _lines(leaf: type[LadingError]) -> Iterator[str]:
    yield f"{inspect.cleandoc(leaf.__doc__ or '')}\n"
    yield f"- exit code: {EXITS[leaf.code].value}"
    yield f"- cause: {leaf.default_cause}"
    yield f"- next: {leaf.default_next}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
