"""What moves players: promote, withdraw, channels; and that nothing is stored where keys are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.people import Crew, Person

NEED_KEYS = [
    ["publish", "SOURCE", "toy"],
    ["publish", "SOURCE", "toy", "--dry-run"],
    ["build", "sign", "toy@#2"],
    ["build", "sign", "toy@#2", "--dry-run"],
    ["build", "promote", "toy@#3", "beta"],
    ["build", "withdraw", "toy@#3"],
    ["channel", "set", "toy", "stable", "--build", "1"],
    ["channel", "set", "toy", "stable", "--minimum", "1", "--dry-run"],
    ["channel", "delete", "toy", "stable"],
]


@pytest.mark.parametrize("words", NEED_KEYS, ids=" ".join)
def test_without_keys_nothing_is_stored(ann: Person, crew: Crew, words: list[str]) -> None:
    mallory = crew("mallory")
    ann.publish("two", "--candidate")
    ann.publish("three")
    given = [mallory.folder("four") if word == "SOURCE" else word for word in words]
    assert mallory.fails(*given) == (4, "keys-missing")
    assert not list(mallory.state.glob("*/keys/toy"))


def test_promote_points_a_channel_to_a_build(ann: Person, crew: Crew) -> None:
    ann.publish("two", "--channel", "beta", "--version", "2.0")
    before = ann.objects()
    told = ann.result("build", "promote", "toy@@beta", "stable", "--dry-run")
    assert (told["build"], told["changed"]) == (2, True)
    assert ann.objects() == before
    assert ann.result("build", "promote", "toy@@beta", "stable")["previous"] == 1
    assert ann("build", "promote", "toy@2.0", "stable", "--exit-code").exit == 3
    assert ann.result("build", "promote", "toy@#1", "old")["channel"] == "old"
    assert ann.channel("old") == 1


@pytest.mark.parametrize("verb", ["sign", "promote", "withdraw"])
def test_what_changes_a_build_has_to_name_it(ann: Person, verb: str) -> None:
    words = ("toy", "stable") if verb == "promote" else ("toy",)
    assert ann.fails("build", verb, *words) == (2, "usage")


@pytest.mark.parametrize("words", [["promote", "toy@#2", "stable"], ["withdraw", "toy@1.1"]], ids=" ".join)
def test_what_waits_has_to_be_signed_first(ann: Person, crew: Crew, words: list[str]) -> None:
    crew("ci").publish("two", "--candidate", "--version", "1.1")
    missing = ann("build", *words)
    assert (missing.exit, missing.document["error"]["code"]) == (5, "build-missing")
    assert "lading build sign toy@#2" in missing.document["error"]["next"]
    assert (ann.channel(), ann.fails("build", *words)) == (1, (5, "build-missing"))


def test_a_withdrawn_build_is_left(ann: Person, crew: Crew, tmp_path: Path) -> None:
    player = crew("player")
    ann.publish("two")
    ann.publish("three")
    assert player.update(tmp_path / "game") == (0, "three")
    before = ann.objects()
    told = ann.result("build", "withdraw", "toy@#3", "--dry-run")
    assert (told["state"], told["changed"], ann.objects() == before) == ("withdrawn", True, True)
    done = ann.result("build", "withdraw", "toy@#3")
    assert (done["state"], done["rollback_to"], done["channels"]) == ("withdrawn", 2, [])
    assert [(row["channel"], row["build"]) for row in done["moved"]] == [("stable", 2)]
    assert [state for _, _, state in ann.builds()] == ["live", "live", "withdrawn"]
    assert "withdrawn" in ann.text("build", "list", "toy")
    assert player.update(tmp_path / "game") == (0, "two")
    again = ann("build", "withdraw", "toy@#3", "--exit-code")
    assert (again.exit, again.document["result"]["changed"], again.document["result"]["moved"]) == (3, False, [])
    assert ann.fails("build", "promote", "toy@#3", "stable") == (2, "bad-channel-change")
    assert ann.fails("channel", "set", "toy", "beta", "--build", "3") == (2, "bad-channel-change")
    ann.result("build", "withdraw", "toy@#2")
    assert player.update(tmp_path / "game") == (0, "one")
    assert ann.fails("build", "withdraw", "toy@#1") == (10, "nothing-to-fall-back-to")


def test_the_only_build_can_be_withdrawn_from_no_channel(crew: Crew) -> None:
    ann = crew("ann")
    ann.publish("one", "--no-channel")
    assert ann.result("build", "withdraw", "toy@#1")["state"] == "withdrawn"


def test_players_follow_a_channel_that_is_set_back(ann: Person, crew: Crew, tmp_path: Path) -> None:
    """Further than the publisher allowed so far takes the keys of builds; as far as that, the online key will do."""
    player, server = crew("player"), crew("server")
    ann.give_keys(server)
    server.drop_key("builds")
    server.drop_key("root")
    ann.publish("two")
    ann.publish("three")
    assert player.update(tmp_path / "game") == (0, "three")
    assert server.fails("channel", "set", "toy", "stable", "--build", "1") == (4, "keys-missing")
    assert server.result("channel", "set", "toy", "stable", "--build", "2")["build"] == 2
    assert player.update(tmp_path / "game") == (0, "two")
    assert ann.result("channel", "set", "toy", "stable", "--build", "1")["build"] == 1
    assert player.update(tmp_path / "game") == (0, "one")
    builds = ann.result("build", "list", "toy")["builds"]
    assert [row["rollback_to"] for row in builds] == [None, 1, 1]


def test_a_channel_is_deleted(ann: Person) -> None:
    ann.publish("two", "--channel", "beta")
    before = ann.objects()
    told = ann.result("channel", "delete", "toy", "beta", "--dry-run")
    assert (told["channel"], told["build"], ann.objects() == before) == ("beta", 2, True)
    assert ann.result("channel", "delete", "toy", "beta")["changed"] is True
    assert [row["channel"] for row in ann.result("channel", "list", "toy")["channels"]] == ["stable"]
    assert ann.fails("channel", "delete", "toy", "beta") == (5, "channel-missing")
    assert ann.builds() == [(1, "1.0", "live"), (2, "2", "live")]
    assert "it led to #1" in ann.text("channel", "delete", "toy", "stable")
