"""`lading ls GAME[@SEL] [PATH]`: the files of a build."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verb

if TYPE_CHECKING:
    from manifest.model import Manifest


@click.command(cls=Verb)
@click.argument("game", metavar="GAME[@SEL]")
@click.argument("path", metavar="[PATH]", required=False)
@options.store
@click.option("--depot", "depots", metavar="D", multiple=True, help="Only this depot.")
def ls(run: Run, game: str, path: str | None, depots: tuple[str, ...]) -> Outcome:
    """List the files of a build.

    All of them, or with PATH that file, or what lies in that folder at any depth.
    """
    from cli import compose
    from cli.selectors import build_of, depots_of
    from client.reading import FileMissing
    from manifest.placed import read_manifest

    rows: list[dict[str, Any]] = []
    with compose.reading(run) as opened:
        state, build = build_of(opened.registry, game)
        for name in depots_of(build, depots):
            ref = build.depots[name]
            manifest = read_manifest(opened.registry, state.scope, ref)
            rows += [{"depot": name, **row} for row in _rows(manifest, (path or "").strip("/"))]
    if path and not rows:
        raise FileMissing(f"the build has nothing under {path!r:.300}")
    rows.sort(key=lambda row: (row["path"], row["depot"]))
    return Outcome(
        result={"game": state.game, "build": build.number, "version": build.version, "files": rows},
        text="\n".join(map(_line, rows)),
    )


def _rows(manifest: Manifest, under: str) -> Iterator[dict[str, Any]]:
    from manifest.kinds import Kind
    from manifest.model import EXECUTABLE

    columns = (manifest.kinds, manifest.flags, manifest.sizes)
    for row, (path, kind, flags, size) in enumerate(
        zip(manifest.paths, *(column.tolist() for column in columns), strict=True)
    ):
        if under and path != under and not path.startswith(f"{under}/"):
            continue
        entry = {"path": path, "kind": Kind(kind).name.lower(), "size": size, "executable": bool(flags & EXECUTABLE)}
        if kind == Kind.FILE:
            entry["blake3"] = manifest.digests[row].tobytes().hex()
        elif kind == Kind.LINK:
            entry["target"] = manifest.targets[row]
        yield entry


def _line(row: dict[str, Any]) -> str:
    mark = {"folder": "d", "link": "l"}.get(row["kind"], "x" if row["executable"] else "-")
    target = f" -> {row['target']}" if row["kind"] == "link" else ""
    return f"{mark} {row['size']:>12}  {row['path']}{target}"
