"""Games and their keys as they are made: what is said of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.people import Crew, Person


def test_a_publish_that_makes_keys_says_where_they_are(crew: Crew) -> None:
    ann = crew("ann")
    made = ann.publish("one")
    assert sorted(file.parent for files in ann.keys().values() for file in files) == [Path(made["keys"])] * 3
    pin = (Path(made["keys"]) / "pin").read_text()
    assert made["pin"] == pin
    assert ann.result("game", "show", "toy")["pin"] == pin
    assert not {"keys", "pin"} & set(ann.publish("two"))
    told = ann.text("publish", ann.folder("one"), "other")
    assert "lading key backup other --to FILE" in told
    assert str(Path(made["keys"]).parent / "other") in told
    assert ann.result("game", "show", "other")["pin"] in told
    assert "backup" not in ann.text("publish", ann.folder("two"), "other")


def test_a_dry_run_makes_no_key_and_no_file(crew: Crew) -> None:
    ann = crew("ann")
    for words in (["publish", ann.folder("one"), "toy"], ["game", "create", "toy", "--root-keys", "3"]):
        told = ann.result(*words, "--dry-run")
        assert (told["created"], {"keys", "pin"} & set(told)) == (True, set())
        assert not ann.store.exists()
        assert not ann.state.exists()
    ann.publish("one")
    before, kept = ann.objects(), sorted(ann.state.rglob("*"))
    ann.result("game", "create", "other", "--dry-run")
    assert ann.objects() == before
    assert sorted(ann.state.rglob("*")) == kept


def test_a_game_is_made_with_the_keys_that_were_asked_for(crew: Crew) -> None:
    ann = crew("ann")
    words = ("--root-keys", "3", "--threshold", "2", "--build-keys", "2", "--build-threshold", "1")
    made = ann.result("game", "create", "toy", *words)
    assert (made["created"], made["game"], made["scope"]) == (True, "toy", "toy")
    assert {kind: len(files) for kind, files in ann.keys().items()} == {"root": 3, "builds": 2, "online": 1}
    assert Path(made["keys"]) == ann.keys()["root"][0].parent
    shown = ann.result("game", "show", "toy")
    assert shown["pin"] == made["pin"] == (Path(made["keys"]) / "pin").read_text()
    assert shown["roles"] == {
        "builds": {"keys": 2, "threshold": 1},
        "online": {"keys": 1, "threshold": 1},
        "root": {"keys": 3, "threshold": 2},
    }
    roles = {"root", "targets", "builds", "channels", "snapshot", "timestamp"}
    assert set(shown["expires"]) == roles
    assert shown["expires"]["root"] > shown["expires"]["snapshot"] > 1_764_000_000
    told = ann.text("game", "show", "toy")
    assert made["pin"] in told
    assert "2 of 3 sign" in told
    assert "root expires" in told
    assert ann.publish("one")["state"] == "live"

    again = ann("game", "create", "toy", *words, "--exit-code")
    assert (again.exit, again.document["result"]) == (3, {"game": "toy", "scope": "toy", "created": False})
    assert ann("game", "create", "toy", "--exit-code").exit == 3
    text = ann.text("game", "create", "other")
    assert "lading key backup other --to FILE" in text
    assert ann.result("game", "show", "other")["pin"] in text


@pytest.mark.parametrize(
    ("words", "exit", "code"),
    [
        (["toy", "--root-keys", "0"], 2, "bad-key-plan"),
        (["new", "--threshold", "2"], 2, "bad-key-plan"),
        (["new", "--build-keys", "17"], 2, "bad-key-plan"),
        (["new", "--build-threshold", "-1"], 2, "bad-key-plan"),
        (["new", "--root-keys", "two"], 2, "usage"),
        (["New"], 2, "bad-name"),
        (["toy", "--root-keys", "2"], 10, "keys-fixed"),
        (["toy", "--build-keys", "2", "--build-threshold", "2"], 10, "keys-fixed"),
        (["toy", "--scope", "shared"], 10, "scope-fixed"),
    ],
)
def test_games_that_are_not_made(ann: Person, words: list[str], exit: int, code: str) -> None:
    kept = sorted(ann.state.rglob("keys/*"))
    assert ann.fails("game", "create", *words) == (exit, code)
    assert sorted(ann.state.rglob("keys/*")) == kept
