"""Help: on standard output, no wider than 80 columns, and the same from the table as from the verb."""

from __future__ import annotations

import pytest

from cli.main import VERBS
from tests.kit.command import Lading
from tests.kit.commands import every_command

COMMANDS = sorted(every_command())


@pytest.mark.parametrize("words", [[], *(name.split() for name in COMMANDS)], ids=" ".join)
def test_help_is_narrow_and_on_standard_output(lading: Lading, words: list[str]) -> None:
    finished = lading(*words, "--help")
    assert finished.exit == 0
    assert finished.stderr == ""
    assert finished.stdout.startswith("Usage: lading")
    assert max(map(len, finished.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", sorted(VERBS))
def test_the_table_says_what_the_verb_says(name: str) -> None:
    command = VERBS[name].load()
    assert command.name == name
    assert (command.help or "").split("\n")[0] == VERBS[name].summary


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    command = every_command()[name]
    assert command.help
    for param in command.params:
        assert param.param_type_name == "argument" or getattr(param, "help", None), f"{name}: {param.name}"
