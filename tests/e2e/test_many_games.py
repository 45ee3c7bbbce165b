"""A registry of 10,000 games: whoever publishes or plays one of them has nothing to do with the others.

Two registries, equal but for the other games, are worked with alike; what is asked of them is compared key by key.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from chunkstore.store import ObjectStore
from chunkstore.wrappers.meter import MeteredStore, Traffic
from manifest.trust.folder import TrustFolder
from tests.kit.clock import FakeClock
from tests.kit.command import lading
from tests.kit.game import Entry, noise
from tests.kit.rig import GAME, Rig
from tests.kit.source import write
from tests.kit.stores import copy_of

GAMES = 10_000


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A registry of one game with one build."""
    rig = Rig(tmp_path_factory.mktemp("first"))
    publish(rig, 1, rig.store)
    return rig


@pytest.fixture
def alone(first: Rig, tmp_path: Path) -> Rig:
    """A copy of it."""
    return copied(first, tmp_path / "alone")


@pytest.fixture
def crowded(first: Rig, tmp_path: Path) -> Rig:
    """A copy with the other games. Their objects are those of the first: nobody is to look into them."""
    rig = copied(first, tmp_path / "crowded")
    for entry in list(rig.store.list("")):
        data = rig.store.get(entry.key, limit=entry.size).data
        if GAME in entry.key:
            for number in range(GAMES - 1):
                rig.store.put(entry.key.replace(GAME, f"game-{number}"), data)
    assert len(rig.registry().games()) == GAMES
    return rig


def copied(rig: Rig, folder: Path) -> Rig:
    """With random bytes that begin anew: two copies that do the same store the same."""
    shutil.copytree(rig.folder, folder)
    return Rig(folder, store=copy_of(rig.store, rig.clock), clock=FakeClock(rig.clock.now()))


def publish(rig: Rig, version: int, store: ObjectStore, game: str = GAME) -> None:
    tree = {"pak": Entry(noise(20_000, "pak")), "label": Entry(f"version {version}\n".encode())}
    rig.publish(tree, game=game, store=store)


def publish_next(rig: Rig, store: ObjectStore) -> None:
    publish(rig, 2, store)


def install_and_update(rig: Rig, store: ObjectStore) -> None:
    player = rig.player(store=store)
    player.install()
    publish(rig, 2, rig.store)
    player.update()


@pytest.mark.parametrize("work", [publish_next, install_and_update], ids=lambda work: work.__name__)
def test_the_others_cost_nothing(alone: Rig, crowded: Rig, work: Callable[[Rig, ObjectStore], None]) -> None:
    asked = asked_by(alone, work)
    assert asked_by(crowded, work) == asked
    assert [key for key in asked if key.split("/")[:2] not in (["tuf", GAME], ["s", GAME], ["lading.json"])] == []


def asked_by(rig: Rig, work: Callable[[Rig, ObjectStore], None]) -> Mapping[str, Traffic]:
    """What `work` asks of the registry, by key, or by the prefix of a listing."""
    meter = MeteredStore(rig.store, lambda key: key)
    work(rig, meter)
    return meter.traffic()


def test_a_new_game_costs_as_much_as_the_first(alone: Rig, crowded: Rig) -> None:
    """Its keys are random, and so is how well the bundle of what they sign compresses."""

    def publish_new(rig: Rig, store: ObjectStore) -> None:
        publish(rig, 1, store, "new")

    one, many = asked_by(alone, publish_new), asked_by(crowded, publish_new)
    assert {key: traffic.requests for key, traffic in many.items()} == {
        key: traffic.requests for key, traffic in one.items()
    }
    assert total(many) == pytest.approx(total(one), abs=200)
    assert [key for key in many if key.split("/")[:2] not in (["tuf", "new"], ["s", "new"], ["lading.json"])] == []


def total(asked: Mapping[str, Traffic]) -> int:
    return sum(traffic.received_bytes + traffic.sent_bytes for traffic in asked.values())


def test_a_machine_that_knows_many_games_does_not_go_through_them(
    isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the game's own folder by the pin that the publisher's keys or the installed folder name."""
    source = write(tmp_path / "source", {"label": "version 1\n"})
    store, game = str(tmp_path / "store"), str(tmp_path / "game")
    published = ["publish", str(source), GAME, "--store", store]
    assert lading(*published).exit == 0
    assert lading("install", GAME, "--into", game, "--store", store).exit == 0
    monkeypatch.setattr(TrustFolder, "all", None)
    write(source, {"label": "version 2\n"})
    assert lading(*published).exit == 0
    assert lading("update", game).exit == 0
