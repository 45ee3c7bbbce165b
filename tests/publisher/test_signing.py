"""Signing what was sealed elsewhere: nothing in a candidate is taken for true, and each becomes one build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chunkstore.errors import LadingError
from chunkstore.store import KeyMissing
from chunkstore.wrappers.fault import FaultyStore
from delta.changes import Changes
from manifest.documents import BuildMissing, GameMissing
from manifest.keys import candidate_key, manifest_key, pack_key
from manifest.trust.refusals import KeysMissing
from publisher.candidates import encode_candidate, read_candidate
from publisher.commit import VersionTaken
from publisher.settings import DepotConfig
from publisher.signing import CandidateUnusable, changes_of, sign_candidate
from tests.kit.source import Publisher, write

LONG = "a line of news\n" * 200


@pytest.fixture
def machine(tmp_path: Path) -> Publisher:
    """Build 1 is live, and #2 is sealed: other content, with notes that are an object of their own."""
    machine = Publisher(write(tmp_path / "source", {"a.txt": "one", "gone.txt": "x"}), tmp_path / "state")
    machine.publish()
    write(machine.folder, {"a.txt": "two", "new.txt": "n"})
    (machine.folder / "gone.txt").unlink()
    machine.clock.advance(60)
    sealed = machine.publish(candidate=True, notes=LONG, critical=True)
    assert (sealed.number, sealed.live) == (2, False)
    return machine


def test_it_goes_live_as_it_was_sealed(machine: Publisher) -> None:
    sealed_at = int(machine.clock.now())
    machine.clock.advance(3600)
    state, build, created = sign_candidate(machine.registry, "toy", 2)
    assert created
    assert (build.number, build.version, build.critical, build.rollback_to) == (2, "2", True, 1)
    assert build.published_at == sealed_at
    assert machine.registry.notes("toy", build.notes_id) == LONG
    assert state.channels["stable"].build == 2
    assert state == machine.registry.whole("toy")
    head = machine.registry.head("toy", build.depots["main"].manifest)
    assert [diff.build for diff in head.diffs] == [1]
    assert sign_candidate(machine.registry, "toy", 2) == (state, build, False)


def test_who_signs_sees_what_it_changes(machine: Publisher) -> None:
    state = machine.registry.whole("toy")
    candidate = read_candidate(machine.registry, "toy", 2)
    changes = changes_of(machine.registry, state, candidate)
    assert (changes.added, changes.removed, changes.changed) == (["new.txt"], ["gone.txt"], ["a.txt"])
    alone = replace(candidate, depot="dlc")
    assert changes_of(machine.registry, state, alone) == Changes(["a.txt", "new.txt"], [], [], [])


def test_one_that_was_overtaken_gets_a_new_number_once(machine: Publisher) -> None:
    other = machine.colleague(write(machine.state.parent / "dlc", {"dlc.txt": "dlc"}), machine.state.parent / "other")
    assert other.publish(depot=DepotConfig("dlc")).number == 3
    state, build, created = sign_candidate(machine.registry, "toy", 2)
    assert (build.number, build.version, created) == (4, "4", True)
    assert set(build.depots) == {"dlc", "main"}
    assert set(state.builds) == {1, 3, 4}
    assert sign_candidate(machine.registry, "toy", 2) == (state, build, False)
    assert sign_candidate(machine.registry, "toy", 4) == (state, build, False)


def test_whoever_stores_candidates_does_not_use_up_the_numbers(machine: Publisher) -> None:
    last = (1 << 53) - 1
    assert machine.registry.seal("toy", last, machine.registry.candidate("toy", 2))
    with pytest.raises(CandidateUnusable, match="number"):
        sign_candidate(machine.registry, "toy", last)
    assert sign_candidate(machine.registry, "toy", 2)[1].number == 2
    write(machine.folder, {"a.txt": "three"})
    assert machine.publish().number == 3


def test_without_keys_nothing_is_written(machine: Publisher) -> None:
    stranger = replace(machine, state=machine.state.parent / "stranger")
    stranger.store = counted = FaultyStore(machine.store, ())
    with pytest.raises(KeysMissing):
        sign_candidate(stranger.registry, "toy", 2)
    assert counted.calls("put") + counted.calls("replace") == 0


def lose_the_packs(machine: Publisher) -> None:
    for pack in machine.registry.packs("toy"):
        machine.store.delete(pack_key("toy", pack))


def lose_the_manifest(machine: Publisher) -> None:
    machine.store.delete(manifest_key("toy", read_candidate(machine.registry, "toy", 2).ref.manifest))


def lie_about_its_counts(machine: Publisher) -> None:
    candidate = read_candidate(machine.registry, "toy", 2)
    rewrite(machine, encode_candidate(replace(candidate, ref=replace(candidate.ref, files=7))))


def name_a_parent_that_is_not_there(machine: Publisher) -> None:
    candidate = read_candidate(machine.registry, "toy", 2)
    rewrite(machine, encode_candidate(replace(candidate, release=replace(candidate.release, parent=9))))


def take_the_label_of_another(machine: Publisher) -> None:
    candidate = read_candidate(machine.registry, "toy", 2)
    rewrite(machine, encode_candidate(replace(candidate, release=replace(candidate.release, version="1"))))


def rewrite(machine: Publisher, data: bytes) -> None:
    machine.store.delete(candidate_key("toy", 2))
    machine.store.put(candidate_key("toy", 2), data)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lose_the_packs, CandidateUnusable),
        (lose_the_manifest, KeyMissing),
        (lie_about_its_counts, CandidateUnusable),
        (name_a_parent_that_is_not_there, BuildMissing),
        (take_the_label_of_another, VersionTaken),
    ],
)
def test_one_that_is_not_whole_or_lies_is_not_signed(
    machine: Publisher, spoil: Callable[[Publisher], None], error: type[LadingError]
) -> None:
    spoil(machine)
    before = machine.registry.whole("toy")
    with pytest.raises(error):
        sign_candidate(machine.registry, "toy", 2)
    assert machine.registry.whole("toy") == before


def test_one_that_is_not_there(machine: Publisher) -> None:
    with pytest.raises(BuildMissing, match="#7"):
        sign_candidate(machine.registry, "toy", 7)
    with pytest.raises(GameMissing):
        sign_candidate(machine.registry, "other", 1)


def test_a_game_that_is_not_there_gets_no_candidate(tmp_path: Path) -> None:
    """Else it would look like a game whose pointer is lost."""
    machine = Publisher(write(tmp_path / "source", {"a.txt": "one"}), tmp_path / "state")
    with pytest.raises(GameMissing) as caught:
        machine.publish(candidate=True)
    assert "game create" in caught.value.next
    assert machine.registry.candidates("toy") == []
    assert machine.publish().number == 1
