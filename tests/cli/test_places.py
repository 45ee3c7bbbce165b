"""Folders are named as people name them: relative to where they are, with a tilde, with a dot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.command import Lading
from tests.kit.shop import Shop


@pytest.mark.parametrize("into", ["game", "./game", "games/toy", "../elsewhere/toy", "game/"])
def test_relative_folders(
    shop: Shop, lading: Lading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, into: str
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert lading("publish", "../source", "toy", "--store", "store").exit == 0
    installed = lading("install", "toy", "--into", into, "--store", "store")
    assert installed.exit == 0, installed.stderr
    assert (here / into / "readme.txt").read_bytes() == b"hello"
    for verb in ("verify", "update", "repair", "status"):
        assert lading(verb, into).exit == 0


def test_publishing_the_folder_where_one_stands(shop: Shop, lading: Lading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.source)
    assert lading("publish", ".", "toy", "--store", "../store").exit == 0
    entangled = lading("publish", ".", "toy", "--store", ".", "--json")
    assert entangled.document["error"]["code"] == "folders-entangled"


def test_a_store_in_the_home_folder(
    shop: Shop, lading: Lading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert lading("publish", str(shop.source), "toy", "--store", os.path.join("~", "store")).exit == 0
    assert (tmp_path / "home" / "store" / "lading.json").exists()
