"""A publish killed at any call to the store leaves the old build served, and the next try goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chunkstore.store import ObjectStore
from chunkstore.wrappers.fault import Fault, FaultyStore
from manifest.keys import packs_prefix
from tests.kit.game import Entry, noise
from tests.kit.mortality import Killed, deaths, die_after
from tests.kit.rig import GAME, Rig

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


def moments(rig: Rig, folder: Path) -> Iterator[Fault]:
    """Each call that publishing the new build makes."""
    twin = rig.copy(folder / "count")
    counted = FaultyStore(twin.store, [])
    publish(twin, NEW, counted)
    yield from deaths(counted)


def stored_chunks(rig: Rig) -> list[set[bytes]]:
    """The ids of the chunks of each pack."""
    registry = rig.registry()
    ids = [registry.pack_index(GAME, pack).ids.tobytes() for pack in registry.packs(GAME)]
    return [{each[at : at + 32] for at in range(0, len(each), 32)} for each in ids]


def test_a_publish_killed_at_every_call(rig: Rig, tmp_path: Path) -> None:
    """No player ever sees half a build, and no chunk of a pack that was stored is sent again."""
    served, packs_kept = set(), set()
    faults = list(moments(rig, tmp_path))
    for number, fault in enumerate(faults):
        twin = rig.copy(tmp_path / str(number))
        dying = FaultyStore(twin.store, [fault])
        with pytest.raises(Killed):
            publish(twin, NEW, dying)
        dying.assert_exhausted()

        builds = sorted(twin.registry().whole(GAME).builds)
        served.add(len(builds))
        fresh = twin.player("fresh")
        fresh.install()
        assert fresh.tree() == (OLD if len(builds) == 1 else NEW)

        packs_kept.add(len(list(twin.store.list(packs_prefix(GAME)))))
        publish(twin, NEW)
        player = twin.player()
        player.update()
        assert player.tree() == NEW
        chunks = stored_chunks(twin)
        twice = sum(map(len, chunks)) - len(set.union(*chunks))
        in_flight = max(map(len, chunks)) if fault.answer is die_after else 0  # stored, and nobody was told
        assert twice <= in_flight, "a pack that was stored was sent again"
    assert served == {1, 2}
    assert len(packs_kept) > 3
    assert len(faults) > 40
