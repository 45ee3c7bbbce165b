"""All commands of the program, by the words that call them."""

from __future__ import annotations

import click

from cli.main import PROGRAM


def every_command() -> dict[str, click.Command]:
    """`{"config show": …}`: verbs only, without the nouns above them."""
    found: dict[str, click.Command] = {}

    def walk(command: click.Command | None, words: tuple[str, ...]) -> None:
        assert command is not None
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                walk(command.get_command(context, name), (*words, name))
        else:
            found[" ".join(words)] = command

    walk(PROGRAM, ())
    return found
