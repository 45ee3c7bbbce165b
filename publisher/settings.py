"""How the depots of a game are made from a source folder: values only, wherever they came from.

`publisher.lading_toml` reads them from the folder; the command line replaces single fields. Holds no syntax of a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from chunkstore.errors import Refused

CONFIG_FILE = "lading.toml"
IGNORE_FILE = ".ladingignore"
DEFAULT_DEPOT = "main"
PLATFORMS = ("any", "windows", "linux", "macos")
EXECUTABLE_TAG = "executable"


@dataclass(frozen=True, slots=True)
class Placed:
    """The content of the source folder `source` appears in the build under `target`; "" is the root of either."""

    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class TagRule:
    """Files that the pattern covers carry the tag."""

    pattern: str
    tag: str


@dataclass(frozen=True, slots=True)
class DepotConfig:
    """How one depot is made from the source folder.

    `platform` None: not said, so it stays what it was; so does `chunk_average`, the average size of chunks in bytes.
    """

    name: str = DEFAULT_DEPOT
    platform: str | None = None
    language: str = ""
    optional: bool = False
    chunk_average: int | None = None
    mappings: tuple[Placed, ...] = (Placed(),)
    ignore: tuple[str, ...] = ()
    tags: tuple[TagRule, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """All that the folder says. `ignore` holds for depots that it does not describe, too."""

    game: str | None = None
    ignore: tuple[str, ...] = ()
    depots: tuple[DepotConfig, ...] = ()

    def depot(self, name: str | None = None) -> DepotConfig:
        """The depot of that name, or the only one. Raises `DepotNeeded`."""
        if not self.depots:
            return DepotConfig(name=name or DEFAULT_DEPOT, ignore=self.ignore)
        names = [depot.name for depot in self.depots]
        if name is None and len(names) == 1:
            return self.depots[0]
        if name in names:
            return self.depots[names.index(name)]
        message = f"there is no depot {name!r} here" if name else f"there are {len(names)} depots here"
        raise DepotNeeded(
            f"{message}: {', '.join(names)}",
            where=CONFIG_FILE,
            next=f"Name one: --depot {next(iter(get_close_matches(name or '', names, n=1)), names[0])}",
            data={"depot": name, "depots": names},
        )


class DepotNeeded(Refused):
    """The folder describes several depots, or not the one that was asked for."""

    code = "depot-needed"
    default_cause = "One publish publishes one depot, and lading.toml describes these."
    default_next = "Name one of them with --depot."
