"""`lading doctor` names what stands in the way before work does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.command import Finished, Lading
from tests.kit.privileges import unprivileged_folder
from tests.kit.shop import Shop


def states(finished: Finished) -> dict[str, str]:
    return {row["check"]: row["state"] for row in finished.document["result"]["checks"]}


def test_a_sound_machine(shop: Shop) -> None:
    shop.publish()
    os.utime(shop.store / "lading.json", (0, 0))  # the clock of tests stands still in the past
    examined = shop("doctor")
    assert examined.exit == 0
    found = states(examined)
    assert found.pop("keys of toy") == "warning", "they have no backup"
    assert found == dict.fromkeys(["program", "cutter", "names", "state folder", "store", "clock"], "ok")


def test_without_a_store_none_is_looked_for(lading: Lading, shop: Shop) -> None:
    assert "store" not in states(lading("doctor", "--json"))


def test_what_is_no_store(shop: Shop) -> None:
    examined = shop("doctor")
    assert (examined.exit, examined.document["error"]["code"]) == (10, "not-a-store")
    assert states(examined)["store"] == "failed"
    assert states(examined)["program"] == "ok"


def test_the_state_folder_inside_the_store(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.publish()
    monkeypatch.setenv("LADING_STATE_DIR", str(shop.store / "state"))
    examined = shop("doctor")
    assert (examined.exit, examined.document["error"]["code"]) == (2, "folders-entangled")


def test_a_state_folder_that_is_a_file(shop: Shop, lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    examined = lading("doctor", "--json")
    assert (examined.exit, states(examined)["state folder"]) == (7, "failed")


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps rights in another way")
def test_a_state_folder_that_others_can_write(shop: Shop, lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    examined = lading("doctor", "--json")
    assert (examined.exit, states(examined)["state folder"]) == (0, "warning")


def test_a_clock_behind_the_store(shop: Shop) -> None:
    shop.publish()
    os.utime(shop.store / "lading.json", (4e9, 4e9))
    assert states(shop("doctor"))["clock"] == "warning"


def test_foreign_packages_of_our_names(lading: Lading, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decision 0001: the flat names are guarded."""
    monkeypatch.setattr("cli.checkup.packages_distributions", lambda: {"manifest": ["lading", "manifest"]})
    examined = lading("doctor", "--json")
    assert (examined.exit, examined.document["error"]["code"]) == (7, "names-taken")
    assert examined.document["error"]["data"]["names"] == {"manifest": ["manifest"]}


def test_a_cutter_that_is_not_compiled(lading: Lading, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chunkstore.cutting.FastCDC", type("FastCDC", (), {"__module__": "pyfastcdc.py"}))
    examined = lading("doctor", "--json")
    assert (examined.exit, examined.document["error"]["code"]) == (7, "cutter-not-compiled")


def test_people_read_a_line_for_each(lading: Lading, shop: Shop) -> None:
    told = lading("doctor")
    assert told.exit == 0
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["ok"] * 5


def test_a_state_folder_that_may_not_be_looked_at(lading: Lading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.checkup.packages_distributions", dict)  # they may lie where nobody may look
    with unprivileged_folder() as home:
        monkeypatch.setattr("cli.config.config_file", lambda: home / "config.toml")
        monkeypatch.setenv("LADING_STATE_DIR", str(home / "state"))
        (home / "shut").mkdir(mode=0o600)
        (home / "state").symlink_to(home / "shut" / "state")
        examined = lading("doctor", "--json")
    error = examined.document["error"]
    assert (examined.exit, error["code"], error["where"]) == (7, "path-unusable", str(home / "state"))
    assert states(examined)["state folder"] == "failed"
