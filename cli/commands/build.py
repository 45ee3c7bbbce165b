"""`lading build list|show`: the builds of a game."""

from __future__ import annotations

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verbs

build = Verbs("build", help="Show the builds of a game.")


@build.command(name="list")
@click.argument("game", metavar="GAME")
@options.store
def list_(run: Run, game: str) -> Outcome:
    """List the builds of a game, oldest first."""
    from cli import compose
    from cli.rows import build_line, build_row
    from manifest.names import check_name

    with compose.reading(run) as opened:
        state = opened.registry.whole(check_name(game, "game"))
    rows = [build_row(state, state.builds[number]) for number in sorted(state.builds)]
    text = "\n".join(map(build_line, rows)) or f"{game} has no build yet."
    return Outcome(result={"game": game, "builds": rows}, text=text)


@build.command()
@click.argument("game", metavar="GAME@SEL")
@options.store
def show(run: Run, game: str) -> Outcome:
    """Show one build.

    SEL is a version label, #N or @channel, as in mygame@1.0, mygame@#3 or mygame@@beta; without it, the stable channel.
    """
    from cli import compose
    from cli.rows import build_row, day, depot_rows, table
    from cli.selectors import build_of
    from cli.sizes import counted, human

    with compose.reading(run) as opened:
        state, found = build_of(opened.registry, game)
        notes = opened.registry.notes(state.scope, found.notes_id) if found.notes_id else found.notes
    row, depots = build_row(state, found), depot_rows(found)
    lines = [
        ("published", day(found.published_at)),
        ("channels", ", ".join(row["channels"]) or "none"),
        *([("critical", "yes")] if found.critical else []),
        *(
            (
                f"depot {name}",
                f"{depot['platform']}, {counted(depot['files'], 'file')}, {human(depot['installed_size'])}",
            )
            for name, depot in depots.items()
        ),
    ]
    return Outcome(
        result={
            "game": state.game,
            **row,
            "notes": notes,
            "rollback_to": found.rollback_to or None,
            "depots": depots,
        },
        text="\n".join([f"{state.game} {found.version}, build #{found.number}", table(lines), notes]),
    )
