"""`lading channel list|show|set|delete`: the pointers that players follow."""

from __future__ import annotations

from math import isnan

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verbs

channel = Verbs("channel", help="Show and move the channels of a game.")


@channel.command(name="list")
@click.argument("game", metavar="GAME")
@options.store
def list_(run: Run, game: str) -> Outcome:
    """List the channels of a game."""
    from cli import compose
    from cli.rows import channel_line, channel_row
    from manifest.names import check_name

    with compose.reading(run) as opened:
        state = opened.registry.whole(check_name(game, "game"))
    rows = [channel_row(state, state.channels[name]) for name in sorted(state.channels)]
    text = "\n".join(map(channel_line, rows)) or f"{game} has no channel yet."
    return Outcome(result={"game": game, "channels": rows}, text=text)


@channel.command()
@click.argument("game", metavar="GAME")
@click.argument("channel", metavar="CHANNEL")
@options.store
def show(run: Run, game: str, channel: str) -> Outcome:
    """Show one channel."""
    from cli import compose
    from cli.rows import channel_line, channel_row
    from manifest.names import check_name

    with compose.reading(run) as opened:
        state = opened.registry.whole(check_name(game, "game"))
    row = channel_row(state, state.channel(check_name(channel, "channel")))
    return Outcome(result={"game": game, **row}, text=channel_line(row))


def _a_share(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """What is not a number lies outside no range, and what is finer than a share can be must not become nobody."""
    if value is not None and isnan(value):
        raise click.BadParameter("nan is not a number.", ctx, param)
    if value is not None and value != round(value, 2):
        raise click.BadParameter(f"{value} has more than two digits after the point.", ctx, param)
    return value


@channel.command(name="set")
@click.argument("game", metavar="GAME")
@click.argument("channel", metavar="CHANNEL")
@options.store
@click.option("--build", metavar="N", type=click.IntRange(1), help="The build that the channel points to.")
@click.option(
    "--rollout",
    metavar="PERCENT",
    type=click.FloatRange(0, 100),
    callback=_a_share,
    help="The share of players who get it; the others keep the build before.",
)
@click.option("--minimum", metavar="N", type=click.IntRange(0), help="The oldest build that may still run; 0 for any.")
@options.dry_run
@options.exit_code
def set_(
    run: Run,
    game: str,
    channel: str,
    build: int | None,
    rollout: float | None,
    minimum: int | None,
    dry_run: bool,
    exit_code: bool,
) -> Outcome:
    """Point a channel to a build, roll it out to a share of players, demand a minimum build.

    What is not named stays as it is; a build goes to all players unless --rollout says otherwise. Going back
    further than players were allowed to follow so far allows it, which takes the keys of builds.
    """
    from cli import compose
    from cli.pointing import point
    from manifest.names import check_name
    from publisher.channels import ChannelChange

    change = ChannelChange(build, None if rollout is None else round(rollout * 100), minimum)
    with compose.writing(run, dry_run=dry_run) as opened:
        name = check_name(game, "game")
        return point(opened.registry, name, channel, change, dry_run=dry_run, exit_code=exit_code)


@channel.command()
@click.argument("game", metavar="GAME")
@click.argument("channel", metavar="CHANNEL")
@options.store
@options.dry_run
def delete(run: Run, game: str, channel: str, dry_run: bool) -> Outcome:
    """Delete a channel.

    Players who follow it get no more updates until they change to another one. The builds stay.
    """
    from cli import compose
    from cli.rows import channel_row
    from manifest.names import check_name
    from publisher.channels import delete_channel

    with compose.writing(run, dry_run=dry_run) as opened:
        before = opened.registry.whole(check_name(game, "game"))
        row = channel_row(before, before.channel(check_name(channel, "channel")))
        delete_channel(opened.registry, game, channel)
    return Outcome(
        result={"game": game, **row, "changed": True},
        text=f"{'Would delete' if dry_run else 'Deleted'} the channel {channel} of {game}; it led to #{row['build']}.",
    )
