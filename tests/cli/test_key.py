"""The words for keys: made, listed, rotated, saved and put back, and the pin that players know a game by."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.kit.machines import STORE, Machine
from tests.kit.source import write

ROLES = {"root", "builds", "online"}


@pytest.fixture
def player(studio: Machine, tmp_path: Path) -> Machine:
    """Somebody who installed the game."""
    machine = Machine(tmp_path / "player", studio.clock)
    machine.result("install", "toy", "--into", "game", "--store", STORE, "--trust", "first-use")
    return machine


def listed(machine: Machine, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = machine.result("key", "list", *words)["keys"]
    return rows


def in_use(machine: Machine, role: str) -> list[str]:
    return [row["keyid"] for row in listed(machine, "--store", STORE) if row["role"] == role and row["in_use"]]


def publish(machine: Machine, text: str) -> int:
    write(Path("source"), {"readme.txt": text})
    build: int = machine.result("publish", "source", "toy", "--store", STORE)["build"]
    return build


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_new_makes_a_key_that_nobody_trusts_yet(studio: Machine) -> None:
    before = {row["keyid"] for row in listed(studio)}
    made = studio.result("key", "new", "toy", "--role", "builds")
    assert (made["game"], made["role"], made["made"], made["command"]) == ("toy", "builds", True, None)
    assert len(bytes.fromhex(made["public"])) == 32
    assert os.stat(made["path"]).st_mode & 0o777 == 0o600
    (row,) = [row for row in listed(studio, "--store", STORE) if row["keyid"] not in before]
    assert (row["in_use"], row["backed_up"], row["path"]) == (False, False, made["path"])


def test_new_says_what_to_do_next(studio: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.kit.command import lading

    monkeypatch.setenv("LADING_STATE_DIR", str(studio.state))
    told = lading("key", "new", "toy", "--role", "root", "--store", STORE).stdout.splitlines()
    public = told[1].strip()
    assert told[3].split() == f"lading key rotate toy --role root --add {public} --store {STORE}".split()
    assert studio(*told[3].split()[1:]).exit == 0


def test_new_makes_nothing_in_a_dry_run(studio: Machine) -> None:
    before = contents(studio.state)
    assert studio.result("key", "new", "toy", "--role", "builds", "--dry-run")["made"] is False
    assert contents(studio.state) == before


@pytest.fixture
def token(tmp_path: Path) -> tuple[str, str]:
    """The words of a command that signs, with a secret among them, and its public key."""
    key = Ed25519PrivateKey.generate()
    program = write(
        tmp_path,
        {
            "token.py": "import sys\n"
            "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey\n"
            "key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(sys.argv[1]))\n"
            "print(key.sign(sys.stdin.buffer.read()).hex())\n"
        },
    )
    words = f"'{sys.executable}' '{program / 'token.py'}' {key.private_bytes_raw().hex()}"
    return words, key.public_key().public_bytes_raw().hex()


def test_a_command_signs_instead_of_a_file(studio: Machine, player: Machine, token: tuple[str, str]) -> None:
    words, public = token
    made = studio.result("key", "new", "toy", "--role", "builds", "--command", words, "--public", public)
    (old,) = in_use(studio, "builds")
    studio.result("key", "rotate", "toy", "--role", "builds", "--add", public, "--drop", old[:8], "--store", STORE)
    assert in_use(studio, "builds") == [made["keyid"]]
    os.unlink(next(row["path"] for row in listed(studio) if row["keyid"] == old))
    publish(studio, "signed by a token")
    assert player.result("update", "game")["to"] == 2


def test_the_words_of_a_command_are_not_shown(studio: Machine, token: tuple[str, str]) -> None:
    words, public = token
    studio.result("key", "new", "toy", "--role", "builds", "--command", words, "--public", public)
    shown = studio("key", "list").stdout
    assert words.split()[-1] not in shown
    assert [row["command"] for row in json.loads(shown)["result"]["keys"] if row["command"]] == [sys.executable]


def test_a_command_of_another_key_is_not_taken_note_of(studio: Machine, token: tuple[str, str]) -> None:
    words, _ = token
    before = contents(studio.state)
    refused = studio.refused("key", "new", "toy", "--role", "builds", "--command", words, "--public", "ab" * 32)
    assert refused == (7, "signing-command-failed")
    assert contents(studio.state) == before


@pytest.mark.parametrize(
    "words",
    [
        ["new", "toy"],
        ["new", "toy", "--role", "timestamp"],
        ["new", "toy", "--role", "builds", "--command", "sign"],
        ["new", "toy", "--role", "builds", "--public", "ab" * 32],
        ["new", "toy", "--role", "builds", "--command", "sign", "--public", "ab"],
        ["new", "toy", "--role", "builds", "--command", "'sign", "--public", "ab" * 32],
        ["new", "toy", "--role", "builds", "--command", "sign", "--public", "ab" * 32, "--passphrase"],
        ["new", "toy", "--role", "builds", "--passphrase"],
        ["rotate", "toy", "--add", "ab" * 32, "--store", STORE],
        ["rotate", "toy", "--threshold", "2", "--store", STORE],
        ["rotate", "toy", "--role", "root", "--lost-root", "--store", STORE],
        ["rotate", "toy", "--role", "root", "--drop", "", "--add", "ab" * 31, "--store", STORE],
        ["rotate", "toy"],
        ["backup", "toy"],
        ["backup", "toy", "--to", "new.backup"],
        ["restore"],
    ],
    ids=" ".join,
)
def test_words_that_mean_nothing(studio: Machine, words: list[str]) -> None:
    before = contents(Path())
    assert studio.refused("key", *words) == (2, "usage")
    assert contents(Path()) == before


def test_list_tells_keys_of_two_registries_apart(studio: Machine) -> None:
    studio.result("publish", "source", "toy", "--store", "other")
    rows = listed(studio)
    assert len({row["registry"] for row in rows}) == 2
    assert {row["role"] for row in rows} == {*ROLES, "registry"}
    assert all(row["in_use"] is None for row in rows)
    known = listed(studio, "toy", "--store", STORE)
    assert {row["role"] for row in known} == ROLES
    assert {(row["in_use"], row["threshold"], row["keys"]) for row in known} == {(True, 1, 1)}
    assert studio.refused("key", "pin", "chess") == (5, "not-trusted")
    assert studio.refused("key", "new", "toy", "--role", "root") == (2, "usage")


def test_rotate_makes_all_keys_anew_and_players_follow(studio: Machine, player: Machine) -> None:
    before = {role: in_use(studio, role) for role in ROLES}
    done = studio.result("key", "rotate", "toy", "--store", STORE)
    assert {role: row["dropped"] for role, row in done["roles"].items()} == before
    assert {role: row["added"] for role, row in done["roles"].items()} == {role: in_use(studio, role) for role in ROLES}
    publish(studio, "signed anew")
    assert player.result("update", "game")["to"] == 2


@pytest.mark.parametrize("role", sorted(ROLES))
def test_rotate_changes_the_keys_of_one_role(studio: Machine, player: Machine, role: str) -> None:
    before = {each: in_use(studio, each) for each in ROLES}
    studio.result("key", "rotate", "toy", "--role", role, "--store", STORE)
    after = {each: in_use(studio, each) for each in ROLES}
    assert {each for each in ROLES if before[each] != after[each]} == {role}
    publish(studio, "signed anew")
    assert player.result("update", "game")["to"] == 2


def test_a_threshold_alone_keeps_the_keys(studio: Machine, player: Machine) -> None:
    public = studio.result("key", "new", "toy", "--role", "builds")["public"]
    studio.result("key", "rotate", "toy", "--role", "builds", "--add", public, "--store", STORE)
    both = in_use(studio, "builds")
    done = studio.result("key", "rotate", "toy", "--role", "builds", "--threshold", "2", "--store", STORE)
    assert (len(both), in_use(studio, "builds")) == (2, both)
    assert (done["roles"]["builds"]["threshold"], done["roles"]["builds"]["added"]) == (2, [])
    publish(studio, "signed by both")
    assert player.result("update", "game")["to"] == 2


def test_builds_that_two_people_sign(studio: Machine, player: Machine, tmp_path: Path) -> None:
    """Each makes keys of their own, and no private key leaves its machine; the one who has no root key goes first."""
    second = Machine(tmp_path / "second", studio.clock)
    made = {
        role: second.result("key", "new", "toy", "--role", role, "--store", STORE)["public"]
        for role in ("builds", "online")
    }
    studio.result("key", "rotate", "toy", "--role", "online", "--add", made["online"], "--store", STORE)
    words = ["key", "rotate", "toy", "--role", "builds", "--add", made["builds"], "--threshold", "2", "--store", STORE]
    assert second.refused(*words) == (9, "signatures-missing")
    studio.result(*words)
    write(Path("source"), {"readme.txt": "by both"})
    first = studio.result("publish", "source", "toy", "--store", STORE)
    assert first["state"] != "live"
    assert player("update", "game", "--exit-code").exit == 3
    second.result("build", "sign", f"toy@#{first['build']}", "--store", STORE)
    assert player.result("update", "game")["to"] == first["build"]


def test_a_rotation_in_a_dry_run_touches_nothing_and_foresees_refusals(studio: Machine) -> None:
    before = contents(Path(STORE)), listed(studio)
    done = studio.result("key", "rotate", "toy", "--store", STORE, "--dry-run")
    assert all(len(row["added"]) == len(row["dropped"]) == 1 for row in done["roles"].values())
    studio.result("key", "rotate", "toy", "--lost-root", "--store", STORE, "--dry-run")
    assert (contents(Path(STORE)), listed(studio)) == before
    (root,) = in_use(studio, "root")
    os.unlink(next(row["path"] for row in listed(studio) if row["keyid"] == root))
    assert studio.refused("key", "rotate", "toy", "--store", STORE, "--dry-run") == (4, "keys-missing")


@pytest.mark.parametrize("digits", ["", "7 of them"])
def test_few_digits_name_no_key(studio: Machine, digits: str) -> None:
    """A variable that is not set takes no key away, and neither does a slip of the hand."""
    (only,) = in_use(studio, "builds")
    public = studio.result("key", "new", "toy", "--role", "builds")["public"]
    words = ["key", "rotate", "toy", "--role", "builds", "--add", public, "--store", STORE]
    assert studio.refused(*words, "--drop", digits and only[:7]) == (2, "usage")
    assert studio.refused(*words, "--drop", "ab" * 32) == (2, "bad-key-change")
    assert in_use(studio, "builds") == [only]


def test_all_root_keys_are_lost(studio: Machine, player: Machine) -> None:
    """Players who trusted the game refuse until they are told the new pin; nobody is led on in silence."""
    old = studio.result("key", "pin", "toy")["pin"]
    for row in listed(studio, "toy"):
        if row["role"] == "root":
            os.unlink(row["path"])
    assert studio.refused("key", "rotate", "toy", "--store", STORE) == (4, "keys-missing")
    done = studio.result("key", "rotate", "toy", "--lost-root", "--store", STORE)
    assert studio.result("key", "pin", "toy")["pin"] == done["pin"] != old
    publish(studio, "begun anew")
    assert player.refused("update", "game") == (6, "bad-signature")
    installed = player.result("install", "toy", "--into", "game", "--store", STORE, "--trust", done["pin"])
    assert installed["to"] == 2
    publish(studio, "and once more")
    assert player.result("update", "game")["to"] == 3


def test_lost_root_keys_may_have_expired(studio: Machine, player: Machine) -> None:
    for row in listed(studio, "toy"):
        if row["role"] == "root":
            os.unlink(row["path"])
    studio.clock.advance(1200 * 86400)
    assert studio.refused("publish", "source", "toy", "--store", STORE) == (6, "metadata-expired")
    pin = studio.result("key", "rotate", "toy", "--lost-root", "--store", STORE)["pin"]
    assert player.result("install", "toy", "--into", "game", "--store", STORE, "--trust", pin)["to"] == 1


def test_a_backup_is_put_back_on_another_machine(studio: Machine, player: Machine, tmp_path: Path) -> None:
    studio.variables["LADING_KEY_PASSPHRASE"] = "correct horse"
    saved = studio.result("key", "backup", "toy", "--to", "toy.backup")
    assert os.stat("toy.backup").st_mode & 0o777 == 0o600
    assert len(saved["keys"]) == 4
    assert all(row["backed_up"] for row in listed(studio))

    fresh = Machine(tmp_path / "fresh", studio.clock, {"LADING_KEY_PASSPHRASE": "correct horse"})
    assert fresh.refused("publish", "source", "toy", "--store", STORE, "--version", "x") == (4, "keys-missing")
    dry = fresh.result("key", "restore", "toy.backup", "--store", STORE, "--dry-run")
    assert (len(dry["keys"]), listed(fresh)) == (4, [])
    fresh.result("key", "restore", "toy.backup", "--store", STORE)
    assert all(row["backed_up"] for row in listed(fresh))
    publish(fresh, "from the new machine")
    assert player.result("update", "game")["to"] == 2
    fresh.result("key", "restore", "toy.backup")  # what is here already stays


def test_a_backup_of_all_games(studio: Machine) -> None:
    studio.variables["LADING_KEY_PASSPHRASE"] = "correct horse"
    studio.result("publish", "source", "chess", "--store", STORE)
    assert studio.result("key", "backup", "--to", "all.backup")["games"] == ["chess", "toy"]


def test_a_backup_is_never_written_over_a_file(studio: Machine) -> None:
    studio.variables["LADING_KEY_PASSPHRASE"] = "correct horse"
    Path("taken").write_text("mine")
    assert studio.refused("key", "backup", "toy", "--to", "taken") == (10, "file-exists")
    assert studio.refused("key", "backup", "toy", "--to", "taken", "--dry-run") == (10, "file-exists")
    assert Path("taken").read_text() == "mine"
    assert studio.refused("key", "backup", "toy", "--to", "no/such/folder") == (7, "path-unusable")
    assert studio.refused("key", "backup", "chess", "--to", "new") == (5, "nothing-to-back-up")
    studio.result("key", "backup", "toy", "--to", "new", "--dry-run")
    assert not Path("new").exists()
    assert not any(row["backed_up"] for row in listed(studio))


def test_a_passphrase_from_a_file(studio: Machine) -> None:
    Path("secret").write_text("correct horse\n")
    studio.variables["LADING_KEY_PASSPHRASE_FILE"] = "secret"
    studio.result("key", "backup", "toy", "--to", "toy.backup")
    studio.variables = {"LADING_KEY_PASSPHRASE": "correct horse"}
    studio.result("key", "restore", "toy.backup")
    studio.variables = {"LADING_KEY_PASSPHRASE": "battery staple"}
    assert studio.refused("key", "restore", "toy.backup") == (4, "passphrase-wrong")
    studio.variables = {}
    assert studio.refused("key", "restore", "toy.backup") == (4, "passphrase-wrong")
    studio.variables = {"LADING_KEY_PASSPHRASE_FILE": "absent"}
    assert studio.refused("key", "restore", "toy.backup") == (7, "path-unusable")
    Path("secret").write_text("\n")
    studio.variables = {"LADING_KEY_PASSPHRASE_FILE": "secret"}
    assert studio.refused("key", "restore", "toy.backup") == (2, "bad-setting")


def test_passphrases_are_shown_to_nobody(studio: Machine) -> None:
    studio.variables = {"LADING_KEY_PASSPHRASE": "correct horse", "LADING_KEY_PASSPHRASE_FILE": "secret"}
    shown = studio("config", "show")
    settings = shown.document["result"]["settings"]
    assert settings["key_passphrase"] == {"value": "***", "origin": "environment LADING_KEY_PASSPHRASE"}
    assert settings["key_passphrase_file"]["value"] == "secret"
    assert studio.refused("key", "backup", "toy", "--to", "new", "--key-passphrase", "x") == (2, "usage")


@pytest.mark.parametrize("spoil", [b"", b"not a backup", b"{}"])
def test_what_is_no_backup(studio: Machine, spoil: bytes) -> None:
    studio.variables["LADING_KEY_PASSPHRASE"] = "correct horse"
    Path("toy.backup").write_bytes(spoil)
    before = contents(studio.state)
    assert studio.refused("key", "restore", "toy.backup") == (6, "bad-backup")
    assert contents(studio.state) == before


def test_a_key_with_a_passphrase_signs_only_with_it(studio: Machine, player: Machine) -> None:
    studio.variables["LADING_KEY_PASSPHRASE"] = "correct horse"
    made = studio.result("key", "new", "toy", "--role", "builds", "--passphrase")
    assert made["passphrase"] is True
    (old,) = in_use(studio, "builds")
    words = ["--role", "builds", "--add", made["public"], "--drop", old, "--store", STORE]
    studio.variables.clear()
    assert studio.refused("key", "rotate", "toy", *words) == (4, "passphrase-wrong")
    studio.variables["LADING_KEY_PASSPHRASE"] = "correct horse"
    studio.result("key", "rotate", "toy", *words)
    publish(studio, "with a passphrase")
    assert player.result("update", "game")["to"] == 2


def test_the_pin_is_the_digest_of_the_first_root(studio: Machine, tmp_path: Path) -> None:
    root = (tmp_path / STORE / "tuf/toy/1.root.json").read_bytes()
    first = f"sha256:{hashlib.sha256(root).hexdigest()}@1"
    found = studio.result("key", "pin", "toy")
    assert (found["pin"], found["newest"]) == (first, first)
    studio.result("key", "rotate", "toy", "--role", "root", "--store", STORE)
    after = studio.result("key", "pin", "toy", "--store", STORE, "--out", "toy.root.json")
    newest = (tmp_path / STORE / "tuf/toy/2.root.json").read_bytes()
    assert (after["pin"], after["newest"]) == (first, f"sha256:{hashlib.sha256(newest).hexdigest()}@2")
    assert Path("toy.root.json").read_bytes() == root
    assert studio.refused("key", "pin", "toy", "--out", "toy.root.json") == (10, "file-exists")


def test_the_pin_of_the_registry(studio: Machine) -> None:
    (own,) = [row for row in listed(studio) if row["role"] == "registry"]
    digest = hashlib.sha256(bytes.fromhex(own["public"])).hexdigest()
    assert studio.result("key", "pin", "toy")["registry_pin"] == f"registry:sha256:{digest}"


def test_the_pin_where_only_trust_lies(player: Machine, studio: Machine) -> None:
    found = player.result("key", "pin", "toy", "--out", "toy.root.json")
    assert (found["pin"], found["registry_pin"]) == (studio.result("key", "pin", "toy")["pin"], None)


def test_the_root_file_where_only_keys_lie(studio: Machine) -> None:
    shutil.rmtree(studio.state / "trust")
    assert studio.refused("key", "pin", "toy", "--out", "toy.root.json") == (5, "not-trusted")
    studio.result("key", "pin", "toy", "--out", "toy.root.json", "--store", STORE)


def test_a_store_that_shows_another_root_does_not_change_the_pin(studio: Machine, tmp_path: Path) -> None:
    """The machine that made the game is never talked out of it."""
    pin = studio.result("key", "pin", "toy")["pin"]
    thief = Machine(tmp_path / "thief", studio.clock)
    forged = tmp_path / "forged"
    thief.result("publish", "source", "toy", "--store", str(forged))
    shutil.copy(tmp_path / STORE / "lading.json", forged / "lading.json")
    shutil.rmtree(studio.state / "trust")
    assert studio.result("key", "pin", "toy", "--store", str(forged))["pin"] == pin
    assert studio.refused("key", "pin", "toy", "--store", str(forged), "--out", "root.json") == (5, "not-trusted")
