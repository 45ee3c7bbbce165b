"""`lading init STORE`: make a store."""

from __future__ import annotations

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb


@click.command(cls=Verb)
@click.argument("store")
@options.dry_run
@options.exit_code
def init(run: Run, dry_run: bool, exit_code: bool) -> Outcome:
    """Make a store of an absent or empty folder.

    `publish` and `game create` do so as well. A store that is there already stays as it is.
    """
    from cli import compose

    with compose.writing(run, dry_run=dry_run, create=True) as opened:
        created, where = opened.created, opened.folder
        made = "Would make" if dry_run else "Made"
        return Outcome(
            result={"store": str(where), "registry": opened.registry.registry_id, "created": created},
            text=f"{made} the store {where}." if created else f"{where} is a store already.",
            idle=exit_code and not created,
        )
