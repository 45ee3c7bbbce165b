"""Pointing a channel somewhere, whether the words were `channel set` or `build promote`."""

from __future__ import annotations

from cli.cosigned import waits
from cli.output import Outcome
from cli.rows import channel_line, channel_row
from manifest.registry import RegistryWriter
from manifest.trust.refusals import SignaturesMissing
from publisher.channels import ChannelChange, set_channel


def point(
    registry: RegistryWriter, game: str, channel: str, change: ChannelChange, *, dry_run: bool, exit_code: bool
) -> Outcome:
    """What came of a change of a channel."""
    try:
        state, moved = set_channel(registry, game, channel, change)
    except SignaturesMissing as missing:
        wanted = {"game": game, "channel": channel, "build": change.build}
        return waits(missing, wanted, f"{'Would sign' if dry_run else 'Signed'} the change of channel {channel}")
    row = channel_row(state, state.channels[channel])
    said = ("Would set" if dry_run else "Set") if moved else "Nothing to do for"
    return Outcome(
        result={"game": game, **row, "changed": moved},
        text=f"{said} the channel of {game}:\n{channel_line(row)}",
        idle=exit_code and not moved,
    )
