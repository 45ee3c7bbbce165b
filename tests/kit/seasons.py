"""A game with years of builds behind it, made in a moment: all are signed, only the first and the last were ever cut.

The builds between them name manifests that nobody stored; no player asks for those, and a publish goes around them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chunkstore.ids import digest_of
from chunkstore.stores.folder import FolderStore
from manifest.documents import Build, DepotRef, GameState
from tests.kit.game import Entry, noise
from tests.kit.rig import GAME, Rig

DEPOTS = ("data", "linux", "windows")
BUILDS = 200
_DAY = 24 * 60 * 60


def season(folder: Path, made: Path | None = None) -> Rig:
    """A registry with a long history in `folder/store`, or a copy of the one in `made` to go on with.

    Its keys are where a command line finds them whose state folder is `folder/state`.
    """
    if made is not None:
        shutil.copytree(made, folder)
    rig = Rig(folder, store=FolderStore(folder / "store"), random_bytes=os.urandom)
    if made is None:
        long_history(rig)
    return rig


def long_history(rig: Rig, builds: int = BUILDS, depots: Sequence[str] = DEPOTS) -> GameState:
    """So many builds of the game, each with all depots but the first few. `stable` points to the last."""
    for depot in depots:
        publish_next(rig, depot, "first")
    registry = rig.registry()
    state = registry.whole(GAME)
    between = range(len(state.builds) + 1, builds - len(depots) + 1)
    made_up = {number: _made_up(number, depots, int(rig.clock.now()) - _DAY * (builds - number)) for number in between}
    registry.commit(state, replace(state, builds={**state.builds, **made_up}), lambda: None)
    for depot in depots:
        publish_next(rig, depot, "last")
    return registry.whole(GAME)


def publish_next(rig: Rig, depot: str, label: str) -> Build:
    """A small change of one depot as the next build on `stable`."""
    tree = {f"{depot}/pak": Entry(noise(20_000, depot)), f"{depot}/label": Entry(f"{depot} {label}\n".encode())}
    return rig.publish(tree, depot=depot)


def _made_up(number: int, depots: Sequence[str], published_at: int) -> Build:
    """A build in which every depot changed, the numbers as long as those of a large game."""
    return Build(
        number=number,
        version=f"1.4.{number}",
        depots={depot: _reference(depot, number) for depot in depots},
        published_at=published_at,
        notes=f"Build {number} of the nightly run.",
    )


def _reference(depot: str, number: int) -> DepotRef:
    manifest = digest_of(f"{depot} {number}".encode()).hex()
    platform = depot if depot in ("linux", "windows") else "any"
    return DepotRef(manifest, 3_456_789 + number, 12_345, 67_890, 2_345_678_901 + number, platform)
