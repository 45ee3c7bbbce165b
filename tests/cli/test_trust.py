"""The words for trust: the first contact, what is shown and exported of it, and what holds when dates have passed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.kit.clock import FakeClock
from tests.kit.machines import STORE, Machine, publish_toy
from tests.kit.privileges import unprivileged_folder
from tests.kit.source import write

DAY = 86400
PAST_THE_ONLINE_ROLES = 401 * DAY


@pytest.fixture
def player(studio: Machine, tmp_path: Path) -> Machine:
    """Somebody who never heard of the game."""
    return Machine(tmp_path / "player", studio.clock)


def publish(studio: Machine, text: str) -> int:
    write(Path("source"), {"readme.txt": text})
    build: int = studio.result("publish", "source", "toy", "--store", STORE)["build"]
    return build


def install(player: Machine, *words: str, into: str = "game") -> Any:
    return player("install", "toy", "--into", into, "--store", STORE, *words)


def pin_in(store: str, version: int = 1) -> str:
    root = Path(store, "tuf", "toy", f"{version}.root.json").read_bytes()
    return f"sha256:{hashlib.sha256(root).hexdigest()}@{version}"


def shown(machine: Machine, *words: str) -> dict[str, Any]:
    (row,) = machine.result("trust", "show", *words)["trusted"]
    assert isinstance(row, dict)
    return row


# The first contact


def test_nobody_is_believed_unasked(player: Machine) -> None:
    refused = install(player)
    error = refused.document["error"]
    assert (refused.exit, error["code"], error["data"]) == (6, "trust-needed", {"root": pin_in(STORE)})
    assert not Path("game").exists()


def test_first_use_says_who_was_believed(player: Machine) -> None:
    done = install(player, "--trust", "first-use")
    assert (done.exit, player.warnings(done)) == (0, ["first-use"])
    assert pin_in(STORE) in done.stderr
    assert player.warnings(install(player, "--trust", "first-use", into="again")) == []


def test_first_use_is_an_event(player: Machine) -> None:
    done = install(player, "--trust", "first-use", "--events")
    (warning,) = [event for event in done.events if event["type"] == "warning"]
    assert (warning["code"], warning["where"]) == ("first-use", pin_in(STORE))


def test_first_use_believes_nobody_instead_of_whom_it_knows(player: Machine, studio: Machine, tmp_path: Path) -> None:
    assert install(player, "--trust", "first-use").exit == 0
    thief = Machine(tmp_path / "thief", studio.clock)
    thief.result("publish", "source", "toy", "--store", "forged")
    shutil.copy(f"{STORE}/lading.json", "forged/lading.json")
    shutil.rmtree(player.state)
    words = ["install", "toy", "--into", "game", "--store", "forged", "--trust", "first-use"]
    assert player.refused(*words) == (6, "root-mismatch")


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_a_pin(player: Machine, how: str) -> None:
    if how == "variable":
        player.variables["LADING_TRUST"] = pin_in(STORE)
    done = install(player, *(["--trust", pin_in(STORE)] if how == "flag" else []))
    assert (done.exit, player.warnings(done)) == (0, [])


def test_the_pin_of_another_root(player: Machine) -> None:
    refused = install(player, "--trust", f"sha256:{'ab' * 32}")
    assert (refused.exit, refused.document["error"]["code"]) == (6, "root-mismatch")
    assert not Path("game").exists()


def test_a_root_file_that_a_launcher_brought_is_not_fetched(player: Machine) -> None:
    Path(STORE, "tuf/toy/1.root.json").rename("toy.root.json")
    assert install(player, "--trust", "first-use").exit != 0
    done = install(player, "--trust", "./toy.root.json")
    assert (done.exit, player.warnings(done)) == (0, [])
    assert shown(player, "toy")["pin"].startswith("sha256:")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda root: b"{}", "bad-metadata"),
        (lambda root: root[:-1], "bad-metadata"),
        (lambda root: root.replace(b'"toy"', b'"chess"'), "other-games-metadata"),
        (lambda root: root.replace(b'"expires":"20', b'"expires":"21'), "bad-signature"),
    ],
    ids=["no root", "cut", "another game's", "changed"],
)
def test_a_root_file_that_is_none(player: Machine, spoil: Any, code: str) -> None:
    root = Path(STORE, "tuf/toy/1.root.json").read_bytes()
    Path("toy.root.json").write_bytes(spoil(root))
    refused = install(player, "--trust", "toy.root.json")
    assert (refused.exit, refused.document["error"]["code"]) == (6, code)
    assert install(player, "--trust", pin_in(STORE)).exit == 0


@pytest.mark.parametrize("word", ["absent.json", "sha256:00", "always"])
def test_what_is_neither_a_pin_nor_a_file(player: Machine, word: str) -> None:
    refused = install(player, "--trust", word)
    assert (refused.exit, refused.document["error"]["code"]) == (2, "bad-pin")


# What is shown and exported


def test_show_tells_what_is_trusted(studio: Machine, player: Machine) -> None:
    install(player, "--trust", "first-use")
    row = shown(player)
    assert (row["game"], row["pin"], row["newest"]) == ("toy", pin_in(STORE), pin_in(STORE))
    assert row["registry"] == json.loads(Path(STORE, "lading.json").read_bytes())["registry"]
    assert {kind: (len(keys["keys"]), keys["threshold"]) for kind, keys in row["keys"].items()} == dict.fromkeys(
        ["root", "builds", "online"], (1, 1)
    )
    assert set(row["roles"]) == {"root", "targets", "builds", "channels", "snapshot", "timestamp"}
    assert row["roles"]["timestamp"]["expires"] == studio.clock.now() + 400 * DAY
    assert row["marks"]["channels"] == {"stable": 1}
    assert (row["walked_at"], row["clock_behind_seconds"]) == (studio.clock.now(), 0)


def test_show_follows_rotations_and_builds(studio: Machine, player: Machine) -> None:
    install(player, "--trust", "first-use")
    studio.result("key", "rotate", "toy", "--role", "root", "--store", STORE)
    publish(studio, "more")
    player.result("update", "game")
    row = shown(player, "toy")
    assert (row["pin"], row["newest"]) == (pin_in(STORE), pin_in(STORE, 2))
    assert (row["marks"]["root"], row["marks"]["channels"]) == (2, {"stable": 2})


def test_show_of_a_folder_and_of_what_is_not_trusted(player: Machine, studio: Machine) -> None:
    install(player, "--trust", "first-use")
    assert shown(player, "game") == shown(player, "toy")
    assert player.refused("trust", "show", "chess") == (5, "not-trusted")
    assert player.refused("trust", "show", "no/folder") == (2, "bad-name")
    shutil.rmtree(player.state)
    assert player.refused("trust", "show", "game") == (5, "not-trusted")
    assert player.result("trust", "show") == {"trusted": []}


def test_show_names_a_clock_that_is_behind(player: Machine) -> None:
    install(player, "--trust", "first-use")
    player.clock = FakeClock(player.clock.now() - 3600)
    assert shown(player)["clock_behind_seconds"] == 3600


def test_people_read_it(player: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.kit.command import lading

    install(player, "--trust", "first-use")
    monkeypatch.setenv("LADING_STATE_DIR", str(player.state))
    told = lading("trust", "show", clock=FakeClock(player.clock.now() + PAST_THE_ONLINE_ROLES)).stdout
    said = dict(line.strip().split("  ", 1) for line in told.splitlines()[1:])
    assert said["first root"].strip() == pin_in(STORE)
    assert said["builds keys"].strip() == "1 of 1 sign"
    assert said["timestamp"].strip().startswith("version 2, expired 20")
    assert said["targets"].strip().startswith("version 1, expires 20")
    assert said["seen on stable"].strip() == "build #1"


def test_export_gives_a_launcher_its_root_file(player: Machine, tmp_path: Path) -> None:
    install(player, "--trust", "first-use")
    done = player.result("trust", "export", "toy", "--to", "toy.root.json")
    assert done == {"game": "toy", "pin": pin_in(STORE), "file": "toy.root.json"}
    assert player.refused("trust", "export", "toy", "--to", "toy.root.json") == (10, "file-exists")
    other = Machine(tmp_path / "other", player.clock)
    assert install(other, "--trust", "toy.root.json", into="other-game").exit == 0
    assert other.refused("trust", "export", "chess", "--to", "chess.json") == (5, "not-trusted")


def test_export_asks_which_of_two_roots_is_meant(studio: Machine, player: Machine, tmp_path: Path) -> None:
    install(player, "--trust", "first-use")
    second = Machine(tmp_path / "second", studio.clock)
    second.result("publish", "source", "toy", "--store", "second-store")
    player.result("install", "toy", "--into", "second-game", "--store", "second-store", "--trust", "first-use")
    assert player.refused("trust", "export", "toy", "--to", "out.json") == (2, "usage")
    chosen = pin_in("second-store")
    assert player.result("trust", "export", "toy", "--to", "out.json", "--trust", chosen)["pin"] == chosen


# After the dates


@pytest.fixture
def late(studio: Machine, player: Machine) -> Machine:
    """A player with build 1, long after everybody stopped renewing; build 2 is there."""
    install(player, "--trust", "first-use")
    publish(studio, "two")
    player.clock.advance(PAST_THE_ONLINE_ROLES)
    return player


def test_expired_metadata_is_refused_by_its_own_name(late: Machine) -> None:
    late.variables["LADING_ACCEPT_STALE"] = "1"
    assert late.refused("update", "game") == (6, "metadata-expired")
    assert Path("game/readme.txt").read_text() == "hello"


def test_accept_stale_believes_it_and_says_its_age(late: Machine) -> None:
    done = late("update", "game", "--accept-stale")
    assert (done.exit, done.document["result"]["to"]) == (0, 2)
    assert late.warnings(done) == ["metadata-stale"]
    assert "expired 24 hours ago" in done.stderr
    assert late.refused("update", "game") == (6, "metadata-expired"), "one look makes it no fresher"


def test_accept_stale_at_the_first_contact(late: Machine, tmp_path: Path) -> None:
    careful = Machine(tmp_path / "careful", late.clock)
    assert install(careful, "--trust", "first-use", into="c").document["error"]["code"] == "metadata-expired"
    other = Machine(tmp_path / "other", late.clock)
    done = install(other, "--trust", "first-use", "--accept-stale", into="o")
    assert (done.exit, other.warnings(done)) == (0, ["first-use", "metadata-stale"])


def test_accept_stale_means_nothing_while_nothing_expired(studio: Machine, player: Machine) -> None:
    done = install(player, "--trust", "first-use", "--accept-stale")
    assert (done.exit, player.warnings(done)) == (0, ["first-use"])
    publish(studio, "two")
    done = player("update", "game", "--accept-stale")
    assert (done.exit, player.warnings(done)) == (0, [])


def test_signatures_hold_whatever_is_accepted(late: Machine) -> None:
    timestamp = Path(STORE, "tuf/toy/timestamp.json")
    timestamp.write_bytes(timestamp.read_bytes().replace(b'"version":3', b'"version":4'))
    assert late.refused("update", "game", "--accept-stale") == (6, "bad-signature")


def test_marks_hold_whatever_is_accepted(studio: Machine, player: Machine) -> None:
    shutil.copytree(STORE, "older")
    install(player, "--trust", "first-use")
    publish(studio, "two")
    player.result("update", "game")
    player.clock.advance(PAST_THE_ONLINE_ROLES)
    refused = player.refused("update", "game", "--store", "older", "--accept-stale")
    assert refused == (6, "metadata-rollback")


# A state folder that was emptied


def test_an_update_goes_on_from_the_root_that_the_folder_remembers(studio: Machine, player: Machine) -> None:
    install(player, "--trust", "first-use")
    publish(studio, "two")
    shutil.rmtree(player.state)
    done = player("update", "game")
    assert (done.exit, done.document["result"]["to"], player.warnings(done)) == (0, 2, [])
    assert shown(player)["pin"] == pin_in(STORE)


def test_the_installed_build_is_the_lowest_mark(studio: Machine, player: Machine) -> None:
    shutil.copytree(STORE, "older")
    publish(studio, "two")
    install(player, "--trust", "first-use")
    shutil.rmtree(player.state)
    assert player.refused("update", "game", "--store", "older") == (6, "rollback-refused")
    assert Path("game/readme.txt").read_text() == "two"


def test_the_root_that_the_folder_remembers_is_asked_for(studio: Machine, player: Machine, tmp_path: Path) -> None:
    install(player, "--trust", "first-use")
    thief = Machine(tmp_path / "thief", studio.clock)
    thief.result("publish", "source", "toy", "--store", "forged")
    shutil.copy(f"{STORE}/lading.json", "forged/lading.json")
    shutil.rmtree(player.state)
    assert player.refused("update", "game", "--store", "forged") == (6, "root-mismatch")


# Static stores


def test_a_static_store_says_who_renews_it(isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.kit.command import lading

    monkeypatch.chdir(tmp_path)
    machine = Machine(tmp_path / "studio")
    assert machine.result("init", "plain")["static"] is False
    assert machine.result("init", "static", "--static", "--dry-run")["static"] is True
    assert not os.path.exists("static")
    assert "`lading store refresh" in lading("init", "static", "--static").stdout
    assert json.loads(Path("static/lading.json").read_bytes())["static"] is True
    assert machine.result("init", "static")["static"] is True
    assert "store refresh" not in lading("init", "plain").stdout


def test_a_voucher_bounds_the_first_contact_alone(studio: Machine, player: Machine) -> None:
    """The publisher may make a channel of older builds later on, which others may follow, too."""
    for text in ("two", "three"):
        publish(studio, text)
    registry = studio.result("key", "pin", "toy")["registry_pin"]
    player.result("install", "toy", "--into", "game", "--store", STORE, "--trust", registry)
    studio.result("channel", "set", "toy", "legacy", "--build", "1", "--store", STORE)
    assert player.result("update", "game", "--channel", "legacy")["to"] == 1
    assert player.result("update", "game", "--channel", "stable")["to"] == 3


def test_a_state_folder_that_may_not_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a command that somebody ran as the administrator."""
    with unprivileged_folder() as home:
        monkeypatch.setattr("cli.config.config_file", lambda: home / "config.toml")
        monkeypatch.chdir(publish_toy(home))
        player = Machine(home / "player")
        player.result("install", "toy", "--into", "game", "--store", STORE, "--trust", "first-use")
        (marks,) = player.state.glob("trust/*/seen.json")
        marks.chmod(0)
        assert player.refused("trust", "show") == (7, "path-unusable")
        player.state.chmod(0)
        refused = [player.refused(*words, "--store", STORE) for words in (("ls", "toy"), ("key", "pin", "toy"))]
        player.state.chmod(0o700)
    assert refused == [(7, "path-unusable")] * 2
