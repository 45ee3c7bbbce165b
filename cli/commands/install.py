"""`lading install`: a game into a folder."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb


@click.command(cls=Verb)
@click.argument("game")
@click.option("--into", "folder", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Where to.")
@options.store
@options.channel
@options.version
@options.build
@click.option("--depot", "depots", metavar="DEPOT", multiple=True, help="Only these depots.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Also the files that carry this tag.")
@options.trust
@options.accept_stale
@click.option("--replace", is_flag=True, help="Let files be replaced that Lading did not install.")
@options.limit_rate
@options.dry_run
def install(
    run: Run,
    game: str,
    folder: Path,
    channel: str | None,
    label: str | None,
    number: int | None,
    depots: tuple[str, ...],
    tags: tuple[str, ...],
    replace: bool,
    accept_stale: bool,
    dry_run: bool,
) -> Outcome:
    """Install a game into a folder.

    A folder that holds the game already is brought to the wanted build; files that are right are kept.
    """
    from cli.players import engine, settled_outcome
    from client.engine import Aim
    from client.resolve import Wish
    from client.road import install as go

    began = run.clock.monotonic()
    wish = Wish(channel or "stable", options.one_of(label, number), number)
    aim = Aim(folder, wish, game, depots, tags, replace=replace, dry_run=dry_run)
    with engine(run, folder, accept_stale=accept_stale, dry_run=dry_run) as over:
        settled = go(aim, over)
    return settled_outcome(settled, run.clock.monotonic() - began, exit_code=False)
