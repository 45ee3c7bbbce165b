"""`lading publish DIR GAME`: make a folder the next build of a game."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkstore.errors import Refused
from chunkstore.store import PathUnusable
from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Usage, Verb
from publisher.settings import PLATFORMS

if TYPE_CHECKING:
    from publisher.candidates import Release
    from publisher.publish import Published


@click.command(cls=Verb)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("game", metavar="GAME", required=False)
@options.store
@click.option("--depot", metavar="D", help="The part of the game that the folder holds; main by default.")
@click.option("--platform", type=click.Choice(PLATFORMS), help="Where the depot can be installed; any by default.")
@click.option("--version", metavar="V", help="The build's label; its number by default.")
@click.option("--channel", metavar="C", help="The channel that players follow; stable by default.")
@click.option("--no-channel", is_flag=True, help="Point no channel to the build.")
@click.option("--parent", metavar="N", help="The build whose other depots it inherits, or none.")
@click.option("--notes", metavar="FILE", type=click.Path(path_type=Path), help="Release notes, as text.")
@click.option("--critical", is_flag=True, help="Mark the build as one that players should not skip.")
@click.option("--if-changed", is_flag=True, help="Make no new build of the content that the channel has.")
@click.option("--candidate", is_flag=True, help="Leave the build to be signed elsewhere; no key is needed.")
@click.option("--rescan", is_flag=True, help="Read every file, and store again what the store has lost.")
@click.option("--chunk-average", metavar="BYTES", type=int, help="Chunk size of a new depot; 32768 by default.")
@options.dry_run
@options.exit_code
def publish(
    run: Run,
    folder: Path,
    game: str | None,
    dry_run: bool,
    exit_code: bool,
    if_changed: bool,
    candidate: bool,
    rescan: bool,
    **said: Any,
) -> Outcome:
    """Publish a folder as the next build of a game.

    Only chunks that the store does not have yet are stored. Players see the build when everything is stored, at once.
    An absent or empty STORE is made, and so is a new GAME with its keys; lading.toml in the folder may name the game
    and its depots. With --candidate the build waits in the store until `lading build sign` makes it live.
    """
    from cli import compose
    from cli.allocator import keep_buffers
    from cli.newkeys import new_keys
    from manifest.names import check_name
    from publisher.lading_toml import load_source_config
    from publisher.publish import PublishRequest
    from publisher.publish import publish as work
    from publisher.scan import SourceMissing

    if not folder.is_dir():
        raise SourceMissing("there is no such folder", where=str(folder))
    source = load_source_config(folder)
    name = game or source.game
    if name is None:
        raise Usage("no game is named", next="Name it after the folder, or in lading.toml.")
    depot = source.depot(said["depot"])
    request = PublishRequest(
        root=folder,
        game=check_name(name, "game"),
        depot=replace(
            depot,
            name=check_name(depot.name, "depot"),
            platform=said["platform"] or depot.platform,
            chunk_average=said["chunk_average"] or depot.chunk_average,
        ),
        release=_release(said),
        state_folder=run.settings.state_dir,
        workers=run.settings.workers,
        if_changed=if_changed,
        rescan=rescan,
        dry_run=dry_run,
        candidate=candidate,
    )
    keep_buffers()
    with compose.writing(run, dry_run=dry_run, create=not candidate, source=folder) as opened:
        began = run.clock.monotonic()
        published = work(request, compose.world(run, opened))
        requests = opened.content.requests + opened.metadata.requests
        keys = new_keys(opened.registry, request.game) if published.founded else {}
    result = {
        **_result(request.game, request.depot.name, published),
        "channel": request.release.channel,
        "requests": requests,
        "seconds": round(run.clock.monotonic() - began, 3),
        **keys,
    }
    idle = exit_code and not (published.created or published.pointed)
    return Outcome(result, _text(run, result, published, dry_run=dry_run), idle=idle)


def _release(said: dict[str, Any]) -> Release:
    from cli.selectors import STABLE
    from manifest.names import check_name, check_version
    from publisher.candidates import Release

    if said["channel"] and said["no_channel"]:
        raise Usage("--channel and --no-channel exclude each other", next="Give one of them.")
    version = said["version"]
    return Release(
        version=version if version is None else check_version(version),
        channel=None if said["no_channel"] else check_name(said["channel"] or STABLE, "channel"),
        notes=_read_notes(said["notes"]) if said["notes"] else "",
        critical=said["critical"],
        parent=_parent(said["parent"]),
    )


def _parent(word: str | None) -> int | None:
    if word is None:
        return None
    number = "0" if word == "none" else word.removeprefix("#")
    if not number.isdecimal():
        raise Usage(f"{word!r:.80} is no build", next="--parent takes the number of a build, or none.")
    return int(number)


def _read_notes(file: Path) -> str:
    from manifest.registry import MAX_NOTES

    try:
        data = file.read_bytes()
    except OSError as error:
        raise PathUnusable(f"the release notes cannot be read: {error.strerror}", where=str(file)) from error
    if len(data) > MAX_NOTES:
        raise BadNotes(f"the release notes have {len(data)} bytes, more than {MAX_NOTES}", where=str(file))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadNotes("the release notes are not UTF-8 text", where=str(file)) from error


def _result(game: str, depot: str, published: Published) -> dict[str, Any]:
    tally = published.tally
    signatures = {"signatures": published.signatures, "needed": published.needed} if published.needed else {}
    return {
        "game": game,
        "build": published.number,
        "version": published.version,
        "depot": depot,
        "created": published.created,
        "state": "live" if published.live else "sealed",
        "manifest": published.manifest,
        "files": published.files,
        "source_bytes": published.source_bytes,
        "chunks": published.chunks,
        "new_chunks": tally.new_chunks,
        "new_bytes": tally.new_bytes,
        "stored_bytes": tally.stored_bytes,
        "packs": tally.packs,
        **signatures,
    }


def _text(run: Run, result: dict[str, Any], published: Published, *, dry_run: bool) -> str:
    from cli.cosigned import sign_words, waits_text
    from cli.newkeys import new_keys_text
    from cli.rows import table
    from cli.sizes import counted, human

    figures = [
        ("files", f"{result['files']} with {human(result['source_bytes'])}"),
        ("chunks", f"{result['chunks']}, {result['new_chunks']} new ({human(result['new_bytes'])})"),
        ("stored", f"{human(result['stored_bytes'])} in {counted(result['packs'], 'pack')}"),
        ("took", f"{result['seconds']:.1f} s and {counted(result['requests'], 'request')}"),
    ]
    parts = [_headline(result, published, dry_run=dry_run), table(figures)]
    if published.founded:
        parts.append(new_keys_text(result["game"], result))
    words = sign_words(run, result["game"], result["build"])
    if published.needed:
        parts.append(waits_text(published.signatures, published.needed, words))
    elif not published.live and not dry_run:
        parts.append(f"It is not live: whoever has the keys signs it with\n  {words}")
    return "\n".join(parts)


def _headline(result: dict[str, Any], published: Published, *, dry_run: bool) -> str:
    on = f" on channel {result['channel']}" if result["channel"] else ""
    build = f"{result['game']} {result['version']} as build #{result['build']}"
    if not published.created:
        known = "is" if published.live else "waits already to be signed:"
        return f"Nothing new: this {known} {build}" + (f", now{on}." if published.pointed else ".")
    verb = "publish" if published.live else "seal"
    done = {"publish": "Published", "seal": "Sealed"}[verb]
    return f"{f'Would {verb}' if dry_run else done} {build}{on if published.live else on.replace(' on ', ' for ')}."


class BadNotes(Refused):
    """The release notes cannot be part of a build."""

    code = "bad-notes"
    default_cause = "Release notes are UTF-8 text of up to 1 MiB."
    default_next = "Give a text file to --notes."
