"""Changes between builds that once went wrong, each by itself; random trees find them only now and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher.candidates import Release
from tests.kit.game import Entry, noise
from tests.kit.rig import Rig

BODY = Entry(noise(900, "body"))
EMPTY_FOLDER = Entry()
PAIRS = {
    "the only thing in a folder goes and the folder stays": ({"a/b": BODY}, {"a": EMPTY_FOLDER}),
    "an empty folder moves up": ({"a/a": EMPTY_FOLDER}, {"a": EMPTY_FOLDER}),
    "a link becomes the folder that it led to": (
        {"b": Entry(target="d"), "d/a": BODY},
        {"b/a": BODY, "d/a": BODY},
    ),
    "a link that leads into itself becomes a folder": ({"b": Entry(target="b/c")}, {"b/a": BODY}),
    "a file becomes a folder that holds it": ({"a": BODY}, {"a/a": BODY}),
    "a folder becomes the file that it held": ({"a/a": BODY, "a/b/c": BODY}, {"a": BODY}),
    "a folder becomes a link to another": ({"a/x": BODY, "b/x": BODY}, {"a": Entry(target="b"), "b/x": BODY}),
    "only an empty file comes": ({"a": BODY}, {"a": BODY, "b": Entry(b"")}),
    "two files change places": (
        {"a": BODY, "b": Entry(noise(900, "other"))},
        {"a": Entry(noise(900, "other")), "b": BODY},
    ),
    "a moved file changes its mode": ({"a": BODY}, {"b": Entry(BODY.data, executable=True)}),
    "a name changes its case": ({"data/Read.me": BODY}, {"data/README": Entry(b"x"), "data/read.me": BODY}),
    "one of two equal files moves": ({"a": BODY, "b": BODY}, {"a": BODY, "c": BODY}),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_there_and_back(tmp_path: Path, pair: tuple[dict[str, Entry], dict[str, Entry]]) -> None:
    rig = Rig(tmp_path)
    player = rig.player()
    for number, tree in enumerate((*pair, *pair), 1):
        rig.publish(tree)
        player.install() if number == 1 else player.update()
        assert player.tree() == tree
        assert player.verify(full=True).wounds == []


def test_tags_that_are_no_longer_wanted_go(tmp_path: Path) -> None:
    """What was installed is told by the tags of then, not by those of now."""
    rig = Rig(tmp_path)
    tree = {"hd.pak": BODY, "uhd.pak": Entry(noise(900, "uhd")), "sd.pak": Entry(b"sd")}
    rig.publish(tree, tags=[("/hd.pak", "hd"), ("/uhd.pak", "uhd")])
    player = rig.player()
    for tags in ({"hd", "uhd"}, {"uhd"}, {"hd"}, {"none"}):
        player.install(tags=sorted(tags))
        assert set(player.tree()) == {"sd.pak"} | {f"{tag}.pak" for tag in tags - {"none"}}
        assert not player.update().changed


def test_a_folder_that_is_empty_in_one_depot_and_full_in_another(tmp_path: Path) -> None:
    """Both depots install together; taking one away leaves what the other one wants."""
    rig = Rig(tmp_path)
    rig.publish({"mods": EMPTY_FOLDER, "saves": EMPTY_FOLDER, "game": BODY}, release=Release(None, "stable", parent=0))
    rig.publish({"mods/nice": BODY, "saves": EMPTY_FOLDER}, depot="mods")
    player = rig.player()
    player.install()
    assert player.tree() == {"mods/nice": BODY, "saves": EMPTY_FOLDER, "game": BODY}
    player.install(depots=["main"])
    assert player.tree() == {"mods": EMPTY_FOLDER, "saves": EMPTY_FOLDER, "game": BODY}
    player.install(depots=["main", "mods"])
    assert player.tree() == {"mods/nice": BODY, "saves": EMPTY_FOLDER, "game": BODY}
