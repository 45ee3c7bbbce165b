"""Patterns as git writes them in `.gitignore`, for what to leave out and for which files carry a tag.

Knows text only: no disk, no settings. The last pattern that matches a path decides; `!` turns a match back.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chunkstore.errors import Refused

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class Patterns:
    """A list of patterns, compiled. Without patterns nothing matches and nothing is imported."""

    __slots__ = ("_spec",)

    def __init__(self, lines: Iterable[str] = ()) -> None:
        """Raises `BadPattern`."""
        lines = [line for line in lines if line.strip() and not line.startswith("#")]
        self._spec = _compile(lines) if lines else None

    def __bool__(self) -> bool:
        return self._spec is not None

    def match(self, path: str, *, folder: bool = False) -> bool:
        """Whether these patterns cover `path`. Whoever walks must not descend into a folder that they cover."""
        return self._spec is not None and self._spec.match_file(f"{path}/" if folder else path)


def _compile(lines: list[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - 20 ms that a publish without patterns does not pay

    for line in lines:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the regular expression below warns where it may mean something else
            try:
                GitIgnoreSpec.from_lines([line])
            except (ValueError, Warning, re.error) as error:
                raise BadPattern(f"the pattern {line!r:.200} cannot be understood", cause=str(error)) from error
    return GitIgnoreSpec.from_lines(lines)


class BadPattern(Refused):
    """A pattern that follows no rule of `.gitignore`."""

    code = "bad-pattern"
    default_cause = "Patterns follow the rules of .gitignore."
    default_next = "Correct the pattern in .ladingignore or lading.toml; a backslash takes a character literally."
