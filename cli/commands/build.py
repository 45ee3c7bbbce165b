"""`lading build list|show|sign|promote|withdraw`: the builds of a game, and what waits to become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Usage, Verbs

if TYPE_CHECKING:
    from manifest.documents import Build, GameState

build = Verbs("build", help="Show, sign, promote and withdraw the builds of a game.")


@build.command(name="list")
@click.argument("game", metavar="GAME")
@options.store
def list_(run: Run, game: str) -> Outcome:
    """List the builds of a game, oldest first, also those that wait to be signed."""
    from cli import compose
    from cli.rows import build_line, build_row
    from manifest.names import check_name
    from publisher.candidates import waiting
    from publisher.commit import planned_build

    with compose.reading(run) as opened:
        state = opened.registry.whole(check_name(game, "game"))
        rows = [build_row(state, each) for each in state.builds.values()]
        for number, candidate in waiting(opened.registry, state, run.events):
            rows.append(build_row(state, planned_build(state, candidate, number), sealed=True))
    rows.sort(key=lambda row: row["build"])
    text = "\n".join(map(build_line, rows)) or f"{game} has no build yet."
    return Outcome(result={"game": game, "builds": rows}, text=text)


@build.command()
@click.argument("game", metavar="GAME@SEL")
@options.store
def show(run: Run, game: str) -> Outcome:
    """Show one build, or what would be signed of one that waits.

    SEL is a version label, #N or @channel, as in mygame@1.0, mygame@#3 or mygame@@beta; without it, the stable channel.
    """
    from cli import compose
    from cli.buildpage import build_page, plan_row
    from cli.cosigned import sign_words
    from cli.rows import build_row, depot_rows
    from cli.selectors import any_build
    from publisher.signing import changes_of

    with compose.reading(run) as opened:
        registry = opened.registry
        state, found, candidate = any_build(registry, game, run.events)
        result = {
            "game": state.game,
            **build_row(state, found, sealed=candidate is not None),
            "notes": registry.notes(state.scope, found.notes_id) if found.notes_id else found.notes,
            "depots": depot_rows(found),
        }
        if candidate is None:
            return Outcome(result, text=build_page(result))
        result |= plan_row(state, candidate, changes_of(registry, state, candidate))
    return Outcome(result, text=f"{build_page(result)}\nSign it with\n  {sign_words(run, state.game, found.number)}")


@build.command()
@click.argument("game", metavar="GAME@SEL")
@options.store
@options.dry_run
@options.exit_code
def sign(run: Run, game: str, dry_run: bool, exit_code: bool) -> Outcome:
    """Sign a build that waits, and make it live.

    `lading build show` shows beforehand what is signed. If others have to sign, too, the last one makes it live.
    """
    from cli import compose
    from cli.cosigned import sign_words, waits
    from cli.rows import build_row
    from cli.selectors import any_build
    from manifest.trust.refusals import SignaturesMissing
    from publisher.candidates import read_candidate
    from publisher.commit import planned_build
    from publisher.signing import sign_candidate

    _need_selector(game, "sign")
    with compose.writing(run, dry_run=dry_run) as opened:
        registry = opened.registry
        state, found, _ = any_build(registry, game, run.events)
        try:
            state, found, changed = sign_candidate(registry, state.game, found.number)
        except SignaturesMissing as missing:
            candidate = read_candidate(registry, state.game, found.number)
            planned = planned_build(state, candidate, missing.data["build"])
            result = {"game": state.game, **build_row(state, planned, sealed=True)}
            what = f"{'Would sign' if dry_run else 'Signed'} {_name(state, planned)}"
            return waits(missing, result, what, sign_words(run, state.game, planned.number))
    done = ("Would sign" if dry_run else "Signed") if changed else "Nothing to do for"
    return Outcome(
        result={"game": state.game, **build_row(state, found), "changed": changed},
        text=f"{done} {_name(state, found)}, {_where(state, found)}.",
        idle=exit_code and not changed,
    )


@build.command()
@click.argument("game", metavar="GAME@SEL")
@click.argument("channel", metavar="CHANNEL")
@options.store
@options.dry_run
@options.exit_code
def promote(run: Run, game: str, channel: str, dry_run: bool, exit_code: bool) -> Outcome:
    """Point a channel to a build, for all players."""
    from cli import compose
    from cli.pointing import point
    from cli.selectors import live_build
    from publisher.channels import ChannelChange

    _need_selector(game, "promote")
    with compose.writing(run, dry_run=dry_run) as opened:
        state, found = live_build(opened.registry, game, run.events)
        change = ChannelChange(found.number)
        return point(opened.registry, state.game, channel, change, dry_run=dry_run, exit_code=exit_code)


@build.command()
@click.argument("game", metavar="GAME@SEL")
@options.store
@options.dry_run
@options.exit_code
def withdraw(run: Run, game: str, dry_run: bool, exit_code: bool) -> Outcome:
    """Take a build back: nobody installs it any more.

    Channels that point to it go back to the build before, and whoever has it may follow them.
    """
    from cli import compose
    from cli.cosigned import waits
    from cli.rows import build_row, channel_line, channel_row
    from cli.selectors import live_build
    from manifest.trust.refusals import SignaturesMissing
    from publisher.withdrawal import withdraw as work

    _need_selector(game, "withdraw")
    with compose.writing(run, dry_run=dry_run) as opened:
        before, found = live_build(opened.registry, game, run.events)
        try:
            state, changed = work(opened.registry, before.game, found.number)
        except SignaturesMissing as missing:
            what = f"{'Would sign' if dry_run else 'Signed'} the withdrawal of {_name(before, found)}"
            return waits(missing, {"game": before.game, **build_row(before, found)}, what)
    done = ("Would withdraw" if dry_run else "Withdrew") if changed else "Nothing to do, withdrawn before:"
    moved = [channel_row(state, each) for each in state.channels.values() if each != before.channels.get(each.name)]
    return Outcome(
        result={
            "game": state.game,
            **build_row(state, state.build(found.number)),
            "changed": changed,
            "moved": moved,
        },
        text="\n".join([f"{done} {_name(before, found)}.", *map(channel_line, moved)]),
        idle=exit_code and not changed,
    )


def _need_selector(words: str, verb: str) -> None:
    name, _, selector = words.partition("@")
    if not selector:
        raise Usage(f"no build of {name} is named", next=f"Name one: `lading build {verb} {name}@1.0` or `{name}@#3`.")


def _name(state: GameState, build: Build) -> str:
    return f"{state.game} {build.version}, build #{build.number}"


def _where(state: GameState, build: Build) -> str:
    on = sorted(name for name, channel in state.channels.items() if channel.build == build.number)
    return f"on channel {', '.join(on)}" if on else "on no channel"
