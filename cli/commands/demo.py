"""`lading demo`: the whole life of a game in half a minute, on this machine, offline."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from chunkstore.errors import Refused
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb


@click.command(cls=Verb)
@click.option(
    "--keep", metavar="DIR", type=click.Path(path_type=Path), help="Do it in this folder, and leave it there."
)
def demo(run: Run, keep: Path | None) -> Outcome:
    """Publish, install, update, damage, verify and repair a toy game.

    Makes two builds of it, publishes them to a store, installs the first, updates to the second, damages three files,
    finds and mends them. Shows what each step cost, and what simpler ways would have downloaded. Needs no network;
    nothing is left behind unless --keep names a new folder.
    """
    from cli.demonstration import perform

    with _stage(keep) as folder:
        return perform(run, folder, kept=keep is not None)


@contextmanager
def _stage(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="lading-demo-") as folder:
            yield Path(folder)
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise FolderInUse("the folder to keep the demonstration in is not empty", where=str(keep))
    yield keep


class FolderInUse(Refused):
    """The demonstration keeps its folders apart from everything else."""

    code = "folder-in-use"
    default_cause = "Something lies in the folder already."
    default_next = "Name a folder that does not exist yet."
