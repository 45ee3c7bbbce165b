"""From open over sealed and signed to live: killed at any call that changes the store, a publish is not live or live.

The same command then finishes it, once, and nothing that was live is lost. Issues of a label show it: each names one
build, whatever died before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chunkstore.cancel import Cancel
from chunkstore.wrappers.fault import Fault, FaultyStore
from manifest.documents import GameMissing, GameState
from manifest.events import NullSink
from manifest.soundness import check_store
from manifest.trust.keyplan import KeyPlan
from manifest.trust.refusals import SignaturesMissing
from publisher.candidates import waiting
from publisher.channels import ChannelChange, delete_channel, set_channel
from publisher.games import create_game
from publisher.settings import DepotConfig
from publisher.signing import sign_candidate
from publisher.withdrawal import withdraw
from tests.kit.mortality import CHANGING, Killed, deaths, killed_at
from tests.kit.published import hand_over_keys
from tests.kit.signed import reader_of
from tests.kit.source import Publisher, write

Act = Callable[[Publisher], object]
Live = Mapping[str, tuple[str, ...]]
"""What is to be seen of a game: for each label the depots of its build, and for each channel the label it points to."""


@dataclass(frozen=True)
class Case:
    """`act` is what dies; `before` and `after` are what is live, each build once. `waiting` candidates are not."""

    act: Act
    after: Live
    prepare: Act = lambda machine: None
    before: Live | None = None
    waiting: tuple[int, ...] = (0,)

    @property
    def seen(self) -> list[Live | None]:
        """What may be live after a death. A game that a first build makes is empty for a moment."""
        return [self.before, self.after, *([] if self.before else [{}])]


def publish(machine: Publisher, **said: Any) -> object:
    return machine.publish(**{"version": "2.0", **said})


def first(machine: Publisher) -> None:
    """Build 1.0 is live, and the folder has other content since."""
    machine.publish(version="1.0")
    write(machine.folder, {"a.txt": "two"})
    machine.clock.advance(60)


def elsewhere(machine: Publisher) -> Publisher:
    """The same machine publishes another folder."""
    other = replace(machine, folder=write(machine.state.parent / "dlc", {"dlc.txt": "dlc"}))
    other.store = machine.store
    return other


def after_first(act: Act) -> Act:
    def prepare(machine: Publisher) -> None:
        first(machine)
        act(machine)

    return prepare


def candidate(machine: Publisher) -> None:
    machine.publish(version="2.0", candidate=True)


def sign(machine: Publisher) -> object:
    return sign_candidate(machine.registry, "toy", 2)


def two_keys(machine: Publisher) -> None:
    """A game of which two build keys have to sign; this machine has one of them, `other` has the other."""
    machine.registry.create("toy", "toy", KeyPlan(build_keys=2, build_threshold=2))
    other = other_state(machine)
    hand_over_keys(machine.state, other)
    keys = sorted(path.relative_to(other) for path in other.glob("*/keys/toy/builds-*.json"))
    assert len(keys) == 2
    (machine.state / keys[0]).unlink()
    (other / keys[1]).unlink()


def signed_by_one(machine: Publisher) -> None:
    two_keys(machine)
    publish(machine)


def other_state(machine: Publisher) -> Path:
    return machine.state / "other"


def the_other_signs(machine: Publisher) -> object:
    """If they died after their signature was there, it is asked for by both once more."""
    other = replace(machine, state=other_state(machine))
    try:
        return sign_candidate(other.registry, "toy", 1)
    except SignaturesMissing:
        return sign_candidate(machine.registry, "toy", 1)


ONE: Live = {"1.0": ("main",), "@stable": ("1.0",)}
TWO: Live = {"1.0": ("main",), "2.0": ("main",), "@stable": ("2.0",)}
CASES: dict[str, Case] = {
    "a game is made": Case(
        lambda machine: create_game(machine.registry, "toy", None, KeyPlan(root_keys=3, root_threshold=2)), {}
    ),
    "a first build": Case(publish, {"2.0": ("main",), "@stable": ("2.0",)}),
    "a next build": Case(publish, TWO, first, ONE),
    "another depot": Case(
        lambda machine: publish(elsewhere(machine), depot=DepotConfig("dlc")),
        {**TWO, "2.0": ("dlc", "main")},
        first,
        ONE,
    ),
    "a build on no channel": Case(partial(publish, channel=None), {**TWO, "@stable": ("1.0",)}, first, ONE),
    "a candidate": Case(candidate, ONE, first, ONE, waiting=(1,)),
    "a candidate is signed": Case(sign, TWO, after_first(candidate), ONE),
    "a channel is set back": Case(
        lambda machine: set_channel(machine.registry, "toy", "stable", ChannelChange(build=1)),
        {**TWO, "@stable": ("1.0",)},
        after_first(publish),
        TWO,
    ),
    "a channel is deleted": Case(
        lambda machine: (
            delete_channel(machine.registry, "toy", "beta")
            if "beta" in machine.registry.whole("toy").channels
            else None
        ),
        ONE,
        after_first(lambda machine: set_channel(machine.registry, "toy", "beta", ChannelChange(build=1))),
        {**ONE, "@beta": ("1.0",)},
    ),
    "a build is withdrawn": Case(
        lambda machine: withdraw(machine.registry, "toy", 2),
        {**TWO, "2.0": ("withdrawn",), "@stable": ("1.0",)},
        after_first(publish),
        TWO,
    ),
    "one of two signs": Case(publish, {}, two_keys, {}, waiting=(1, 2)),  # what died unsigned waits as well
    "the second of two signs": Case(
        the_other_signs,
        {"2.0": ("main",), "@stable": ("2.0",)},
        signed_by_one,
        {},
    ),
}


def seen_by_a_stranger(machine: Publisher, folder: Path) -> Live | None:
    try:
        return shown(reader_of(machine.store, folder, machine.clock).whole("toy"))
    except GameMissing:
        return None


def shown(state: GameState) -> Live:
    builds = list(state.builds.values())
    assert len({build.version for build in builds}) == len(builds), "a label was published twice"
    labels = {build.version: ("withdrawn",) if build.withdrawn else tuple(sorted(build.depots)) for build in builds}
    return labels | {f"@{name}": (state.build(each.build).version,) for name, each in state.channels.items()}


def prepared(case: Case, folder: Path) -> Publisher:
    machine = Publisher(write(folder / "source", {"a.txt": "one", "b.txt": "two"}), folder / "state")
    case.prepare(machine)
    return machine


def assert_finished(case: Case, machine: Publisher, home: Path) -> None:
    """The same command ends; then it is live, once, and every object of it is there."""
    machine.clock.advance(3600)
    case.act(machine)
    assert seen_by_a_stranger(machine, home / "another") == case.after
    registry = machine.registry
    found = check_store(registry, quick=True, workers=1, sink=NullSink(), cancel=Cancel())
    assert found.problems == []
    assert len(list(waiting(registry, registry.whole("toy"), machine.events))) in case.waiting


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_killed_at_every_call_that_changes_the_store(case: Case, tmp_path: Path) -> None:
    made = prepared(case, tmp_path / "made")
    counting = made.copy(tmp_path / "counting")
    counting.store = counted = FaultyStore(counting.store, ())
    case.act(counting)
    faults = [fault for fault in deaths(counted) if fault.verb in CHANGING]
    assert len(faults) >= 4
    seen = set()
    for number, fault in enumerate(faults):
        home = tmp_path / str(number)
        machine = made.copy(home)
        kill(case, machine, fault)
        live = seen_by_a_stranger(machine, home / "stranger")
        assert live in case.seen
        seen.add(live == case.after)
        assert_finished(case, machine, home)
    assert True in seen


def kill(case: Case, machine: Publisher, fault: Fault) -> None:
    inner = machine.store
    machine.store = dying = FaultyStore(inner, [fault])
    with pytest.raises(Killed):
        case.act(machine)
    dying.assert_exhausted()
    machine.store = inner


@pytest.mark.parametrize("name", ["a game is made", "a first build", "a next build", "a candidate"])
def test_killed_at_every_step_on_the_machine_itself(name: str, tmp_path: Path) -> None:
    """Between two keys, in the middle of one, before the session is noted, after it."""
    case = CASES[name]
    made = prepared(case, tmp_path / "made")
    for moment in count(0, 1 if name == "a game is made" else 3):
        home = tmp_path / str(moment)
        machine = made.copy(home)
        if not killed_at(moment, partial(case.act, machine)):
            break
        assert seen_by_a_stranger(machine, home / "stranger") in case.seen
        assert_finished(case, machine, home)
    assert moment > 5


def test_what_both_signed_is_live_once(tmp_path: Path) -> None:
    case = CASES["the second of two signs"]
    machine = prepared(case, tmp_path / "made")
    assert machine.registry.whole("toy").builds == {}
    for home in ("once", "again"):
        assert_finished(case, machine, tmp_path / home)
