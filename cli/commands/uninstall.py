"""`lading uninstall`: takes away what was installed and nothing else."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.sizes import counted, human
from cli.words import Verb


@click.command(cls=Verb)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Also remove files of the game that were changed.")
@options.dry_run
def uninstall(run: Run, folder: Path, yes: bool, dry_run: bool) -> Outcome:
    """Remove an installed game.

    Only what the build put there goes; saves, mods and files that were changed stay, the last unless --yes is given.
    """
    from cli.players import controls_of
    from client.remove import uninstall as remove

    removed = remove(folder, controls_of(run), modified_too=yes, dry_run=dry_run)
    verb = "would go" if dry_run else "removed"
    lines = [f"{counted(removed.files, 'file')}, {human(removed.bytes)} {verb}."]
    lines += [f"kept, because it was changed: {path}" for path in removed.kept]
    return Outcome(
        result={
            "game": removed.record.game,
            "files": removed.files,
            "bytes": removed.bytes,
            "kept": removed.kept,
        },
        text="\n".join(lines),
    )
