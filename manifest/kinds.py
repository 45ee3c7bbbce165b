"""What an entry of a build can be. The numbers are part of the manifest's format."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """Folders are recorded only when they are empty; all others follow from the paths in them."""

    FILE = 0
    FOLDER = 1
    LINK = 2
