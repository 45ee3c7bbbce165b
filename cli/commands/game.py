"""`lading game create|list|show`: the games of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verbs

if TYPE_CHECKING:
    from manifest.documents import GameState

game = Verbs("game", help="Make and show the games of a store.")


@game.command()
@click.argument("game", metavar="GAME")
@options.store
@click.option("--scope", metavar="SCOPE", help="What the game shares its chunks with; its own name by default.")
@click.option("--root-keys", metavar="N", type=int, default=1, help="How many root keys are made; 1 by default.")
@click.option("--threshold", metavar="M", type=int, default=1, help="How many of them have to sign; 1 by default.")
@click.option("--build-keys", metavar="N", type=int, default=1, help="How many keys for builds are made.")
@click.option("--build-threshold", metavar="M", type=int, default=1, help="How many of them have to sign each build.")
@options.dry_run
@options.exit_code
def create(
    run: Run,
    game: str,
    scope: str | None,
    root_keys: int,
    threshold: int,
    build_keys: int,
    build_threshold: int,
    dry_run: bool,
    exit_code: bool,
) -> Outcome:
    """Make a game before its first publish.

    Only needed to choose its scope: games of one scope share chunks, and with them the right to download.
    """
    from cli import compose
    from manifest.trust.keyplan import KeyPlan
    from publisher.games import create_game

    plan = KeyPlan(root_keys, threshold, build_keys, build_threshold)
    with compose.writing(run, dry_run=dry_run, create=True) as opened:
        state, created = create_game(opened.registry, game, scope, plan, dry_run=dry_run)
    done = ("Would make" if dry_run else "Made") if created else "There is already"
    return Outcome(
        result={"game": state.game, "scope": state.scope, "created": created},
        text=f"{done} the game {state.game} in the scope {state.scope}.",
        idle=exit_code and not created,
    )


@game.command(name="list")
@options.store
def list_(run: Run) -> Outcome:
    """List the games of a store."""
    from cli import compose

    with compose.reading(run) as opened:
        rows = [_row(opened.registry.whole(name)) for name in opened.registry.games()]
    return Outcome(result={"games": rows}, text="\n".join(map(_line, rows)) or "No game was published here yet.")


@game.command()
@click.argument("game", metavar="GAME")
@options.store
def show(run: Run, game: str) -> Outcome:
    """Show one game: its scope, its channels, how many builds it has."""
    from cli import compose
    from cli.rows import channel_line, channel_row
    from manifest.names import check_name

    with compose.reading(run) as opened:
        state = opened.registry.whole(check_name(game, "game"))
    channels = [channel_row(state, state.channels[name]) for name in sorted(state.channels)]
    row = _row(state)
    return Outcome(
        result={**row, "channels": channels},
        text="\n".join([_line(row), *(f"  {channel_line(channel)}" for channel in channels)]),
    )


def _row(state: GameState) -> dict[str, Any]:
    return {
        "game": state.game,
        "scope": state.scope,
        "builds": len(state.builds),
        "newest": max(state.builds, default=None),
        "channels": {name: state.channels[name].build for name in sorted(state.channels)},
    }


def _line(row: dict[str, Any]) -> str:
    from cli.sizes import counted

    shared = f", scope {row['scope']}" if row["scope"] != row["game"] else ""
    newest = f", newest #{row['newest']}" if row["newest"] else ""
    return f"{row['game']}: {counted(row['builds'], 'build')}{newest}{shared}"
