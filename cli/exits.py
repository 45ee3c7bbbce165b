"""The one table from error to exit code (`docs/cli.md` lists it for people).

Keyed by the error's `code`, so that knowing how to fail does not import what may fail. A test walks every error of the
seven packages and fails if one is missing here; an unknown code is a bug and leaves as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from chunkstore.errors import LadingError


class Exit(IntEnum):
    """What a script can tell apart. A number that it does not know is a failure."""

    DONE = 0
    BUG = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    DENIED = 4
    NOT_FOUND = 5
    INTEGRITY = 6
    LOCAL = 7
    UNAVAILABLE = 8
    GATE = 9
    CONFLICT = 10
    WOUNDS = 11
    INTERRUPTED = 130


EXITS: Mapping[str, Exit] = MappingProxyType(
    {
        "bad-id": Exit.USAGE,
        "bad-name": Exit.USAGE,
        "bad-path": Exit.LOCAL,
        "bad-setting": Exit.USAGE,
        "config-unreadable": Exit.LOCAL,
        "conflict": Exit.CONFLICT,
        "disk-full": Exit.LOCAL,
        "host-misconfigured": Exit.INTEGRITY,
        "interrupted": Exit.INTERRUPTED,
        "object-missing": Exit.NOT_FOUND,
        "object-too-large": Exit.INTEGRITY,
        "object-truncated": Exit.INTEGRITY,
        "output-lost": Exit.LOCAL,
        "path-collision": Exit.LOCAL,
        "path-unusable": Exit.LOCAL,
        "paths-unordered": Exit.INTEGRITY,
        "store-not-listable": Exit.USAGE,
        "store-read-only": Exit.USAGE,
        "store-unavailable": Exit.UNAVAILABLE,
        "unexpected": Exit.BUG,
        "usage": Exit.USAGE,
    }
)


def exit_of(error: LadingError) -> Exit:
    """The exit code that `error` ends the command with."""
    return EXITS.get(error.code, Exit.BUG)
