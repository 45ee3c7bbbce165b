"""`lading diff GAME FROM TO`: what changed between two builds, and what the update costs."""

from __future__ import annotations

from typing import Any

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb

_MARKS = {"added": "+", "removed": "-", "changed": "*"}


@click.command(cls=Verb)
@click.argument("game", metavar="GAME")
@click.argument("old", metavar="FROM")
@click.argument("new", metavar="TO")
@options.store
@click.option("--depot", "depots", metavar="D", multiple=True, help="Only this depot.")
def diff(run: Run, game: str, old: str, new: str, depots: tuple[str, ...]) -> Outcome:
    """Show what changed between two builds, and what an update from one to the other downloads.

    FROM and TO are version labels, #N or @channel.
    """
    from cli import compose
    from cli.sizes import counted, human
    from client.forecast import forecast_update
    from manifest.names import check_name

    with compose.reading(run) as opened:
        state = opened.registry.whole(check_name(game, "game"))
        before, after = state.select(old), state.select(new)
        found = forecast_update(opened.registry, state.scope, before, after, depots)
    paths: dict[str, list[Any]] = {
        "added": found.changes.added,
        "removed": found.changes.removed,
        "changed": found.changes.changed,
        "moved": [{"from": source, "to": target} for source, target in found.changes.moved],
    }
    lines = [f"{_MARKS[kind]} {path}" for kind in _MARKS for path in paths[kind]]
    lines += [f"> {source} -> {target}" for source, target in found.changes.moved]
    counts = ", ".join(f"{len(rows)} {kind}" for kind, rows in paths.items())
    asked = f"{counted(found.requests, 'request')}, {counted(found.chunks, 'chunk')}"
    cost = f"{human(found.download_bytes)} to download in {asked}"
    return Outcome(
        result={
            "game": state.game,
            "from": before.number,
            "to": after.number,
            "files": {kind: len(rows) for kind, rows in paths.items()},
            "paths": paths,
            "download_bytes": found.download_bytes,
            "requests": found.requests,
            "chunks": found.chunks,
        },
        text="\n".join([*lines, f"{counts}; {cost}"]),
    )
