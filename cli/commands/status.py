"""`lading status`: what a folder holds and in which state."""

from __future__ import annotations

from pathlib import Path

import click

from cli.call import Run
from cli.output import Outcome
from cli.words import Verb


@click.command(cls=Verb)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def status(run: Run, folder: Path) -> Outcome:
    """Show what is installed in a folder.

    States: absent, installed, interrupted (run the same command again), wounded (run lading repair).
    """
    from cli.players import controls_of
    from client.status import status as look

    found = look(folder, controls_of(run))
    record = found.record
    result = {
        "game": record.game if record else None,
        "build": record.build or None if record else None,
        "version": record.version or None if record else None,
        "channel": record.channel if record else None,
        "state": found.state,
    }
    if record is None:
        return Outcome(result=result, text="Nothing is installed here.")
    held = f"{record.version} (build #{record.build})" if record.build else "nothing complete yet"
    return Outcome(result=result, text=f"{record.game}: {held}, channel {record.channel}, {found.state}")
