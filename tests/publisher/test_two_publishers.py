"""Two publishers at once: before whichever call of one the other comes, nothing is lost and no sibling is stale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chunkstore.cancel import Cancel
from chunkstore.wrappers.fault import Fault, FaultyStore
from manifest.documents import GameState
from manifest.events import NullSink
from manifest.soundness import check_store
from publisher.channels import ChannelChange, set_channel
from publisher.publish import Published
from publisher.settings import DepotConfig
from publisher.signing import sign_candidate
from publisher.withdrawal import withdraw
from tests.kit.mortality import CHANGING, READING
from tests.kit.source import Publisher, write

DLC = DepotConfig("dlc")


@dataclass
class Two:
    """Two machines with the same keys and store: `one` publishes the depot `main`, `other` another folder."""

    one: Publisher
    other: Publisher

    def copy(self, home: Path) -> Two:
        one = self.one.copy(home / "one")
        other = one.colleague(self.other.folder, home / "other")
        return Two(one, other)

    def meanwhile(
        self,
        act: Callable[[Two], object],
        other: Callable[[Two], object],
        home: Path,
        verbs: Sequence[str] = CHANGING + READING,
    ) -> Iterator[Two]:
        """`act` with `other` before each of its calls to the store of these verbs, every time on a copy."""
        counting = self.copy(home / "counting")
        counting.one.store = counted = FaultyStore(counting.one.store, ())
        act(counting)
        calls = [(verb, call) for verb in verbs for call in range(1, counted.calls(verb) + 1)]
        assert len(calls) > 10
        for verb, call in calls:
            two = self.copy(home / f"{verb} {call}")
            inner = two.one.store

            def first_the_other(work: Callable[[], Any], two: Two = two) -> Any:
                other(two)
                return work()

            two.one.store = busy = FaultyStore(inner, [Fault(verb, call, first_the_other)])
            act(two)
            busy.assert_exhausted()
            two.one.store = inner
            yield two

    @property
    def state(self) -> GameState:
        """What is live in the end; all that it names is there."""
        registry = self.one.registry
        found = check_store(registry, quick=True, workers=1, sink=NullSink(), cancel=Cancel())
        assert found.problems == []
        return registry.whole("toy")


@pytest.fixture
def two(tmp_path: Path) -> Two:
    """Build 1 has the depot `main`, build 2 the depot `dlc` as well; both folders hold other content since."""
    one = Publisher(write(tmp_path / "main", {"main.txt": "1"}), tmp_path / "one")
    one.publish()
    other = one.colleague(write(tmp_path / "dlc", {"dlc.txt": "1"}), tmp_path / "other")
    other.publish(depot=DLC)
    write(one.folder, {"main.txt": "2"})
    write(other.folder, {"dlc.txt": "2"})
    return Two(one, other)


def ends(two: Two, published: list[Published]) -> tuple[GameState, set[str]]:
    """What is live in the end, and the manifests that were published; each has a build of its own number."""
    state = two.state
    assert len({each.number for each in published}) == len(published)
    for each in published:
        assert each.created
        assert each.manifest in {ref.manifest for ref in state.build(each.number).depots.values()}
    assert state.channels["stable"].build == max(each.number for each in published) == max(state.builds)
    return state, {each.manifest for each in published}


def test_two_depots_of_one_game(two: Two, tmp_path: Path) -> None:
    """The last build holds both new depots, whoever was first."""
    published: list[Published] = []
    winners = set()
    for done in two.meanwhile(
        lambda two: published.append(two.one.publish()),
        lambda two: published.append(two.other.publish(depot=DLC)),
        tmp_path / "tries",
    ):
        state, manifests = ends(done, published[-2:])
        newest = state.builds[max(state.builds)]
        assert {ref.manifest for ref in newest.depots.values()} == manifests
        assert set(newest.depots) == {"main", "dlc"}
        assert len(state.builds) == 4
        winners.add(published[-1].number > published[-2].number)
    assert winners == {True, False}, "the races did not end both ways"


def test_one_depot(two: Two, tmp_path: Path) -> None:
    """Both contents are builds of their own; the channel shows the last one, with the sibling that was there."""
    two.other = two.one.colleague(write(tmp_path / "rival", {"main.txt": "3"}), tmp_path / "rival state")
    published: list[Published] = []
    for done in two.meanwhile(
        lambda two: published.append(two.one.publish()),
        lambda two: published.append(two.other.publish()),
        tmp_path / "tries",
        CHANGING,
    ):
        state, manifests = ends(done, published[-2:])
        assert len(manifests) == 2
        assert {state.build(each.number).depots["dlc"] for each in published[-2:]} == {state.builds[2].depots["dlc"]}
        assert len(state.builds) == 4


def test_equal_content_of_one_label(two: Two, tmp_path: Path) -> None:
    """It is one build, whoever made it."""
    two.other = two.one.colleague(two.one.folder, tmp_path / "twin state")
    published: list[Published] = []
    for done in two.meanwhile(
        lambda two: published.append(two.one.publish(version="2.0")),
        lambda two: published.append(two.other.publish(version="2.0")),
        tmp_path / "tries",
    ):
        twin, mine = published[-2:]
        assert (twin.number, twin.created + mine.created) == (mine.number, 1)
        state = done.state
        assert [build.version for build in state.builds.values()] == ["1", "2", "2.0"]
        assert state.channels["stable"].build == mine.number


def test_a_candidate_is_signed_while_another_depot_is_published(two: Two, tmp_path: Path) -> None:
    """It becomes a build on top of what is live then, whatever was live when it was sealed."""
    sealed = two.one.publish(candidate=True)
    published: list[Published] = []
    for done in two.meanwhile(
        lambda two: sign_candidate(two.one.registry, "toy", sealed.number),
        lambda two: published.append(two.other.publish(depot=DLC)),
        tmp_path / "tries",
    ):
        state = done.state
        newest = state.builds[max(state.builds)]
        assert {ref.manifest for ref in newest.depots.values()} == {sealed.manifest, published[-1].manifest}
        assert (len(state.builds), state.channels["stable"].build) == (4, newest.number)
        again = sign_candidate(done.one.registry, "toy", sealed.number)
        assert (len(again[0].builds), again[2]) == (4, False)


def test_a_channel_is_set_while_a_build_is_published(two: Two, tmp_path: Path) -> None:
    published: list[Published] = []
    for done in two.meanwhile(
        lambda two: published.append(two.one.publish()),
        lambda two: set_channel(two.other.registry, "toy", "beta", ChannelChange(build=1)),
        tmp_path / "tries",
        CHANGING,
    ):
        state = done.state
        assert {name: each.build for name, each in state.channels.items()} == {"beta": 1, "stable": 3}
        assert set(state.builds) == {1, 2, 3}


def test_a_build_is_withdrawn_while_the_next_is_published(two: Two, tmp_path: Path) -> None:
    """The withdrawal stays, and so does the new build; players of the withdrawn one get there."""
    published: list[Published] = []
    for done in two.meanwhile(
        lambda two: published.append(two.one.publish()),
        lambda two: withdraw(two.other.registry, "toy", 2),
        tmp_path / "tries",
        CHANGING,
    ):
        state = done.state
        assert [build.withdrawn for build in state.builds.values()] == [False, True, False]
        assert state.channels["stable"].build == published[-1].number == 3
        assert state.channels["stable"].previous in (0, 1)
