"""The encoding in which this process reads and writes file names; Python fixes it at the start, by the locale.

A build names its files in UTF-8. Read in another encoding, names would be published as what nobody wrote, and others
could not be installed: work is refused before it begins.
"""

from __future__ import annotations

import sys

from chunkstore.errors import LocalProblem


def require_utf8() -> None:
    """Raises `LocaleNotUtf8`."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        raise LocaleNotUtf8(f"file names would be read as {encoding}", data={"encoding": encoding})


class LocaleNotUtf8(LocalProblem):
    """The locale of this process has an encoding in which the names of a build cannot be read or written."""

    code = "locale-not-utf8"
    default_cause = "The locale (LC_ALL, LC_CTYPE or LANG) does not say UTF-8; builds name their files in UTF-8."
    default_next = "Set PYTHONUTF8=1, or a UTF-8 locale such as LC_ALL=C.UTF-8, and run the command again."
