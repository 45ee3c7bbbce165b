"""`lading repair`: every byte of an installed folder checked, and what is wrong fetched again."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb


@click.command(cls=Verb)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@options.store
@options.limit_rate
@options.dry_run
@options.exit_code
def repair(run: Run, folder: Path, dry_run: bool, exit_code: bool) -> Outcome:
    """Check every byte of an installed game and mend what is wrong.

    The game stays at its build. Files that are not part of it are not touched.
    """
    from cli.players import engine_of_installed, settled_outcome
    from client.engine import Aim
    from client.resolve import Wish
    from client.road import update as go

    began = run.clock.monotonic()
    aim = Aim(folder, Wish(""), full=True, replace=True, dry_run=dry_run, present_build=True)
    with engine_of_installed(run, folder) as over:
        settled = go(aim, over)
    return settled_outcome(settled, run.clock.monotonic() - began, exit_code=exit_code)
