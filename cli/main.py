"""The table of verbs and the way in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from chunkstore.cancel import Cancel
from chunkstore.clock import Clock, SystemClock
from cli.call import Call, attempt, conclude, talks
from cli.config import COMPLETION_VARIABLE, completion_request
from cli.exits import Exit
from cli.ndjson import NdjsonSink
from cli.output import use_utf8
from cli.signals import stop_on_signals
from cli.words import Lazy, Program, dispatch

VERBS = {
    "init": Lazy("cli.commands.init:init", "Make a store of an absent or empty folder."),
    "game": Lazy("cli.commands.game:game", "Make and show the games of a store."),
    "publish": Lazy("cli.commands.publish:publish", "Publish a folder as the next build of a game."),
    "build": Lazy("cli.commands.build:build", "Show, sign, promote and withdraw the builds of a game."),
    "channel": Lazy("cli.commands.channel:channel", "Show and move the channels of a game."),
    "ls": Lazy("cli.commands.ls:ls", "List the files of a build."),
    "cat": Lazy("cli.commands.cat:cat", "Write the content of one file of a build to standard output."),
    "diff": Lazy(
        "cli.commands.diff:diff",
        "Show what changed between two builds, and what an update from one to the other downloads.",
    ),
    "key": Lazy("cli.commands.key:key", "Make, change, save and show the keys that sign."),
    "trust": Lazy("cli.commands.trust:trust", "Show and export what this machine trusts."),
    "store": Lazy("cli.commands.store:store", "Check, measure and renew a store."),
    "install": Lazy("cli.commands.install:install", "Install a game into a folder."),
    "update": Lazy("cli.commands.update:update", "Bring an installed game to the newest build of its channel."),
    "verify": Lazy("cli.commands.verify:verify", "Check an installed game against its manifest."),
    "repair": Lazy("cli.commands.repair:repair", "Check every byte of an installed game and mend what is wrong."),
    "status": Lazy("cli.commands.status:status", "Show what is installed in a folder."),
    "uninstall": Lazy("cli.commands.uninstall:uninstall", "Remove an installed game."),
    "demo": Lazy("cli.commands.demo:demo", "Publish, install, update, damage, verify and repair a toy game."),
    "doctor": Lazy("cli.commands.doctor:doctor", "Check that this machine and its settings are fit for work."),
    "config": Lazy("cli.commands.config:config", "Show the settings in force."),
    "completion": Lazy("cli.commands.completion:completion", "Print the completion script of a shell."),
}

PROGRAM = Program("lading", VERBS, help="Publish, install and update game builds, moving only what changed.")


def execute(
    argv: Sequence[str],
    *,
    stdout: TextIO,
    stderr: TextIO,
    clock: Clock,
    cancel: Cancel,
    stdin: TextIO | None = None,
) -> Exit:
    """Run one command line and say how it ended; the whole program but for what belongs to the process."""
    events = NdjsonSink(stderr, clock) if talks(argv, "--events") else None
    call = Call(talks(argv, "--json"), events, stdout, stderr, clock, cancel, stdin=stdin)
    return conclude(call, attempt(lambda: dispatch(PROGRAM, argv, call)))


def main() -> None:
    """The console script."""
    stdout, stderr = use_utf8(sys.stdout), use_utf8(sys.stderr)
    if instruction := completion_request():
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(PROGRAM, {}, "lading", COMPLETION_VARIABLE, instruction))
    cancel = Cancel()
    stop_on_signals(cancel)
    sys.exit(execute(sys.argv[1:], stdout=stdout, stderr=stderr, clock=SystemClock(), cancel=cancel, stdin=sys.stdin))
