"""What every table is given: how thorough to be, who takes part, how a contestant's state is put back each round."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import lading
from benchmarks.measure import Command, run
from benchmarks.peers.everyone import PEERS
from benchmarks.peers.peer import Home, Peer
from benchmarks.workplace import emptied, scratch


@dataclass(frozen=True, slots=True)
class Bench:
    """`quick` shrinks every table to something that shows the machinery works; its numbers are not for publication."""

    quick: bool
    rounds: int
    with_peers: bool = True

    def contestants(self, slow: bool = False) -> list[Peer]:
        """Lading, then the peers that this machine has; the slow ones only where a table measures once."""
        return lading.contestants(PEERS if self.with_peers else (), slow and not self.quick)


@contextmanager
def store_of(peer: Peer, *builds: tuple[str, Path]) -> Iterator[Home]:
    """A store of a peer, in a folder of its own, that holds these builds."""
    with scratch() as folder:
        home = Home.inside(folder / "home")
        peer.create(home)
        for label, source in builds:
            run(peer.publish(home, source, label))
        yield home


def from_snapshot(home: Home, command: Callable[[], Command]) -> Callable[[], Command]:
    """A preparation that puts a home back to what it is now, at the same path, before each run."""
    live = home.store.parent
    kept = live.with_name(f"{live.name}.kept")
    shutil.copytree(live, kept)

    def prepare() -> Command:
        shutil.rmtree(live)
        shutil.copytree(kept, live)
        return command()

    return prepare


def into(target: Path, command: Callable[[Path], Command]) -> Callable[[], Command]:
    """A preparation that empties the folder that a command fills."""
    return lambda: command(emptied(target))
