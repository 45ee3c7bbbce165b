"""`lading cat GAME[@SEL] PATH`: the bytes of one file of a build."""

from __future__ import annotations

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb


@click.command(cls=Verb)
@click.argument("game", metavar="GAME[@SEL]")
@click.argument("path", metavar="PATH")
@options.store
@click.option("--depot", "depots", metavar="D", multiple=True, help="The file of this depot.")
def cat(run: Run, game: str, path: str, depots: tuple[str, ...]) -> Outcome:
    """Write the content of one file of a build to standard output.

    Every byte is checked against its hash before it is written. With --json the file is read and checked as well, and
    described instead.
    """
    from cli import compose
    from cli.selectors import build_of, depots_of
    from client.reading import find_file, read_file

    with compose.reading(run) as opened:
        state, build = build_of(opened.registry, game)
        refs = {name: build.depots[name] for name in depots_of(build, depots)}
        depot, content, row = find_file(opened.registry, state.scope, refs, path)
        size = 0
        for run_of_bytes in read_file(opened.registry, state.scope, content, row):
            run.cancel.check()
            run.write(run_of_bytes.data)
            size += len(run_of_bytes.data)
    return Outcome(
        result={
            "game": state.game,
            "build": build.number,
            "version": build.version,
            "depot": depot,
            "path": path,
            "size": size,
            "blake3": content.manifest.digests[row].tobytes().hex(),
        }
    )
