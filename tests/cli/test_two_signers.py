"""Two people who have to sign together, each with a key that the other does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.people import Crew, Person


@pytest.fixture
def two(crew: Crew) -> tuple[Person, Person]:
    """Ann and Bob, who have to sign builds together, while Ann still has both keys. Build #1 is on stable, #2 and #3 on
    no channel."""
    ann, bob = crew("ann"), crew("bob")
    ann.result("game", "create", "toy", "--build-keys", "2", "--build-threshold", "2")
    ann.publish("one", "--version", "1.0")
    ann.publish("two", "--version", "2.0", "--no-channel")
    ann.publish("three", "--version", "3.0", "--no-channel")
    return ann, bob


def test_two_people_sign_one_build(crew: Crew, tmp_path: Path) -> None:
    ann, bob = crew("ann"), crew("bob")
    ann.result("game", "create", "toy", "--build-keys", "2", "--build-threshold", "2")
    ann.give_keys(bob)
    ann.drop_key("builds", 0)
    bob.drop_key("builds", 1)
    sealed = ann.publish("one")
    assert {key: sealed[key] for key in ("build", "state", "signatures", "needed", "created")} == {
        "build": 1,
        "state": "sealed",
        "signatures": 1,
        "needed": 2,
        "created": True,
    }
    assert ann.builds() == [(1, "1", "sealed")]
    assert ann.result("channel", "list", "toy")["channels"] == []
    again = ann.result("build", "sign", "toy@#1")
    assert (again["state"], again["signatures"], again["needed"], again["changed"]) == ("sealed", 1, 2, False)
    before = ann.objects()
    assert bob.result("build", "sign", "toy@#1", "--dry-run")["state"] == "live"
    assert ann.objects() == before
    signed = bob.result("build", "sign", "toy@#1")
    assert (signed["state"], signed["channels"], signed["changed"]) == ("live", ["stable"], True)
    assert "signatures" not in signed
    assert ann("build", "sign", "toy@#1", "--exit-code").exit == 3
    assert crew("player").update(tmp_path / "game") == (0, "one")


def test_whoever_signs_first_is_told_who_is_next(crew: Crew) -> None:
    ann, bob = crew("ann"), crew("bob")
    ann.result("game", "create", "toy", "--build-keys", "2", "--build-threshold", "2")
    ann.give_keys(bob)
    ann.drop_key("builds", 0)
    bob.drop_key("builds", 1)
    for told in (ann.text("publish", ann.folder("one"), "toy"), ann.text("build", "sign", "toy@#1")):
        assert "Signed by 1 of 2" in told
        assert "lading build sign toy@#1" in told
    crew("ci").publish("two", "--candidate")
    told = ann.text("build", "sign", "toy@#2", "--dry-run")
    assert "Would sign toy 2, build #2." in told


def test_both_sign_a_candidate_that_was_overtaken(crew: Crew) -> None:
    ann, bob = crew("ann"), crew("bob")
    ann.result("game", "create", "toy", "--build-keys", "2", "--build-threshold", "2")
    crew("ci").publish("one", "--candidate")
    crew("ci").publish("two", "--candidate")
    ann.result("build", "sign", "toy@#2")
    ann.give_keys(bob)
    ann.drop_key("builds", 0)
    bob.drop_key("builds", 1)
    first = ann.result("build", "sign", "toy@#1")
    assert (first["build"], first["state"]) == (3, "sealed")
    assert "build sign toy@#3" in ann.text("build", "sign", "toy@#3")
    assert bob.result("build", "sign", "toy@#3")["state"] == "live"
    assert [(number, state) for number, _, state in ann.builds()] == [(2, "live"), (3, "live")]


CO_SIGNED = [
    ["build", "withdraw", "toy@#3"],
    ["channel", "set", "toy", "stable", "--build", "1"],
    ["build", "promote", "toy@1.0", "stable"],
]


@pytest.mark.parametrize("words", CO_SIGNED, ids=" ".join)
def test_two_people_let_players_go_back(two: tuple[Person, Person], words: list[str]) -> None:
    ann, bob = two
    ann.result("build", "promote", "toy@#3", "stable")
    ann.give_keys(bob)
    ann.drop_key("builds", 0)
    bob.drop_key("builds", 1)
    before = ann.objects()
    told = ann(*words, "--dry-run")
    assert (told.exit, told.document["result"]["signatures"]) == (0, 1)
    assert ann.objects() == before
    half = ann(*words, "--exit-code")
    assert (half.exit, half.document["ok"]) == (0, True)
    result = half.document["result"]
    assert (result["signatures"], result["needed"], result["changed"]) == (1, 2, False)
    signed = {key for key in ann.objects() if "/signing/" not in key}
    assert signed == set(before)
    assert ann.channel() == 3
    assert "Another one runs the same command." in ann.text(*words)
    assert bob.result(*words)["changed"] is True
    assert (ann.channel(), ann(*words, "--exit-code").exit) == (1, 3)


def test_leading_players_forward_takes_no_key_of_builds(two: tuple[Person, Person]) -> None:
    ann, _ = two
    for _ in range(2):
        ann.drop_key("builds")
    assert ann.result("build", "promote", "toy@#2", "stable")["changed"] is True
    assert ann.channel() == 2
