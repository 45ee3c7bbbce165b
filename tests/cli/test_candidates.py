"""Builds that are sealed on one machine, looked at and signed on another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.people import Crew, Person
from tests.kit.source import write


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
