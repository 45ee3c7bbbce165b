"""Long absences, lost states, lost keys and confused hosts, told to their end.

Each story goes on until a good update of the same player works again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.cast import DAY, GAME, Cast, Person, Player
from tests.kit.disks import unhurried_disk
from tests.kit.published import isolate
from tests.kit.webhost import web_host

__all__ = ["unhurried_disk"]

OTHER = "chess"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio with three builds, and a player who has the second and has seen no more; a copy of the store of then."""
    cast = Cast(tmp_path_factory.mktemp("made") / "cast")
    with pytest.MonkeyPatch.context() as environment:
        isolate(environment, cast.folder)
        cast.studio().publish("one")
        cast.keep("older")
        cast.studio().publish("two")
        cast.player().install()
        cast.studio().publish("three")
    return cast.folder


@pytest.fixture
def cast(made: Path, isolated: Path, tmp_path: Path) -> Cast:
    """The same people, in a folder of this test."""
    shutil.copytree(made, tmp_path / "cast", symlinks=True)
    return Cast(tmp_path / "cast")


@pytest.fixture
def studio(cast: Cast) -> Person:
    return cast.studio()


@pytest.fixture
def player(cast: Cast) -> Player:
    return cast.player()


# Another game under the same keys


def share_keys(studio: Person, other: str) -> None:
    """The keys of the game are put under another, as somebody does who thinks that one set is enough."""
    (studio.keys / other).mkdir(mode=0o700)
    for file in (studio.keys / GAME).glob("*.json"):
        copy = studio.keys / other / file.name
        copy.touch(0o600)
        copy.write_text(json.dumps({**json.loads(file.read_bytes()), "game": other}))


@pytest.mark.parametrize("files", ["tuf/{}", "tuf/{}/timestamp.json"], ids=["everything", "the pointer"])
def test_a_host_that_serves_another_game_under_the_same_keys(
    cast: Cast, studio: Person, player: Player, files: str
) -> None:
    """All signatures are right: only what is signed says which game it is of."""
    share_keys(studio, OTHER)
    for text in ("e4", "e5", "d4", "d5"):
        studio.publish(text, game=OTHER)
    held = [(row["game"], row["role"], row["keyid"], row["in_use"]) for row in studio.say("key", "list")["keys"]]
    ours, theirs = ({row[1:] for row in held if row[0] == game} for game in (GAME, OTHER))
    assert len(ours) == 3
    assert ours == theirs

    www = cast.keep("www")
    place, other = www / files.format(GAME), www / files.format(OTHER)
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    shutil.copytree(other, place) if other.is_dir() else shutil.copy(other, place)
    with web_host(www, cast.clock) as host:
        newcomer = cast.player("newcomer", host.url)
        words = ["install", GAME, "--into", str(newcomer.game), "--store", host.url, "--trust"]
        assert newcomer.refused(*words, "first-use") == (6, "other-games-metadata")
        assert newcomer.refused(*words, studio.pin(OTHER))[1] in ("other-games-metadata", "root-mismatch")
        assert not newcomer.game.exists()
        player.store = host.url
        assert player.refuses() == (6, "other-games-metadata")
        shutil.copytree(cast.store, www, dirs_exist_ok=True)
        player.update()
    assert player.has == "three"


# What a machine remembers is lost


def every_file_empty(trust: Path) -> None:
    for path in trust.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def marks_damaged(trust: Path) -> None:
    marks = trust / "seen.json"
    marks.write_bytes(marks.read_bytes().replace(b"{", b"[", 1))


def marks_made_up(trust: Path) -> None:
    """By somebody who knows the form: nothing was ever seen."""
    value = json.loads((trust / "seen.json").read_bytes())
    (trust / "seen.json").write_text(json.dumps({**value, "versions": {}, "channels": {}, "latest": 0, "files": {}}))


def metadata_cut(trust: Path) -> None:
    for path in (trust / "metadata").glob("*.json"):
        path.write_bytes(path.read_bytes()[:-100])


def metadata_gone(trust: Path) -> None:
    shutil.rmtree(trust / "metadata")


def all_gone(trust: Path) -> None:
    shutil.rmtree(trust.parents[1])


LOSSES = (all_gone, every_file_empty, marks_damaged, marks_made_up, metadata_cut, metadata_gone)


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_a_machine_whose_memory_was_lost_goes_on(cast: Cast, player: Player, lose: Callable[[Path], None]) -> None:
    """The installed folder knows its root, and its build is the lowest that it takes."""
    lose(player.trust)
    player.store = str(cast.folder / "older")
    assert player.refuses() in ((6, "rollback-refused"), (6, "metadata-rollback"))
    player.store = str(cast.store)
    player.update()
    assert player.has == "three"
    lose(player.trust)
    assert player.finds_nothing_new()
    cast.studio().publish("four")
    player.update()
    assert player.has == "four"


def test_a_root_that_was_damaged_is_named_with_its_remedy(cast: Cast, player: Player) -> None:
    """It is what all else hangs from: it is not replaced without a word."""
    (player.trust / "root.json").write_bytes(b"")
    assert player.refuses() == (7, "trust-damaged")
    error = player("update", str(player.game), "--store", player.store).document["error"]
    assert "Remove the folder" in error["next"]
    shutil.rmtree(error["where"])
    player.update()
    assert player.has == "three"


def test_without_memory_another_publisher_is_not_believed(cast: Cast, player: Player) -> None:
    forger = cast.studio("forger")
    forger.store = str(cast.folder / "forged")
    for text in ("1", "2", "3"):
        forger.publish(text)
    player.forget()
    player.store = forger.store
    assert player.refuses() == (6, "root-mismatch")
    player.store = str(cast.store)
    player.update()
    assert player.has == "three"


# Keys change while nobody looks


def change_everything(cast: Cast, studio: Person) -> None:
    """Years go by: three roots, new keys of builds, new online keys; signatures are renewed, and builds published."""
    for number, role in enumerate(("root", "root", "builds", "root", "online")):
        cast.clock.advance(100 * DAY)
        studio.say("key", "rotate", GAME, "--role", role)
        studio.refresh()
        studio.publish(f"after {number}")


def test_a_player_who_was_away_while_all_keys_changed(cast: Cast, studio: Person, player: Player) -> None:
    pin = studio.pin()
    change_everything(cast, studio)
    assert len(list((cast.store / "tuf" / GAME).glob("*.root.json"))) > 4
    player.update()
    assert player.has == "after 4"
    newcomer = cast.player("newcomer")
    newcomer.install(trust=pin)
    assert newcomer.has == "after 4"
    player.forget()
    assert player.finds_nothing_new()
    studio.publish("and on")
    assert (player.update()["build"], newcomer.update()["build"]) == (9, 9)


def test_none_of_the_old_keys_is_worth_anything_afterwards(cast: Cast, studio: Person, player: Player) -> None:
    """Not to somebody either who has not looked in between."""
    thief = cast.thief(studio, "root", "builds", "online")
    change_everything(cast, studio)
    kept = cast.keep("kept")
    for words in (["key", "rotate", GAME], ["build", "withdraw", f"{GAME}@#3"], ["channel", "delete", GAME, "stable"]):
        assert thief.cannot(*words) == (4, "keys-missing")
    forge = thief.tools()
    forge.serve(["channels", "builds"])
    assert player.refuses() == (6, "bad-signature")
    cast.put_back(kept)
    player.update()
    assert player.has == "after 4"


# All root keys are lost


def test_a_game_begins_anew_and_its_players_go_on_where_they_are(cast: Cast, studio: Person, player: Player) -> None:
    old = studio.pin()
    studio.lose("root")
    assert studio.cannot("key", "rotate", GAME, "--role", "root") == (4, "keys-missing")
    new = studio.say("key", "rotate", GAME, "--lost-root")["pin"]
    assert studio.pin() == new != old

    assert player.refuses() == (6, "bad-signature")
    told = player("update", str(player.game), "--store", player.store).document["error"]
    assert "new pin" in told["next"]
    assert player.refuses("--trust", old, verb="install") == (6, "bad-signature")
    assert player.refuses("--trust", "first-use", verb="install") == (6, "bad-signature")

    done = player("install", GAME, "--into", str(player.game), "--store", player.store, "--trust", new, "--build", "2")
    assert done.document["receipt"]["actual"]["download_bytes"] == 0, "it is installed already"
    done = player("update", str(player.game), "--store", player.store)
    assert 0 < done.document["receipt"]["actual"]["download_bytes"] < 1000
    assert player.has == "three"
    assert player.result("trust", "show", str(player.game))["trusted"][0]["pin"] == new
    player.forget()
    assert player.finds_nothing_new()
    studio.publish("four")
    player.update()
    assert player.has == "four"


def test_a_newcomer_is_not_led_by_the_old_pin(cast: Cast, studio: Person) -> None:
    old = studio.pin()
    studio.lose("root")
    new = studio.say("key", "rotate", GAME, "--lost-root")["pin"]
    newcomer = cast.player("newcomer")
    into = ["install", GAME, "--into", str(newcomer.game), "--store", newcomer.store]
    assert newcomer.refused(*into, "--trust", old) == (6, "bad-signature")
    assert not newcomer.game.exists()
    newcomer.install(trust=new)
    studio.publish("four")
    newcomer.update()
    assert newcomer.has == "four"


def test_a_launcher_that_pins_the_registry_goes_on_with_who_was_told(
    cast: Cast, studio: Person, player: Player
) -> None:
    """The registry vouched for the first root. Who was told the pin of the new one is not led back by what it said."""
    registry = studio.result("key", "pin", GAME, "--store", player.store)["registry_pin"]
    into = ["install", GAME, "--into", str(player.game), "--store", player.store]
    player.forget()
    player.result(*into, "--trust", registry)
    studio.lose("root")
    new = studio.say("key", "rotate", GAME, "--lost-root")["pin"]
    assert player.refused(*into, "--trust", registry) == (6, "bad-signature")
    player.result(*into, "--trust", new)
    player.result(*into, "--trust", registry)
    assert player.has == "three"
