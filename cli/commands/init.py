"""`lading init STORE`: make a store."""

from __future__ import annotations

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb


@click.command(cls=Verb)
@click.argument("store")
@click.option("--static", is_flag=True, help="No server will ever sign for it; its publisher renews signatures.")
@options.dry_run
@options.exit_code
def init(run: Run, static: bool, dry_run: bool, exit_code: bool) -> Outcome:
    """Make a store of an absent or empty folder.

    `publish` and `game create` do so as well. A store that is there already stays as it is.
    """
    from cli import compose

    with compose.writing(run, dry_run=dry_run, create=True, static=static) as opened:
        created, where = opened.created, opened.folder
        registry, is_static = opened.registry.registry_id, opened.registry.static
    made = "Would make" if dry_run else "Made"
    said = [f"{made} the store {where}." if created else f"{where} is a store already."]
    if is_static:
        said.append(f"No server will renew its signatures: let cron run `lading store refresh {where}` once a week.")
    return Outcome(
        result={"store": str(where), "registry": registry, "static": is_static, "created": created},
        text="\n".join(said),
        idle=exit_code and not created,
    )
