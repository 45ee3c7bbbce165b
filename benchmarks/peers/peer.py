"""What the tables know of a program that is compared: how to get it, and the commands that do the work."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import downloads
from benchmarks.measure import Command
from benchmarks.workplace import say


@dataclass(frozen=True, slots=True)
class Home:
    """Where one peer keeps what it makes: `store` is what is measured, `private` holds its caches and settings."""

    store: Path
    private: Path

    @classmethod
    def inside(cls, folder: Path) -> "Home":
        home = cls(folder / "store", folder / "private")
        for part in (home.store, home.private):
            part.mkdir(parents=True)
        return home


@dataclass(frozen=True, slots=True)
class Peer:
    """A program and its commands. `slow` ones are measured once; without `install` it cannot write a build out."""

    name: str
    create: Callable[[Home], None]
    publish: Callable[[Home, Path, str], Command]
    install: Callable[[Home, str, Path], Command] | None
    ready: Callable[[], bool]
    slow: bool = False


def from_debian(program: str, package: str) -> Callable[[], bool]:
    """Whether the program is here, after trying to install its package."""

    def ready() -> bool:
        return bool(shutil.which(program)) or downloads.install_from_debian(package)

    return ready


def present(peers: tuple[Peer, ...]) -> list[Peer]:
    """The peers that this machine has or can get; of the others it is said that they are missing."""
    found = []
    for peer in peers:
        if peer.ready():
            found.append(peer)
        else:
            say(f"{peer.name} is not installed and could not be: the tables go without it")
    return found


def nothing(home: Home) -> None:
    """For a peer whose first publish makes the store."""
