"""`lading store refresh`, as a timer runs it: nothing expires while it runs, and what it cannot do it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.machines import Machine
from tests.kit.source import write

STORE = "store"
DAY = 24 * 60 * 60
ONLINE = ["channels", "snapshot", "timestamp"]


@pytest.fixture
def studio(isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A publisher of two games."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "source", {"readme.txt": b"hello"})
    machine = Machine(tmp_path / "studio")
    for game in ("alpha", "toy"):
        machine.result("publish", "source", game, "--store", STORE)
    return machine


def refreshed(machine: Machine, *words: str) -> dict[str, list[str]]:
    """What was renewed, by game; nothing waits."""
    rows = machine.result("store", "refresh", STORE, *words)["games"]
    assert all((row["waiting"], row["error"]) == ([], None) for row in rows)
    return {row["game"]: row["renewed"] for row in rows}


def lose(machine: Machine, game: str, *kinds: str) -> None:
    for kind in kinds:
        (file,) = machine.state.glob(f"*/keys/{game}/{kind}-*.json")
        file.unlink()


def contents(folder: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_every_game_is_renewed_and_players_go_on(studio: Machine, tmp_path: Path) -> None:
    player = Machine(tmp_path / "player", studio.clock)
    player.result("install", "toy", "--into", "game", "--store", STORE, "--trust", "first-use")
    for _ in range(9):
        studio.clock.advance(150 * DAY)
        assert refreshed(studio).keys() == {"alpha", "toy"}
    player.result("update", "game")


def test_only_the_games_that_are_named(studio: Machine) -> None:
    before = contents(f"{STORE}/tuf/alpha")
    assert refreshed(studio, "--game", "toy") == {"toy": ["timestamp"]}
    assert contents(f"{STORE}/tuf/alpha") == before


def test_a_dry_run_changes_nothing(studio: Machine) -> None:
    studio.clock.advance(300 * DAY)
    before = contents(STORE)
    assert refreshed(studio, "--dry-run") == {"alpha": ONLINE, "toy": ONLINE}
    assert contents(STORE) == before
    assert refreshed(studio) == {"alpha": ONLINE, "toy": ONLINE}


REHEARSALS = [
    ("store", "refresh", STORE, "--game", "toy"),
    ("key", "rotate", "toy", "--store", STORE),
    ("key", "rotate", "toy", "--lost-root", "--store", STORE),
]


@pytest.mark.parametrize("words", REHEARSALS[:2])
def test_a_dry_run_where_no_key_lies_is_refused_as_the_command_is(
    studio: Machine, tmp_path: Path, words: tuple[str, ...]
) -> None:
    stranger = Machine(tmp_path / "stranger", studio.clock)
    assert stranger.refused(*words, "--dry-run") == stranger.refused(*words) == (4, "keys-missing")
    assert not contents(str(stranger.state))


@pytest.mark.parametrize("words", REHEARSALS)
def test_a_dry_run_names_the_file_of_a_key_that_it_cannot_use(studio: Machine, words: tuple[str, ...]) -> None:
    (file,) = studio.state.glob("*/keys/toy/online-*.json")
    for other in studio.state.glob("*/keys/alpha/*.json"):
        other.write_text("{")  # is of no account
    file.write_text("{")
    finished = studio(*words, "--dry-run")
    assert (finished.exit, finished.document["error"]["code"]) == (7, "bad-key-file")
    assert finished.document["error"]["where"] == str(file)


def test_games_of_other_stores_and_those_without_keys_are_left_alone(studio: Machine, tmp_path: Path) -> None:
    assert refreshed(Machine(tmp_path / "stranger", studio.clock)) == {}
    studio.result("key", "new", "planned", "--role", "online", "--store", STORE)
    assert refreshed(studio).keys() == {"alpha", "toy"}


def test_what_needs_the_publisher_is_a_warning(studio: Machine) -> None:
    lose(studio, "toy", "root", "builds")
    for _ in range(3):
        studio.clock.advance(345 * DAY)
        done = studio("store", "refresh", STORE)
    assert done.exit == 0
    rows = {row["game"]: row for row in done.document["result"]["games"]}
    assert rows["toy"] == {"game": "toy", "renewed": ONLINE, "waiting": ["root", "targets", "builds"], "error": None}
    assert rows["alpha"]["renewed"] == ["root", "targets", "builds", *ONLINE]
    assert studio.warnings(done) == ["publisher-needed"]


def test_without_the_online_key(studio: Machine) -> None:
    """Of a game that is named it is an error; otherwise it is left to whoever has the key."""
    lose(studio, "toy", "online")
    assert studio.refused("store", "refresh", STORE, "--game", "toy") == (4, "keys-missing")
    done = studio("store", "refresh", STORE)
    assert done.exit == 0
    assert [(row["game"], row["renewed"], row["waiting"]) for row in done.document["result"]["games"]] == [
        ("alpha", ["timestamp"], []),
        ("toy", [], ONLINE),
    ]
    assert studio.warnings(done) == ["publisher-needed"]


def test_a_game_that_fails_does_not_keep_the_others(studio: Machine) -> None:
    Path(STORE, "tuf", "alpha", "timestamp.json").write_bytes(b"{}")
    done = studio("store", "refresh", STORE)
    assert (done.exit, done.document["error"]["code"]) == (6, "bad-metadata")
    assert [(row["game"], row["renewed"], row["error"]) for row in done.document["result"]["games"]] == [
        ("alpha", [], "bad-metadata"),
        ("toy", ["timestamp"], None),
    ]


def test_a_game_whose_pointer_is_lost_is_no_game_of_other_stores(studio: Machine) -> None:
    Path(STORE, "tuf", "toy", "timestamp.json").unlink()
    done = studio("store", "refresh", STORE)
    assert (done.exit, done.document["error"]["code"]) == (6, "pointer-lost")
    assert [row["error"] for row in done.document["result"]["games"]] == [None, "pointer-lost"]


def test_what_expired_is_renewed_by_who_accepts_it(studio: Machine, tmp_path: Path) -> None:
    studio.clock.advance(500 * DAY)
    assert studio.refused("store", "refresh", STORE) == (6, "metadata-expired")
    assert refreshed(studio, "--accept-stale") == {"alpha": ONLINE, "toy": ONLINE}
    player = Machine(tmp_path / "player", studio.clock)
    player.result("install", "toy", "--into", "game", "--store", STORE, "--trust", "first-use")


@pytest.mark.parametrize(("game", "refused"), [("joy", (5, "game-missing")), ("No Name", (2, "bad-name"))])
def test_no_such_game(studio: Machine, game: str, refused: tuple[int, str]) -> None:
    assert studio.refused("store", "refresh", STORE, "--game", game) == refused


def test_a_store_that_was_made_here_vouches_for_its_games(studio: Machine, tmp_path: Path) -> None:
    """A player who knows the registry alone installs any of them."""
    pin = studio.result("key", "pin", "toy", "--store", STORE)["registry_pin"]
    player = Machine(tmp_path / "player", studio.clock)
    player.result("install", "toy", "--into", "game", "--store", STORE, "--trust", pin)


def test_a_dry_run_of_making_a_store_makes_no_key(
    isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    machine = Machine(tmp_path / "dry")
    machine.result("init", STORE, "--dry-run")
    assert not machine.state.exists()
    machine.result("init", STORE)
    assert [path.name for path in machine.state.glob("*/keys/*.json")] == ["_registry.json"]
