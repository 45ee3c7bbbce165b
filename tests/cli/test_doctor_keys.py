"""`lading doctor` names what makes the loss of keys, or signatures that lapse, likely; and clocks that are wrong."""

from __future__ import annotations

import os
import shutil
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.kit.clock import FakeClock
from tests.kit.machines import Machine
from tests.kit.published import isolate
from tests.kit.webhost import Answer, web_host

STORE = "store"
DAY = 86400
NOTHING: list[str] = []


PASSPHRASE = {"LADING_KEY_PASSPHRASE": "correct horse"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, and with the state of a machine that made the game `toy` as one should."""
    home = tmp_path_factory.mktemp("doctor")
    two = ["--root-keys", "2", "--threshold", "1", "--build-keys", "2", "--build-threshold", "2"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, home / "home")
        monkeypatch.chdir(home)
        machine = Machine(home / "studio", variables=PASSPHRASE)
        machine.result("init", STORE, "--static")
        machine.result("game", "create", "toy", "--store", STORE, *two)
        machine.result("key", "backup", "toy", "--to", "toy.backup")
    os.utime(home / STORE / "lading.json", (0, 0))  # the clock of tests stands still in the past
    return home


@pytest.fixture
def studio(made: Path, isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """That machine, where the store lies."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Machine(tmp_path / "studio", variables=PASSPHRASE)


def said(machine: Machine, *words: str) -> list[str]:
    """The warnings; each has a next step, and none makes the command fail."""
    done = machine("doctor", *words)
    assert done.exit == 0, done.stdout
    rows = [row for row in done.document["result"]["checks"] if row["state"] == "warning"]
    assert all(row["next"] for row in rows)
    return [row["detail"] for row in rows]


def test_a_well_kept_game(studio: Machine) -> None:
    assert said(studio) == said(studio, "--store", STORE) == NOTHING
    (row,) = [row for row in studio.result("doctor")["checks"] if row["check"] == "keys of toy"]
    assert (row["state"], row["detail"]) == ("ok", "5 keys")


def test_a_machine_without_keys(isolated: Path, tmp_path: Path) -> None:
    assert said(Machine(tmp_path / "empty")) == NOTHING


def test_keys_without_a_backup(studio: Machine) -> None:
    studio.result("key", "rotate", "toy", "--role", "online", "--store", STORE)
    assert said(studio, "--store", STORE) == ["1 key of toy has no backup"]
    studio.result("key", "backup", "toy", "--to", "toy.2.backup")
    assert said(studio, "--store", STORE) == NOTHING


@pytest.mark.parametrize("where", [[], ["--store", STORE]], ids=["as seen", "in the store"])
def test_keys_that_are_alone(studio: Machine, where: list[str]) -> None:
    studio.result("game", "create", "chess", "--store", STORE)
    studio.result("key", "backup", "--to", "all.backup")
    assert said(studio, *where) == [
        "chess has one root key alone: if it is lost, every player needs a new pin",
        "chess has one builds key alone: whoever steals it can publish",
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps rights in another way")
def test_a_key_that_others_can_read(studio: Machine) -> None:
    (path, *_) = sorted(studio.state.glob("*/keys/toy/root-*.json"))
    path.chmod(0o644)
    (warning,) = said(studio)
    assert str(path) in warning
    (row,) = [row for row in studio.result("doctor")["checks"] if row["state"] == "warning"]
    assert f"chmod 600 {path}" in row["next"]


def test_a_key_that_is_damaged(studio: Machine) -> None:
    (path, *_) = sorted(studio.state.glob("*/keys/toy/root-*.json"))
    path.write_bytes(b"{}")
    assert studio.refused("doctor") == (7, "bad-key-file")


def roles(warnings: list[str], what: str) -> set[str]:
    return {warning.split(" of toy ")[0] for warning in warnings if what in warning}


@pytest.mark.parametrize(
    ("days", "expiring", "expired"),
    [
        (369, set(), set()),
        (371, {"channels", "snapshot", "timestamp"}, set()),
        (401, set(), {"channels", "snapshot", "timestamp"}),
        (1004, set(), {"channels", "snapshot", "timestamp"}),
        (1006, {"root", "targets", "builds"}, {"channels", "snapshot", "timestamp"}),
        (1096, set(), {"root", "targets", "builds", "channels", "snapshot", "timestamp"}),
    ],
)
def test_roles_that_expire(studio: Machine, days: int, expiring: set[str], expired: set[str]) -> None:
    studio.clock.advance(days * DAY)
    found = said(studio, "--store", STORE)
    assert (roles(found, " expires in "), roles(found, " has expired ")) == (expiring, expired)


def test_what_doctor_advises_renews_what_has_expired(studio: Machine) -> None:
    studio.clock.advance(401 * DAY)
    checks = studio.result("doctor", "--store", STORE)["checks"]
    advice = [row["next"] for row in checks if " has expired " in row["detail"]]
    assert len(advice) == len([row for row in advice if "`lading store refresh --accept-stale`" in row]) == 3
    studio.result("store", "refresh", STORE, "--accept-stale")
    assert said(studio, "--store", STORE) == NOTHING


def test_what_others_renew_is_not_judged_by_an_old_look(studio: Machine) -> None:
    studio.clock.advance(1006 * DAY)
    assert roles(said(studio), " expire") == {"root", "targets", "builds"}


def test_a_static_store_that_nobody_refreshes(studio: Machine) -> None:
    studio.clock.advance(29 * DAY)
    assert said(studio, "--store", STORE) == NOTHING
    studio.clock.advance(2 * DAY)
    assert said(studio, "--store", STORE) == ["the signatures of toy were renewed 31 days ago, and no server does it"]
    document = Path(STORE, "lading.json")
    document.write_bytes(document.read_bytes().replace(b',"static":true', b""))
    os.utime(document, (0, 0))
    assert said(studio, "--store", STORE) == NOTHING


def test_a_clock_behind_what_was_signed(studio: Machine) -> None:
    studio.clock = FakeClock(studio.clock.now() - 590)
    assert said(studio) == NOTHING
    studio.clock = FakeClock(studio.clock.now() - 20)
    (warning,) = said(studio)
    assert warning.endswith("at least 10 minutes behind")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3600, "at least 60 minutes behind"), (-590, ""), (590, ""), (2 * DAY, "2 days ahead of the store's")],
)
def test_a_clock_beside_the_clock_of_the_host(
    isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, words: str
) -> None:
    clock = FakeClock()
    date = formatdate(clock.now(), usegmt=True)
    monkeypatch.setattr(Answer, "date_time_string", lambda *_: date)
    Machine(tmp_path / "studio").result("init", str(tmp_path / STORE))
    player = Machine(tmp_path / "player", FakeClock(clock.now() + seconds))
    with web_host(tmp_path / STORE) as host:
        warnings = said(player, "--store", host.url)
    assert [warning.partition(": ")[2] for warning in warnings] == ([words] if words else NOTHING)
