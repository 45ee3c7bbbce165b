"""A publish killed at any call to the store leaves the old build served, and the next try goes on from there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chunkstore.store import ObjectStore
from chunkstore.stores.memory import MemoryStore
from chunkstore.wrappers.fault import Fault, FaultyStore
from manifest.keys import packs_prefix
from manifest.registry import BareRegistry
from tests.kit.clock import FakeClock
from tests.kit.game import Entry, noise
from tests.kit.mortality import Killed
from tests.kit.rig import GAME, Player, Rig

CHANGING = ("put", "replace")
READING = ("get", "get_range", "list", "stat")
PACK = 3000
OLD = {f"data/{n}": Entry(noise(1500, n)) for n in range(4)}
NEW = {**OLD, **{f"more/{n}": Entry(noise(1400, n, "more")) for n in range(8)}, "data/1": Entry(noise(1500, "other"))}


@pytest.fixture(autouse=True)
def _small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.pipeline.TARGET", PACK)
    monkeypatch.setattr("publisher.pipeline.GROUP_RAW", PACK)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """The old build, published; and a player who has it."""
    rig = Rig(tmp_path / "origin")
    publish(rig, OLD)
    rig.player().install()
    return rig


def publish(rig: Rig, tree: dict[str, Entry], store: ObjectStore | None = None) -> None:
    """With one worker, so that every run makes the same calls."""
    rig.publish(tree, store=store, workers=1, rescan=False)


def die_before(work: Callable[[], Any]) -> Any:
    raise Killed


def die_after(work: Callable[[], Any]) -> Any:
    work()
    raise Killed


def moments(rig: Rig, folder: Path) -> Iterator[Fault]:
    """Each call that publishing the new build makes: before it, and where it changes something after it, too."""
    twin = copy_of(rig, folder / "count")
    counted = FaultyStore(twin.store, [])
    publish(twin, NEW, counted)
    for verb in CHANGING + READING:
        for call in range(1, counted.calls(verb) + 1):
            yield Fault(verb, call, die_before)
            if verb in CHANGING:
                yield Fault(verb, call, die_after)


def copy_of(rig: Rig, folder: Path) -> Rig:
    """The same store and the same state of the publisher."""
    store = MemoryStore(FakeClock())
    for entry in rig.store.list(""):
        store.put(entry.key, rig.store.get(entry.key, limit=1 << 30).data)
    twin = Rig(folder, store=store, random_bytes=rig.random_bytes)
    shutil.copytree(rig.folder / "state", folder / "state")
    shutil.copytree(rig.folder / "installed", folder / "installed")
    return twin


def stored_chunks(store: ObjectStore) -> list[set[bytes]]:
    """The ids of the chunks of each pack."""
    registry = BareRegistry(store)
    ids = [registry.pack_index(GAME, pack).ids.tobytes() for pack in registry.packs(GAME)]
    return [{each[at : at + 32] for at in range(0, len(each), 32)} for each in ids]


def test_a_publish_killed_at_every_call(rig: Rig, tmp_path: Path) -> None:
    """No player ever sees half a build, and no chunk of a pack that was stored is sent again."""
    served, packs_kept = set(), set()
    faults = list(moments(rig, tmp_path))
    for number, fault in enumerate(faults):
        twin = copy_of(rig, tmp_path / str(number))
        dying = FaultyStore(twin.store, [fault])
        with pytest.raises(Killed):
            publish(twin, NEW, dying)
        dying.assert_exhausted()

        builds = sorted(BareRegistry(twin.store).game(GAME).builds)
        served.add(len(builds))
        fresh = Player(twin.folder / "fresh", twin.store)
        fresh.install()
        assert fresh.tree() == (OLD if len(builds) == 1 else NEW)

        packs_kept.add(len(list(twin.store.list(packs_prefix(GAME)))))
        publish(twin, NEW)
        player = twin.player()
        player.update()
        assert player.tree() == NEW
        chunks = stored_chunks(twin.store)
        twice = sum(map(len, chunks)) - len(set.union(*chunks))
        in_flight = max(map(len, chunks)) if fault.answer is die_after else 0  # stored, and nobody was told
        assert twice <= in_flight, "a pack that was stored was sent again"
    assert served == {1, 2}
    assert len(packs_kept) > 3
    assert len(faults) > 40
