"""All errors that the program can end with, found by importing all of it."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from chunkstore.errors import LadingError

PACKAGES = ("chunkstore", "manifest", "delta", "publisher", "client", "server", "cli")
FAMILIES = {"NotFound", "Corrupt", "Refused", "Unavailable", "LocalProblem"}


def import_everything() -> None:
    """Import every module of the seven packages."""
    for package in PACKAGES:
        root = import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            import_module(module.name)


def every_leaf() -> list[type[LadingError]]:
    """Each class of the tree but the root and the families, by code."""
    import_everything()
    found: list[type[LadingError]] = []
    waiting = [LadingError]
    while waiting:
        error = waiting.pop()
        waiting.extend(error.__subclasses__())
        if error.__module__.split(".")[0] in PACKAGES and error is not LadingError and error.__name__ not in FAMILIES:
            found.append(error)
    return sorted(found, key=lambda error: error.code)
