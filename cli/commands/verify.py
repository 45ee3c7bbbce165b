"""`lading verify`: whether an installed folder is what its manifest says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from chunkstore.errors import Corrupt
from cli.call import Run
from cli.output import Outcome
from cli.sizes import counted
from cli.words import Verb


@click.command(cls=Verb)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--full", is_flag=True, help="Hash every file, also those that look untouched.")
@click.option("--files", "globs", metavar="GLOB", multiple=True, help="Only these paths, e.g. 'data/*.pak'.")
def verify(run: Run, folder: Path, full: bool, globs: tuple[str, ...]) -> Outcome:
    """Check an installed game against its manifest.

    Files whose size and times are as they were written are believed, unless --full is given. Changes nothing; leaves
    with 11 if something is wrong.
    """
    from cli.allocator import keep_buffers
    from cli.players import controls_of
    from client.verify import verify as check

    keep_buffers()
    began = run.clock.monotonic()
    found = check(folder, controls_of(run), run.events, full=full, globs=globs)
    seconds = run.clock.monotonic() - began
    wounds = [_without_none(asdict(wound)) for wound in found.wounds]
    result = {
        "files": found.files,
        "bytes": found.bytes,
        "wounds": wounds,
        "extra": found.extra,
        "seconds": round(seconds, 3),
    }
    if not wounds:
        return Outcome(result=result, text=f"{counted(found.files, 'file')} as published ({seconds:.1f} s).")
    lines = [f"{wound['kind']:<11} {wound['path']}{_place(wound)}" for wound in wounds]
    return Outcome(
        result=result,
        text="\n".join(lines),
        error=WoundsFound(f"{counted(len(wounds), 'wound')} in {counted(found.files, 'file')}", where=str(folder)),
    )


def _place(wound: dict[str, Any]) -> str:
    return f" at {wound['offset']}, {counted(wound['length'], 'byte')}" if "offset" in wound else ""


def _without_none(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


class WoundsFound(Corrupt):
    """The installed tree differs from its manifest."""

    code = "wounds-found"
    default_cause = "Files were damaged, edited or removed after they were installed."
    default_next = "Run `lading repair DIR`."
