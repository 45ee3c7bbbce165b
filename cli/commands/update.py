"""`lading update`: an installed folder to the build that its channel points to, or another."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb


@click.command(cls=Verb)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@options.channel
@options.version
@options.build
@options.store
@options.accept_stale
@options.limit_rate
@options.dry_run
@options.exit_code
def update(
    run: Run,
    folder: Path,
    channel: str | None,
    label: str | None,
    number: int | None,
    accept_stale: bool,
    dry_run: bool,
    exit_code: bool,
) -> Outcome:
    """Bring an installed game to the newest build of its channel.

    --channel switches for good; --version and --build choose a build for this once. Only what changed is fetched.
    """
    from cli.players import engine_of_installed, settled_outcome
    from client.engine import Aim
    from client.resolve import Wish
    from client.road import update as go

    began = run.clock.monotonic()
    aim = Aim(folder, Wish(channel or "", options.one_of(label, number), number), dry_run=dry_run)
    with engine_of_installed(run, folder, accept_stale=accept_stale) as over:
        settled = go(aim, over)
    return settled_outcome(settled, run.clock.monotonic() - began, exit_code=exit_code)
