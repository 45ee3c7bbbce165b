"""A game of several depots and tagged files: each player gets what fits, and updates keep to it."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.kit.command import lading
from tests.kit.game import Entry, write_tree
from tests.kit.trees import assert_same_tree

HERE = {"Windows": "windows", "Darwin": "macos"}.get(platform.system(), "linux")
ELSEWHERE = "windows" if HERE == "linux" else "linux"
CONFIG = f"""
game = "toy"

[[depot]]
name = "main"
mapping = [{{ from = "common", to = "" }}]
[depot.tags]
"voices/de/" = "language:de"

[[depot]]
name = "here"
platform = "{HERE}"
mapping = [{{ from = "here", to = "bin" }}]

[[depot]]
name = "elsewhere"
platform = "{ELSEWHERE}"
mapping = [{{ from = "elsewhere", to = "bin" }}]

[[depot]]
name = "extras"
optional = true
mapping = [{{ from = "extras", to = "" }}]
"""
COMMON = {"data.pak": Entry(b"data"), "read me.txt": Entry(b"hello\n")}
GERMAN = {"voices/de/hallo.ogg": Entry(b"hallo")}
PROGRAM = {"bin/game": Entry(b"for here", executable=True)}
EXTRAS = {"soundtrack/one.ogg": Entry(b"la la")}


def publish(source: Path, store: Path, depot: str) -> None:
    assert lading("publish", str(source), "--store", str(store), "--depot", depot).exit == 0


@pytest.fixture
def source(isolated: Path, tmp_path: Path) -> Path:
    """The publisher's folder."""
    return write_tree(
        tmp_path / "source",
        {
            "lading.toml": Entry(CONFIG.encode()),
            **{f"common/{path}": entry for path, entry in (COMMON | GERMAN).items()},
            "here/game": PROGRAM["bin/game"],
            "elsewhere/game": Entry(b"for elsewhere", executable=True),
            **{f"extras/{path}": entry for path, entry in EXTRAS.items()},
        },
    )


@pytest.fixture
def store(source: Path, tmp_path: Path) -> Path:
    """Build 4 has all depots."""
    for depot in ("main", "here", "elsewhere", "extras"):
        publish(source, tmp_path / "store", depot)
    return tmp_path / "store"


CHOICES: dict[str, tuple[list[str], dict[str, Entry]]] = {
    "what fits": ([], COMMON | PROGRAM),
    "one depot": (["--depot", "main"], COMMON),
    "also an optional one": (["--depot", "main", "--depot", "extras"], COMMON | EXTRAS),
    "also a language": (["--tag", "language:de"], COMMON | PROGRAM | GERMAN),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_an_update_keeps_to_what_was_chosen(store: Path, source: Path, tmp_path: Path, choice: str) -> None:
    words, wanted = CHOICES[choice]
    target = tmp_path / "game"
    assert lading("install", "toy", "--into", str(target), "--store", str(store), *words).exit == 0
    assert_same_tree(target, write_tree(tmp_path / "wanted", wanted))

    (source / "common" / "data.pak").write_bytes(b"new data")
    (source / "common" / "voices" / "de" / "hallo.ogg").write_bytes(b"guten Tag")
    publish(source, store, "main")
    assert lading("update", str(target)).exit == 0
    changed = {"data.pak": Entry(b"new data"), "voices/de/hallo.ogg": Entry(b"guten Tag")}
    wanted = {path: changed.get(path, entry) for path, entry in wanted.items()}
    assert_same_tree(target, write_tree(tmp_path / "wanted", wanted))
    assert lading("verify", str(target), "--full").exit == 0


def test_several_depots_need_a_word(source: Path, tmp_path: Path) -> None:
    done = lading("publish", str(source), "--store", str(tmp_path / "store"), "--json")
    assert (done.exit, done.document["error"]["code"]) == (2, "depot-needed")


def test_depots_that_cannot_be_installed_together_are_refused(store: Path, source: Path) -> None:
    (source / "common" / "bin").mkdir()
    (source / "common" / "bin" / "game").write_bytes(b"a second one")
    done = lading("publish", str(source), "--store", str(store), "--depot", "main", "--json")
    assert (done.exit, done.document["error"]["code"]) == (7, "path-collision")
    assert "bin/game" in done.document["error"]["message"]
