"""The publisher's verbs over signed builds: candidates, signatures of several people, channels, keys of a new game.

Each person works on the same store with a state folder, and so with keys, of their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command import Finished, Lading
from tests.kit.source import write

KEYS = ("root", "builds", "online")
Crew = Callable[[str], "Person"]


class Person:
    """Somebody with a state folder. `ann("build", "list", "toy")` runs these words on the store, with `--json`."""

    def __init__(self, home: Path, name: str, lading: Lading, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = home / f"state of {name}"
        self.store = home / "store"
        self.source = home / f"source of {name}"
        self._lading = lading
        self._monkeypatch = monkeypatch

    def run(self, *words: str) -> Finished:
        self._monkeypatch.setenv("LADING_STATE_DIR", str(self.state))
        return self._lading(*words)

    def __call__(self, *words: str) -> Finished:
        return self.run(*words, "--store", str(self.store), "--json")

    def text(self, *words: str) -> str:
        finished = self.run(*words, "--store", str(self.store))
        assert finished.exit == 0, finished.stderr
        return finished.stdout

    def result(self, *words: str) -> dict[str, Any]:
        finished = self(*words)
        assert finished.exit == 0, finished.stdout
        result: dict[str, Any] = finished.document["result"]
        return result

    def fails(self, *words: str) -> tuple[int, str]:
        """The exit code and the error's code of words that change nothing."""
        before = self.objects()
        finished = self(*words)
        assert self.objects() == before
        return finished.exit, finished.document["error"]["code"]

    def folder(self, content: str) -> str:
        """A source folder that holds this one file, and one that never changes."""
        return str(write(self.source, {"game.txt": content, "readme.txt": "read me"}))

    def publish(self, content: str, *words: str) -> dict[str, Any]:
        return self.result("publish", self.folder(content), "toy", *words)

    def builds(self) -> list[tuple[int, str, str]]:
        return [(row["build"], row["version"], row["state"]) for row in self.result("build", "list", "toy")["builds"]]

    def channel(self, name: str = "stable") -> int:
        build: int = self.result("channel", "show", "toy", name)["build"]
        return build

    def objects(self) -> dict[str, bytes]:
        files = (path for path in self.store.rglob("*") if path.is_file() and ".tmp" not in path.parts)
        return {path.relative_to(self.store).as_posix(): path.read_bytes() for path in files}

    def keys(self) -> dict[str, list[Path]]:
        """The key files of the game by kind."""
        files = sorted(self.state.glob("*/keys/toy/*.json"))
        return {kind: [file for file in files if file.name.startswith(kind)] for kind in KEYS}

    def give_keys(self, other: Person) -> None:
        """As a backup that is restored there does."""
        (folder,) = self.state.glob("*/keys")
        shutil.copytree(folder, other.state / folder.relative_to(self.state))

    def drop_key(self, kind: str, number: int = 0) -> None:
        self.keys()[kind][number].unlink()

    def update(self, installed: Path) -> tuple[int, str]:
        """What a player's folder holds after an install or update; the exit code and the content of the game."""
        if installed.exists():
            done = self.run("update", str(installed), "--json")
        else:
            done = self("install", "toy", "--into", str(installed), "--trust", "first-use")
        return done.exit, (installed / "game.txt").read_text()


@pytest.fixture
def crew(tmp_path: Path, lading: Lading, monkeypatch: pytest.MonkeyPatch) -> Crew:
    """`crew("ann")` is always the same person."""
    people: dict[str, Person] = {}

    def person(name: str) -> Person:
        return people.setdefault(name, Person(tmp_path, name, lading, monkeypatch))

    return person


@pytest.fixture
def ann(crew: Crew) -> Person:
    """Who published build #1 of the game `toy` on the channel stable, and has its keys."""
    ann = crew("ann")
    ann.publish("one", "--version", "1.0")
    return ann


@pytest.fixture
def two(crew: Crew) -> tuple[Person, Person]:
    """Ann and Bob, who have to sign builds together, while Ann still has both keys. Build #1 is on stable, #2 and #3 on
    no channel."""
    ann, bob = crew("ann"), crew("bob")
    ann.result("game", "create", "toy", "--build-keys", "2", "--build-threshold", "2")
    ann.publish("one", "--version", "1.0")
    ann.publish("two", "--version", "2.0", "--no-channel")
    ann.publish("three", "--version", "3.0", "--no-channel")
    return ann, bob


# Candidates


def test_a_candidate_needs_no_key_and_is_live_when_it_is_signed(ann: Person, crew: Crew, tmp_path: Path) -> None:
    ci, player = crew("ci"), crew("player")
    sealed = ci.publish("two", "--version", "1.1", "--candidate")
    assert (sealed["build"], sealed["state"], sealed["created"]) == (2, "sealed", True)
    assert not list(ci.state.glob("*/keys"))
    assert ann.builds() == [(1, "1.0", "live"), (2, "1.1", "sealed")]
    assert (ann.channel(), player.update(tmp_path / "game")) == (1, (0, "one"))

    signed = ann.result("build", "sign", "toy@#2")
    assert (signed["build"], signed["state"], signed["channels"], signed["changed"]) == (2, "live", ["stable"], True)
    assert ann.builds() == [(1, "1.0", "live"), (2, "1.1", "live")]
    assert player.update(tmp_path / "game") == (0, "two")
    again = ann("build", "sign", "toy@#2", "--exit-code")
    assert (again.exit, again.document["result"]["changed"]) == (3, False)


def test_who_publishes_a_candidate_is_told_how_it_is_signed(ann: Person, crew: Crew) -> None:
    ci = crew("ci")
    command = f"lading build sign toy@#2 --store '{ci.store}'" if " " in str(ci.store) else str(ci.store)
    told = ci.text("publish", ci.folder("two"), "toy", "--candidate")
    assert "Sealed toy 2 as build #2 for channel stable." in told
    assert "build sign toy@#2" in told
    assert command in told
    assert "not signed yet" in ci.text("build", "list", "toy")


def test_a_candidate_of_a_game_that_is_not_there_is_refused(ann: Person, crew: Crew) -> None:
    """Its first signature would have to make keys, and the one who signs decides about those."""
    ci = crew("ci")
    missing = ci("publish", ci.folder("x"), "other", "--candidate")
    assert (missing.exit, missing.document["error"]["code"]) == (5, "game-missing")
    assert "lading game create" in missing.document["error"]["next"]
    assert not [key for key in ann.objects() if "other" in key]


def test_a_candidate_makes_no_store(crew: Crew) -> None:
    ci = crew("ci")
    assert ci.fails("publish", ci.folder("x"), "toy", "--candidate") == (10, "not-a-store")
    assert not ci.store.exists()


def test_a_dry_run_of_a_candidate_tells_the_same_and_leaves_nothing(ann: Person, crew: Crew) -> None:
    ci = crew("ci")
    for number in (2, 3):
        before = ann.objects()
        told = ci.publish(f"content {number}", "--candidate", "--dry-run")
        assert ann.objects() == before
        done = ci.publish(f"content {number}", "--candidate")
        assert (done["build"], done["state"]) == (number, "sealed")
        assert {**told, "requests": 0, "seconds": 0} == {**done, "requests": 0, "seconds": 0}
    assert ann.publish("content 4", "--dry-run")["build"] == 4


def test_an_unchanged_candidate_is_the_one_that_waits(ann: Person, crew: Crew) -> None:
    ci = crew("ci")
    words = ("--candidate", "--if-changed", "--exit-code")
    live = ci("publish", ci.folder("one"), "toy", *words)
    assert (live.exit, live.document["result"]["build"], live.document["result"]["state"]) == (3, 1, "live")
    assert ci.publish("two", *words)["build"] == 2
    before = ann.objects()
    waiting = ci("publish", ci.folder("two"), "toy", *words)
    assert (waiting.exit, waiting.document["result"]["build"]) == (3, 2)
    assert (waiting.document["result"]["state"], waiting.document["result"]["created"]) == ("sealed", False)
    assert "waits already" in ci.run("publish", ci.folder("two"), "toy", *words, "--store", str(ci.store)).stdout
    assert ann.objects() == before
    assert ci.publish("three", *words)["build"] == 3
    assert ci.publish("two", *words)["build"] == 4  # two would not be what comes after three
    assert ci.publish("two", *words, "--channel", "beta")["build"] == 5


def test_a_candidate_of_the_same_label_and_content_is_sealed_once(ann: Person, crew: Crew) -> None:
    ci = crew("ci")
    for content, number in (("two", 2), ("two", 2), ("three", 3), ("two", 2)):
        assert ci.publish(content, "--candidate", "--version", "2.0")["build"] == number
    assert ci.publish("two", "--candidate")["build"] == 4


@pytest.mark.parametrize("words", [["--candidate"], []], ids=["candidate", "publish"])
def test_what_could_never_go_live_is_not_sealed(ann: Person, words: list[str]) -> None:
    taken = ann("publish", ann.folder("other"), "toy", "--version", "1.0", *words)
    assert (taken.exit, taken.document["error"]["code"]) == (10, "version-taken")
    clash = ann("publish", ann.folder("other"), "toy", "--depot", "dlc", *words)
    assert (clash.exit, clash.document["error"]["code"]) == (7, "path-collision")
    assert ann.builds() == [(1, "1.0", "live")]
    assert not [key for key in ann.objects() if key.endswith(("candidates/2", "candidates/3"))]


def test_a_signer_sees_beforehand_what_is_signed(ann: Person, crew: Crew) -> None:
    ci = crew("ci")
    write(ci.source, {"new.txt": "new", "more.txt": "more", "game.txt": "two"})
    (ci.source.parent / "notes").write_text("line\n" * 500)
    sealed = ci.result(
        *("publish", str(ci.source), "toy", "--candidate", "--version", "1.1", "--critical"),
        *("--notes", str(ci.source.parent / "notes")),
    )
    before = ann.objects()
    shown = ann.result("build", "show", "toy@#2")
    assert (shown["build"], shown["version"], shown["state"], shown["channels"]) == (2, "1.1", "sealed", [])
    assert (shown["depot"], shown["channel"], shown["parent"], shown["rollback_to"]) == ("main", "stable", 1, 1)
    assert shown["changes"] == {"added": 2, "removed": 1, "changed": 1, "moved": 0}
    assert (shown["critical"], shown["notes"]) == (True, "line\n" * 500)
    depot = shown["depots"]["main"]
    assert (depot["manifest"], depot["files"], depot["installed_size"]) == (sealed["manifest"], 3, 10)
    told = ann.text("build", "show", "toy@1.1")
    for part in ("not signed yet", sealed["manifest"], "2 added, 1 removed, 1 changed", "build sign toy@#2"):
        assert part in told
    assert ann.objects() == before
    signed = ann.result("build", "show", f"toy@#{ann.result('build', 'sign', 'toy@#2')['build']}")
    for key in ("version", "critical", "notes", "rollback_to", "depots", "files", "installed_size"):
        assert signed[key] == shown[key]


def test_all_files_of_a_first_build_are_new(crew: Crew) -> None:
    ann = crew("ann")
    ann.result("game", "create", "toy")
    ann.publish("one", "--candidate")
    shown = ann.result("build", "show", "toy@#1")
    assert shown["changes"] == {"added": 2, "removed": 0, "changed": 0, "moved": 0}
    assert (shown["parent"], shown["rollback_to"]) == (None, None)
    assert ann.result("build", "sign", "toy@#1")["channels"] == ["stable"]


def test_a_candidate_that_was_overtaken_gets_a_number_once(ann: Person, crew: Crew) -> None:
    ci = crew("ci")
    ci.publish("two", "--candidate")
    ci.publish("four", "--candidate")
    assert ann.publish("three")["build"] == 4
    signed = ann.result("build", "sign", "toy@#2")
    assert (signed["build"], signed["version"], signed["changed"]) == (5, "5", True)
    again = ann("build", "sign", "toy@#2", "--exit-code")
    assert (again.exit, again.document["result"]["build"]) == (3, 5)
    assert ann.result("build", "show", "toy@#2")["build"] == 5
    states = [(1, "live"), (3, "sealed"), (4, "live"), (5, "live")]
    assert [(number, state) for number, _, state in ann.builds()] == states


def test_a_label_names_what_waits_unless_something_live_has_it(ann: Person, crew: Crew) -> None:
    ci = crew("ci")
    ci.publish("two", "--candidate", "--version", "2.0")
    ci.publish("three", "--candidate", "--version", "2.0")
    assert ann.result("build", "show", "toy@2.0")["build"] == 3
    assert ann.result("build", "sign", "toy@2.0")["build"] == 3
    assert ann.result("build", "show", "toy@2.0")["state"] == "live"
    taken = ann("build", "sign", "toy@#2")
    assert (taken.exit, taken.document["error"]["code"]) == (10, "version-taken")
    for words in ("toy@#9", "toy@9.9"):
        assert ann.fails("build", "sign", words) == (5, "build-missing")


def test_a_candidate_that_nobody_can_sign_hides_no_other(ann: Person, crew: Crew) -> None:
    ci = crew("ci")
    for content in ("two", "three", "four"):
        ci.publish(content, "--candidate")
    folder = ann.store / "tuf/toy/candidates"
    (folder / "2").write_bytes(b"{}")
    (folder / "3").write_bytes((folder / "3").read_bytes().replace(b'"parent":null', b'"parent":77'))
    listed = ann.run("build", "list", "toy", "--store", str(ann.store), "--events")
    assert [event["code"] for event in listed.events if event["type"] == "warning"] == ["bad-document", "build-missing"]
    assert ann.builds() == [(1, "1.0", "live"), (4, "4", "sealed")]
    assert ann.fails("build", "show", "toy@#2") == (6, "bad-document")
    assert ann.fails("build", "sign", "toy@#3") == (5, "build-missing")


@pytest.mark.parametrize("spoil", ["packs", "counts"])
def test_a_candidate_that_is_not_whole_is_not_signed(ann: Person, crew: Crew, spoil: str) -> None:
    crew("ci").publish("two", "--candidate")
    sealed = ann.store / "tuf/toy/candidates/2"
    if spoil == "packs":
        old = {key for key in ann.objects() if "/packs/" in key}
        crew("ci").publish("three", "--candidate")
        (new,) = {key for key in ann.objects() if "/packs/" in key} - old
        (ann.store / new).unlink()
        number = 3
    else:
        sealed.write_bytes(sealed.read_bytes().replace(b'"files":2', b'"files":3'))
        number = 2
    assert ann.fails("build", "sign", f"toy@#{number}") == (6, "candidate-unusable")


@pytest.mark.parametrize("order", [(2, 3, 4), (4, 2, 3)], ids=str)
def test_a_matrix_of_candidates_is_promoted_once_and_complete(ann: Person, crew: Crew, order: tuple[int, ...]) -> None:
    """Three machines publish a depot each; whoever signs them in any order gets complete builds."""
    for platform in ("windows", "linux", "macos"):
        ci = crew(platform)
        write(ci.source, {f"bin/{platform}": platform})
        words = ("--depot", platform, "--platform", platform, "--no-channel", "--candidate")
        assert ci.result("publish", str(ci.source), "toy", *words)["channel"] is None
    last = [ann.result("build", "sign", f"toy@#{number}")["build"] for number in order][-1]
    assert (ann.channel(), last) == (1, max(number for number, _, _ in ann.builds()))
    promoted = ann.result("build", "promote", f"toy@#{last}", "stable")
    assert (promoted["build"], promoted["previous"], promoted["changed"]) == (last, 1, True)
    assert list(ann.result("build", "show", "toy")["depots"]) == ["linux", "macos", "main", "windows"]


def test_a_matrix_with_keys_is_promoted_once_and_complete(ann: Person) -> None:
    for platform in ("windows", "linux", "macos"):
        source = write(ann.source.parent / platform, {f"bin/{platform}": platform})
        last = ann.result("publish", str(source), "toy", "--depot", platform, "--no-channel")
    assert ann.channel() == 1
    ann.result("build", "promote", f"toy@#{last['build']}", "stable")
    assert list(ann.result("build", "show", "toy")["depots"]) == ["linux", "macos", "main", "windows"]


@pytest.mark.parametrize(("parent", "depots"), [("none", ["dlc"]), ("1", ["dlc", "main"]), (None, ["art", "dlc"])])
def test_a_candidate_may_name_its_parent(ann: Person, parent: str | None, depots: list[str]) -> None:
    art = write(ann.source.parent / "art", {"art/a.txt": "a"})
    dlc = write(ann.source.parent / "dlc", {"dlc/d.txt": "d"})
    ann.result("publish", str(art), "toy", "--depot", "art", "--parent", "none")
    words = ("--parent", parent) if parent else ()
    ann.result("publish", str(dlc), "toy", "--depot", "dlc", "--candidate", *words)
    assert list(ann.result("build", "show", "toy@#3")["depots"]) == depots
    ann.result("build", "sign", "toy@#3")
    assert list(ann.result("build", "show", "toy@#3")["depots"]) == depots
    assert ann.fails("publish", str(dlc), "toy", "--depot", "dlc", "--candidate", "--parent", "9") == (
        5,
        "build-missing",
    )


# Keys


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
    assert shown["signing"] == {
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


# Two key holders


def test_two_people_sign_one_build(crew: Crew, tmp_path: Path) -> None:
    ann, bob = crew("ann"), crew("bob")
    ann.result("game", "create", "toy", "--build-keys", "2", "--build-threshold", "2")
    ann.give_keys(bob)
    ann.drop_key("builds", 0)
    bob.drop_key("builds", 1)
    sealed = ann.publish("one")
    assert {key: sealed[key] for key in ("build", "state", "signatures", "needed", "created")} == {
        "build": 1,
        "state": "sealed",
        "signatures": 1,
        "needed": 2,
        "created": True,
    }
    assert ann.builds() == [(1, "1", "sealed")]
    assert ann.result("channel", "list", "toy")["channels"] == []
    again = ann.result("build", "sign", "toy@#1")
    assert (again["state"], again["signatures"], again["needed"], again["changed"]) == ("sealed", 1, 2, False)
    before = ann.objects()
    assert bob.result("build", "sign", "toy@#1", "--dry-run")["state"] == "live"
    assert ann.objects() == before
    signed = bob.result("build", "sign", "toy@#1")
    assert (signed["state"], signed["channels"], signed["changed"]) == ("live", ["stable"], True)
    assert "signatures" not in signed
    assert ann("build", "sign", "toy@#1", "--exit-code").exit == 3
    assert crew("player").update(tmp_path / "game") == (0, "one")


def test_whoever_signs_first_is_told_who_is_next(crew: Crew) -> None:
    ann, bob = crew("ann"), crew("bob")
    ann.result("game", "create", "toy", "--build-keys", "2", "--build-threshold", "2")
    ann.give_keys(bob)
    ann.drop_key("builds", 0)
    bob.drop_key("builds", 1)
    for told in (ann.text("publish", ann.folder("one"), "toy"), ann.text("build", "sign", "toy@#1")):
        assert "Signed by 1 of 2" in told
        assert "lading build sign toy@#1" in told
    crew("ci").publish("two", "--candidate")
    told = ann.text("build", "sign", "toy@#2", "--dry-run")
    assert "Would sign toy 2, build #2." in told


def test_both_sign_a_candidate_that_was_overtaken(crew: Crew) -> None:
    ann, bob = crew("ann"), crew("bob")
    ann.result("game", "create", "toy", "--build-keys", "2", "--build-threshold", "2")
    crew("ci").publish("one", "--candidate")
    crew("ci").publish("two", "--candidate")
    ann.result("build", "sign", "toy@#2")
    ann.give_keys(bob)
    ann.drop_key("builds", 0)
    bob.drop_key("builds", 1)
    first = ann.result("build", "sign", "toy@#1")
    assert (first["build"], first["state"]) == (3, "sealed")
    assert "build sign toy@#3" in ann.text("build", "sign", "toy@#3")
    assert bob.result("build", "sign", "toy@#3")["state"] == "live"
    assert [(number, state) for number, _, state in ann.builds()] == [(2, "live"), (3, "live")]


CO_SIGNED = [
    ["build", "withdraw", "toy@#3"],
    ["channel", "set", "toy", "stable", "--build", "1"],
    ["build", "promote", "toy@1.0", "stable"],
]


@pytest.mark.parametrize("words", CO_SIGNED, ids=" ".join)
def test_two_people_let_players_go_back(two: tuple[Person, Person], words: list[str]) -> None:
    ann, bob = two
    ann.result("build", "promote", "toy@#3", "stable")
    ann.give_keys(bob)
    ann.drop_key("builds", 0)
    bob.drop_key("builds", 1)
    before = ann.objects()
    told = ann(*words, "--dry-run")
    assert (told.exit, told.document["result"]["signatures"]) == (0, 1)
    assert ann.objects() == before
    half = ann(*words, "--exit-code")
    assert (half.exit, half.document["ok"]) == (0, True)
    result = half.document["result"]
    assert (result["signatures"], result["needed"], result["changed"]) == (1, 2, False)
    signed = {key for key in ann.objects() if "/signing/" not in key}
    assert signed == set(before)
    assert ann.channel() == 3
    assert "Another one runs the same command." in ann.text(*words)
    assert bob.result(*words)["changed"] is True
    assert (ann.channel(), ann(*words, "--exit-code").exit) == (1, 3)


def test_one_person_may_lead_players_forward(two: tuple[Person, Person]) -> None:
    ann, _ = two
    ann.drop_key("builds", 0)
    assert ann.result("build", "promote", "toy@#2", "stable")["changed"] is True
    assert ann.channel() == 2


# Promote, withdraw, channels


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
