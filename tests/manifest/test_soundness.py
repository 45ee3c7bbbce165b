"""A check of a store by a machine that never saw it: the signed file at fault is named, and what is to be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chunkstore.cancel import Cancel
from chunkstore.store import ObjectStore
from manifest.census import take_census
from manifest.documents import BuildMissing
from manifest.events import NullSink
from manifest.keys import bundle_key, metadata_key, timestamp_key
from manifest.soundness import Problem, check_store
from manifest.trust.roles import BINS, BUILDS, CHANNELS, DAY, LIFETIMES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from tests.kit.forge import Forge, Hand, overwrite
from tests.kit.game import Entry
from tests.kit.rig import GAME, Rig
from tests.kit.signed import registry_of

BUILDS_MADE = 10


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A game some of whose builds lie in bins."""
    rig = Rig(tmp_path_factory.mktemp("made"))
    for number in range(1, BUILDS_MADE + 1):
        rig.publish({"file": Entry(b"%d" % number)})
    return rig


@pytest.fixture
def rig(made: Rig, tmp_path: Path) -> Rig:
    return made.copy(tmp_path / "rig")


def problems(rig: Rig, *, quick: bool = True, machine: str = "stranger") -> list[Problem]:
    registry = registry_of(rig.store, rig.folder / machine, rig.clock)
    return check_store(registry, quick=quick, workers=2, sink=NullSink(), cancel=Cancel()).problems


def forge_of(rig: Rig) -> Forge:
    return Forge(rig.store, rig.registry().pen.keyring, GAME)


def told(found: list[Problem]) -> list[tuple[str, str, set[tuple[str, int]]]]:
    assert all(problem.message and problem.next for problem in found)
    return [(problem.key, problem.code, problem.hurts) for problem in found]


def test_nothing_is_wrong_with_a_store_that_is_whole(rig: Rig) -> None:
    registry = registry_of(rig.store, rig.folder / "stranger", rig.clock)
    found = check_store(registry, quick=False, workers=2, sink=NullSink(), cancel=Cancel())
    assert (found.games, found.builds, found.problems) == (1, BUILDS_MADE, [])


def without_the_end(store: ObjectStore, key: str) -> None:
    overwrite(store, key, store.get(key, limit=1 << 20).data[:-1])


def with_another_byte(store: ObjectStore, key: str) -> None:
    data = bytearray(store.get(key, limit=1 << 20).data)
    data[data.index(b'"version":') - 2] ^= 1
    overwrite(store, key, bytes(data))


HARMS: dict[str, tuple[Callable[[ObjectStore, str], None], str]] = {
    "gone": (lambda store, key: store.delete(key), "object-missing"),
    "cut": (without_the_end, "bad-metadata"),
    "changed": (with_another_byte, "bad-metadata"),
    "endless": (lambda store, key: overwrite(store, key, bytes(1 << 23)), "object-too-large"),
    "page": (lambda store, key: overwrite(store, key, b"<html>"), "host-misconfigured"),
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("role", [TARGETS, BUILDS, CHANNELS, SNAPSHOT, "a bin"])
def test_the_file_at_fault_is_named(rig: Rig, role: str, harm: str) -> None:
    forge = forge_of(rig)
    role = next(name for name in BINS if name in forge.documents) if role == "a bin" else role
    act, code = HARMS[harm]
    act(rig.store, forge.key(role))
    rig.store.delete(bundle_key(GAME, forge.signed(SNAPSHOT)["version"]))
    assert told(problems(rig)) == [(forge.key(role), code, {(GAME, 0)})]


@pytest.mark.parametrize("harm", ["gone", "cut", "page"])
def test_a_first_root_at_fault_is_named(rig: Rig, harm: str) -> None:
    act, code = HARMS[harm]
    act(rig.store, metadata_key(GAME, ROOT, 1))
    assert told(problems(rig)) == [(metadata_key(GAME, ROOT, 1), code, {(GAME, 0)})]


@pytest.mark.parametrize("harm", ["cut", "endless", "page"])
def test_a_timestamp_at_fault_is_named(rig: Rig, harm: str) -> None:
    act, code = HARMS[harm]
    act(rig.store, timestamp_key(GAME))
    for machine in ("stranger", "state"):
        assert told(problems(rig, machine=machine)) == [(timestamp_key(GAME), code, {(GAME, 0)})]


@pytest.mark.parametrize(
    "nonsense", [{}, {"snapshot.json": 7}, {"../../x.json": {"version": 1, "hashes": {"sha256": "00"}}}, []], ids=str
)
def test_a_timestamp_that_names_nothing_is_named(rig: Rig, nonsense: object) -> None:
    forge = forge_of(rig)
    forge.signed(TIMESTAMP)["meta"] = nonsense
    forge.serve_timestamp()
    found = problems(rig)
    assert [problem.key for problem in found] == [timestamp_key(GAME)]


def test_a_signature_that_does_not_fit_is_named_with_its_own_advice(rig: Rig) -> None:
    """Every file is the one that the one above names, and yet a stranger signed."""
    forge = forge_of(rig)
    forge.serve([BUILDS], by=[Hand.stranger()])
    (problem,) = problems(rig)
    assert (problem.key, problem.code) == (timestamp_key(GAME), "bad-signature")
    assert "Copy" not in problem.next


def test_metadata_that_expired_is_named_with_its_own_advice(rig: Rig) -> None:
    rig.clock.advance(LIFETIMES[TIMESTAMP] + DAY)
    (problem,) = problems(rig)
    assert (problem.key, problem.code) == (timestamp_key(GAME), "metadata-expired")
    assert "store refresh" in problem.next


def test_a_channel_that_points_to_nothing_is_named(rig: Rig) -> None:
    forge = forge_of(rig)
    forge.target(CHANNELS, "channels/stable")["build"] = BUILDS_MADE + 1
    forge.serve([CHANNELS])
    (problem,) = problems(rig)
    assert (problem.key, problem.code) == (timestamp_key(GAME), "build-missing")
    assert "channel" in problem.next
    with pytest.raises(BuildMissing):
        take_census(registry_of(rig.store, rig.folder / "stranger", rig.clock), Cancel())


def test_every_build_is_weighed_however_old(rig: Rig) -> None:
    census = take_census(registry_of(rig.store, rig.folder / "stranger", rig.clock), Cancel())
    assert census.total.builds == census.games[GAME].builds == BUILDS_MADE
    assert census.total.logical == sum(len(b"%d" % number) for number in range(1, BUILDS_MADE + 1))
    assert census.channels[GAME, "stable"].builds == 1
    assert census.orphans == 0
