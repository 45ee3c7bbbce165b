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
@click.option("--root-keys", metavar="N", type=int, help="How many root keys are made; 1 by default.")
@click.option("--threshold", metavar="M", type=int, help="How many of them have to sign; 1 by default.")
@click.option("--build-keys", metavar="N", type=int, help="How many keys for builds are made; 1 by default.")
@click.option("--build-threshold", metavar="M", type=int, help="How many of them have to sign; 1 by default.")
@options.dry_run
@options.exit_code
def create(
    run: Run,
    game: str,
    scope: str | None,
    root_keys: int | None,
    threshold: int | None,
    build_keys: int | None,
    build_threshold: int | None,
    dry_run: bool,
    exit_code: bool,
) -> Outcome:
    """Make a game before its first publish, with its keys.

    Needed to choose its scope, or how many keys it has and how many of them have to sign. Games of one scope share
    chunks, and with them the right to download.
    """
    from cli import compose
    from cli.newkeys import new_keys, new_keys_text
    from manifest.trust.keyplan import KeyPlan
    from publisher.games import create_game

    numbers = (root_keys, threshold, build_keys, build_threshold)
    plan = None if numbers == (None,) * 4 else KeyPlan(*(1 if number is None else number for number in numbers))
    with compose.writing(run, dry_run=dry_run, create=True) as opened:
        state, created = create_game(opened.registry, game, scope, plan, dry_run=dry_run)
        made = created and not dry_run
        keys = new_keys(opened.registry, game) if made else {}
    there = f"The game {state.game} is there already"
    done = f"{'Would make' if dry_run else 'Made'} the game {state.game}" if created else there
    text = f"{done}, in the scope {state.scope}."
    return Outcome(
        result={"game": state.game, "scope": state.scope, "created": created, **keys},
        text="\n".join([text, new_keys_text(game, keys)]) if keys else text,
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
    """Show one game: its scope, its channels, its keys, how many builds it has."""
    from cli import compose
    from cli.rows import channel_line, channel_row, day, table
    from manifest.names import check_name
    from manifest.trust.overview import expiries, keys_named
    from manifest.trust.roles import LIFETIMES

    with compose.reading(run) as opened:
        state = opened.registry.whole(check_name(game, "game"))
        pin = opened.registry.pin(game)
    row = _row(state)
    channels = [channel_row(state, state.channels[name]) for name in sorted(state.channels)]
    keys = {kind: (len(named.ids), named.threshold) for kind, named in sorted(keys_named(state.metadata).items())}
    expires = dict(sorted(expiries(state.metadata).items()))
    lines = [
        ("pin", str(pin)),
        *((f"{kind} keys", f"{threshold} of {number} sign") for kind, (number, threshold) in keys.items()),
        *((f"{role} expires", day(moment)) for role, moment in expires.items() if role in LIFETIMES),
    ]
    return Outcome(
        result={
            **row,
            "channels": channels,
            "pin": str(pin),
            "roles": {kind: {"keys": number, "threshold": threshold} for kind, (number, threshold) in keys.items()},
            "expires": expires,
        },
        text="\n".join([_line(row), *(f"  {channel_line(channel)}" for channel in channels), table(lines)]),
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
