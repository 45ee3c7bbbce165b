"""Every command of `docs/keys.md`, typed as it stands there, on the machines that it names."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command import Finished, lading
from tests.kit.game import noise
from tests.kit.published import isolate
from tests.kit.source import write

GUIDE = (Path(__file__).parents[2] / "docs" / "keys.md").read_text(encoding="utf-8")
SECTIONS = {
    title: re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for title, text in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
}
PLAYER = "player's machine"
NOTHING_NEW, NEW_BUILD, NOT_BELIEVED = 3, 0, 6
AFTERWARDS = {
    "Where they lie": NOTHING_NEW,
    "Save them first": NOTHING_NEW,
    "Take the root keys offline": NEW_BUILD,
    "Build without keys: CI": NEW_BUILD,
    "Two people for every build": NEW_BUILD,
    "Sign in a device or a cloud": NEW_BUILD,
    "Change keys": NOTHING_NEW,
    "One key of several is lost": NOTHING_NEW,
    "All root keys are lost": NOT_BELIEVED,
    "The store came back from a copy": NEW_BUILD,
    "Expiry": NOTHING_NEW,
    "What a launcher has to know": NOTHING_NEW,
}
"""How an update leaves, of a player who had the game before somebody followed that section."""

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="the guide is for a POSIX shell"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the guide signs with OpenSSL"),
]


class Desk:
    """Where commands are typed: a folder that stands for `/`, and a state folder for each machine."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.printed: dict[str, str] = {}

    def type(self, block: str) -> None:
        """All commands of a block, one after the other, on the machine that its first line names."""
        machine, leaves = "studio", 0
        if found := re.match(r"# on (?:a |the )(.+?)(?:, leaves with (\d+))?\n", block):
            machine, leaves, block = found[1], int(found[2] or 0), block[found.end() :]
        for command in commands(block):
            done = self.run(self._filled(command), machine)
            assert done.exit == leaves, f"{command}\n{done.stdout}{done.stderr}"
            self._remember(command, done.stdout)

    def run(self, command: str, machine: str) -> Finished:
        """One command; ours in this process, others by a shell."""
        command = re.sub(r"(?<![\w.])/(?=srv\b|media\b)", f"{self.home}/", command)
        state = str(self.home / machine.replace(" ", "-"))
        with pytest.MonkeyPatch.context() as environment:
            environment.chdir(self.home)
            for name, value in {"LADING_STATE_DIR": state, "STATE": state, "LADING_KEY_PASSPHRASE": "x"}.items():
                environment.setenv(name, value)
            if " lading " not in f" {command}":
                done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
                return Finished(done.returncode, done.stdout, done.stderr)
            words = shlex.split(command)
            while "=" in words[0]:
                environment.setenv(*words.pop(0).split("=", 1))
            return lading(*words[1:])

    def json(self, machine: str, command: str) -> dict[str, Any]:
        """The document of a command beside the guide."""
        return self.run(f"{command} --json", machine).document

    def _filled(self, command: str) -> str:
        """The words in capitals stand for what earlier commands printed."""
        if "KEYID" in command:
            (role,) = re.findall(r"--role (\w+)", command)
            keys = self.json("studio", "lading key list mygame --store /srv/games")["result"]["keys"]
            self.printed["KEYID"] = next(key["keyid"][:8] for key in keys if key["role"] == role and key["in_use"])
        return re.sub(r"\b(PUBLIC|ONLINE|BUILDS|KEYID|NUMBER|PIN)\b", lambda found: self.printed[found[0]], command)

    def _remember(self, command: str, printed: str) -> None:
        if public := re.search(r"(?<![:\w])[0-9a-f]{64}\b", printed):
            if found := re.search(r"key new mygame --role (\w+)", command):
                self.printed[found[1].upper()] = self.printed["PUBLIC"] = public[0]
            if command.startswith("openssl"):
                self.printed["PUBLIC"] = public[0]
        if number := re.search(r"\bcandidate #(\d+)|\bbuild #(\d+)", printed):
            self.printed["NUMBER"] = number[1] or number[2]
        if pin := re.search(r"sha256:[0-9a-f]{64}@\d+", printed):
            self.printed["PIN"] = pin[0]


def commands(block: str) -> Iterator[str]:
    """The commands of a block; a here-document stays with its command."""
    lines = iter(block.splitlines())
    for line in lines:
        command = [line]
        if end := re.search(r"<<'(\w+)'$", line):
            while command[-1] != end[1]:
                command.append(next(lines))
        yield "\n".join(command)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published game, a stick, and a build that is not published yet."""
    home = tmp_path_factory.mktemp("guide")
    for folder in ("srv", "media/stick"):
        (home / folder).mkdir(parents=True)
    write(home / "build", {"data.pak": noise(50_000, "pak"), "readme.txt": b"one"})
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, home / "home")
        Desk(home).type("lading publish build mygame --store /srv/games\n")
    write(home / "build", {"readme.txt": b"two"})
    return home


@pytest.fixture
def desk(made: Path, isolated: Path, tmp_path: Path) -> Desk:
    return Desk(Path(shutil.copytree(made, tmp_path / "desk")))


def test_every_section_with_commands_is_followed() -> None:
    assert [title for title, blocks in SECTIONS.items() if blocks] == list(AFTERWARDS)
    assert re.findall(r"^```(\w*)$", GUIDE, re.MULTILINE).count("sh") == sum(map(len, SECTIONS.values()))


@pytest.mark.parametrize("title", AFTERWARDS)
def test_what_a_section_says_can_be_done(desk: Desk, title: str) -> None:
    desk.type(f"# on a {PLAYER}\nlading install mygame --into before --store /srv/games --trust first-use\n")
    for block in SECTIONS[title]:
        desk.type(block)
    after = desk.run("lading update before --exit-code --json", PLAYER)
    assert after.exit == AFTERWARDS[title], after.stdout
    readme = (desk.home / "before" / "readme.txt").read_text()
    assert readme == ("two" if AFTERWARDS[title] == NEW_BUILD else "one")


def test_the_second_key_stops_a_thief(desk: Desk) -> None:
    """After the section on two people nothing of a publish reaches players before the second one signs."""
    *setting_up, _ = SECTIONS["Two people for every build"]
    desk.type(f"# on a {PLAYER}\nlading install mygame --into before --store /srv/games --trust first-use\n")
    for block in setting_up:
        desk.type(block)
    assert desk.run("lading update before --exit-code", PLAYER).exit == NOTHING_NEW


def test_players_and_publisher_go_on_after_the_store_came_back_from_a_copy(desk: Desk) -> None:
    """Without the last section they would not: what they have seen is newer."""
    copying, going_on = SECTIONS["The store came back from a copy"]
    desk.type(copying)
    desk.type(f"# on a {PLAYER}\nlading install mygame --into before --store /srv/games --trust first-use\n")
    assert desk.run("lading build list mygame --store /srv/games", "studio").exit == 0
    *coming_back, forgetting, rotating, publishing = commands(going_on)
    for command in coming_back:
        desk.type(f"{command}\n")
    for refused in (rotating, publishing):
        assert desk.json("studio", refused)["error"]["code"] == "metadata-rollback"
    write(desk.home / "build", {"readme.txt": b"three"})
    for command in (forgetting, rotating, publishing):
        desk.type(f"{command}\n")
    desk.type(f"# on a {PLAYER}\nlading update before\n")
    assert (desk.home / "before" / "readme.txt").read_text() == "three"


def test_no_root_key_is_left_where_it_was_taken_away(desk: Desk) -> None:
    for block in SECTIONS["Take the root keys offline"]:
        desk.type(block)
    assert list(desk.home.glob("studio/*/keys/mygame/root-*.json")) == []
    refused = desk.json("studio", "lading key rotate mygame --role root --store /srv/games")
    assert refused["error"]["code"] == "keys-missing"
