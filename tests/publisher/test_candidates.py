"""Which candidates wait, and what became of those that do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manifest.documents import Build, DepotRef, GameState
from manifest.events import NullSink
from publisher.candidates import Candidate, Release, live_as, waiting
from publisher.signing import sign_candidate
from tests.kit.source import Publisher, write

REF = DepotRef("0" * 64, 1, 1, 1, 1)
OTHER = DepotRef("1" * 64, 1, 1, 1, 1)
SEALED = Candidate("main", REF, Release("1.0", "stable"), sealed_at=1000)
LIVE = Build(5, "1.0", {"main": REF, "dlc": OTHER}, published_at=1000, rollback_to=4)


def became(candidate: Candidate, number: int, build: Build = LIVE) -> bool:
    return live_as(GameState("toy", "toy", builds={build.number: build}), number, candidate) is not None


def test_a_candidate_lives_on_under_its_number_or_a_later_one() -> None:
    assert became(SEALED, 5)
    assert became(SEALED, 3)
    assert not became(SEALED, 6)  # the same was sealed again, in the same second


@pytest.mark.parametrize(
    "other",
    [
        {"published_at": 1001, "withdrawn": True},
        {"depots": {"main": OTHER}},
        {"depots": {"dlc": REF}},
        {"version": "1.1"},
        {"notes": "other"},
        {"notes_id": "0" * 64},
        {"critical": True},
    ],
    ids=str,
)
def test_a_later_build_of_something_else_is_another_one(other: dict[str, Any]) -> None:
    assert not became(SEALED, 3, replace(LIVE, **other))
    assert became(SEALED, 5, replace(LIVE, **other))


def test_without_a_label_the_number_is_the_label() -> None:
    nameless = replace(SEALED, release=Release(None, "stable"))
    assert became(nameless, 3, replace(LIVE, version="5"))
    assert not became(nameless, 3, replace(LIVE, version="3"))
    assert not became(nameless, 3, replace(LIVE, version="5", published_at=1001))


def test_a_label_that_was_published_again_waits_no_more() -> None:
    assert became(SEALED, 3, replace(LIVE, published_at=1001))


def test_whoever_signs_twice_signs_once(tmp_path: Path) -> None:
    machine = Publisher(write(tmp_path / "source", {"a.txt": "one"}), tmp_path / "state")
    machine.publish()
    for content in ("two", "three"):
        write(machine.folder, {"a.txt": content})
        machine.publish(candidate=content == "two")
    assert [number for number, _ in waiting(machine.registry, machine.registry.whole("toy"), NullSink())] == [2]
    for new in (True, False):
        _, build, created = sign_candidate(machine.registry, "toy", 2)
        assert (build.number, created) == (4, new)
    assert list(waiting(machine.registry, machine.registry.whole("toy"), NullSink())) == []
