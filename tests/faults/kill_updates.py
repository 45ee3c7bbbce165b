"""A program for `test_killed_process.py`: updates in child processes, each really killed at another moment.

Prints a line per child: `killed` or `ended`, what the tree was then, and what the same command made of it afterwards.
Modules are imported once, here, so that a child is at work as soon as it lives.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from chunkstore.clock import SystemClock
from chunkstore.stores.folder import FolderStore
from tests.kit.game import contents
from tests.kit.rig import Foreign, Player, Rig

POINTS = 10
CLOCK = SystemClock()


def main(folder: Path) -> None:
    rig = Rig(folder, 4096, store=FolderStore(folder / "store"))
    for build in (1, 2):
        rig.publish(contents(build))
    rig.player("template").install(build=1)
    lasting = timed(start(copy_of(rig, "measured")))
    for point in range(POINTS):
        player = copy_of(rig, str(point))
        foreign = Foreign.put(player.root, ["saves/slot.sav"])
        child = start(player)
        CLOCK.sleep(lasting * (point + 0.5) / POINTS)
        os.kill(child, signal.SIGKILL)
        _, ended = os.waitpid(child, 0)
        found = state_of(player, foreign)
        player.update(build=2)
        print("killed" if os.WIFSIGNALED(ended) else "ended", found, state_of(player, foreign), flush=True)  # noqa: T201


def copy_of(rig: Rig, name: str) -> Player:
    shutil.copytree(rig.folder / "template", rig.folder / name, symlinks=True)
    return rig.player(name)


def start(player: Player) -> int:
    """A child that updates; it has no other thread of this process, and there is none."""
    child = os.fork()
    if not child:
        player.update(build=2)
        os._exit(0)
    return child


def timed(child: int) -> float:
    began = CLOCK.monotonic()
    os.waitpid(child, 0)
    return CLOCK.monotonic() - began


def state_of(player: Player, foreign: Foreign) -> str:
    """`old`, `new`, or `between` where the journal says so; anything else is `torn`."""
    foreign.assert_untouched()
    tree = {path: entry for path, entry in player.tree().items() if path not in foreign.entries}
    for name, build in (("old", 1), ("new", 2)):
        if tree == {path: entry for path, entry in contents(build).items() if path != "saves"}:
            return name
    return "between" if (player.root / ".lading" / "journal").exists() else "torn"


with tempfile.TemporaryDirectory() as name:
    main(Path(name))
