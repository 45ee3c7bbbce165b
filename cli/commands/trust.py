"""`lading trust show|export`: what this machine believes of a game's publisher, and how a launcher takes it along."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verbs
from manifest.paths import RESERVED_FOLDER

if TYPE_CHECKING:
    from manifest.trust.folder import TrustFolder

trust = Verbs("trust", help="Show and export what this machine trusts.")


@trust.command()
@click.argument("what", metavar="[GAME|DIR]", required=False)
def show(run: Run, what: str | None) -> Outcome:
    """Show by whom games have to be signed on this machine.

    That is the root that the trust began with, the keys and thresholds, when each role expires, and the marks below
    which nothing is believed any more. For one game, one installed folder, or all that is trusted.
    """
    from cli.trusted import trust_row, trust_text

    now = run.clock.now()
    rows = [trust_row(folder, now) for folder in _meant(run, what)]
    text = "\n\n".join(trust_text(row, now) for row in rows)
    return Outcome({"trusted": rows}, text or "Nothing is trusted on this machine yet.")


def _meant(run: Run, what: str | None) -> list[TrustFolder]:
    """A folder that holds an installation goes before a game of that name."""
    from cli.players import root_recorded
    from cli.trusted import NotTrusted, trusted, trusted_by
    from manifest.names import check_name

    if what is None:
        return trusted(run)
    if not os.path.isdir(os.path.join(what, RESERVED_FOLDER)):
        return trusted(run, check_name(what, "game"))
    pin = root_recorded(Path(what))
    if pin is None:
        raise NotTrusted("the folder does not remember whom it trusted", where=what)
    return [trusted_by(run, pin)]


@trust.command()
@click.argument("game", metavar="GAME")
@click.option("--to", "file", metavar="FILE", required=True, type=click.Path(path_type=Path), help="The new file.")
@options.trust
def export(run: Run, game: str, file: Path) -> Outcome:
    """Write the root file that a game is trusted by, for a launcher to ship.

    `lading install --trust FILE` trusts the game by it from the first request on.
    """
    from cli.files import write_new
    from cli.trusted import the_only, trusted
    from manifest.names import check_name

    found = the_only(run, trusted(run, check_name(game, "game")))
    write_new(file, found.root())
    pin = str(found.about.pin)
    return Outcome({"game": game, "pin": pin, "file": str(file)}, text=f"Wrote the root of {game} to {file}:\n  {pin}")
