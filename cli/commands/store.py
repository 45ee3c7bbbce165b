"""`lading store check|stats|refresh`: whether a store is whole, what it holds, and signing it once more."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from chunkstore.errors import Corrupt, LadingError
from chunkstore.store import Conflict
from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Verbs
from manifest.documents import GameMissing
from manifest.events import WarningEvent

if TYPE_CHECKING:
    from cli.compose import Opened
    from manifest.soundness import Problem
    from manifest.trust.renewal import Renewal

_SHOWN_BUILDS = 5

store = Verbs("store", help="Check, measure and renew a store.")


@store.command()
@click.argument("store", metavar="STORE", required=False)
@click.option("--quick", is_flag=True, help="Only see that every pack is there; read none.")
def check(run: Run, quick: bool) -> Outcome:
    """Check that a store holds all that its builds need.

    Reads every object and hashes every chunk, unless --quick. Changes nothing; names each damaged or missing object,
    the builds that it hurts and what to do, and leaves with 6 if there is any.
    """
    from cli import compose
    from cli.sizes import counted
    from manifest.soundness import check_store

    began = run.clock.monotonic()
    with compose.reading(run) as opened:
        found = check_store(
            opened.registry, quick=quick, workers=run.settings.workers, sink=run.events, cancel=run.cancel
        )
        where = opened.registry.url
    seconds = run.clock.monotonic() - began
    counts = {name: getattr(found, name) for name in ("games", "builds", "manifests", "packs", "bytes")}
    result = {**counts, "problems": [_row(problem) for problem in found.problems], "seconds": round(seconds, 3)}
    looked = ", ".join(counted(counts[f"{noun}s"], noun) for noun in ("game", "build", "pack")) + f" in {seconds:.1f} s"
    if not found.problems:
        return Outcome(result, text=f"All is well: {looked}.")
    return Outcome(
        result,
        text="\n".join(map(_told, found.problems)),
        error=StoreDamaged(f"{counted(len(found.problems), 'object')} damaged or missing, of {looked}", where=where),
    )


@store.command()
@click.argument("store", metavar="STORE", required=False)
def stats(run: Run) -> Outcome:
    """Measure what a store holds.

    Logical bytes are those of all builds, each installed by itself; unique bytes those of their distinct chunks; stored
    bytes are all that the store takes. Orphans are packs that no build needs.
    """
    from cli import compose
    from cli.rows import table
    from cli.sizes import counted, human
    from manifest.census import take_census

    with compose.reading(run) as opened:
        census = take_census(opened.registry, run.cancel)
    total = census.total
    result = {
        "builds": total.builds,
        "logical_bytes": total.logical,
        "unique_bytes": total.unique,
        "stored_bytes": census.stored,
        "dedup_ratio": round(census.ratio, 3),
        "packs": census.packs,
        "pack_bytes": census.pack_bytes,
        "orphan_packs": census.orphans,
        "orphan_bytes": census.orphan_bytes,
        "games": [{"game": game, **_weight(weight)} for game, weight in sorted(census.games.items())],
        "channels": [
            {"game": game, "channel": channel, **_weight(weight)}
            for (game, channel), weight in sorted(census.channels.items())
        ],
    }
    lines = [
        ("logical", f"{human(total.logical)} in {counted(total.builds, 'build')}"),
        ("unique", human(total.unique)),
        ("stored", f"{human(census.stored)}, of it {human(census.pack_bytes)} in {counted(census.packs, 'pack')}"),
        ("ratio", f"{census.ratio:.2f} logical bytes a stored byte"),
        ("orphans", f"{human(census.orphan_bytes)} in {counted(census.orphans, 'pack')}"),
        *((f"{game}", _share(weight)) for game, weight in sorted(census.games.items())),
        *((f"{game}@@{name}", _share(weight)) for (game, name), weight in sorted(census.channels.items())),
    ]
    return Outcome(result, text=table(lines))


@store.command()
@click.argument("store", metavar="STORE", required=False)
@click.option("--game", "games", metavar="GAME", multiple=True, help="Only this game; may be given several times.")
@options.accept_stale
@options.dry_run
def refresh(run: Run, games: tuple[str, ...], accept_stale: bool, dry_run: bool) -> Outcome:
    """Renew signatures before they expire.

    For a timer. Signs what the keys of this machine may sign, of every game whose online key is here, and warns of what
    expires soon and only others can sign. A game that fails does not keep the others from being renewed.
    """
    from cli import compose
    from manifest.names import check_name

    rows: list[dict[str, Any]] = []
    failed: LadingError | None = None
    with compose.writing(run, dry_run=dry_run, accept_stale=accept_stale) as opened:
        for game in games or opened.registry.pen.keyring.games():
            run.cancel.check()
            try:
                check_name(game, "game")
                renewal = _renew(run, opened, game, named=bool(games), dry_run=dry_run)
            except LadingError as error:
                rows.append({"game": game, "renewed": [], "waiting": [], "error": error.code})
                failed = failed or error
            else:
                if renewal is not None:
                    rows.append({"game": game, **asdict(renewal), "error": None})
    done = "Would renew" if dry_run else "Renewed"
    lines = [f"{done} {', '.join(row['renewed']) or 'nothing'} of {row['game']}." for row in rows]
    return Outcome({"games": rows}, text="\n".join(lines) or "No game has its online key here.", error=failed)


def _renew(run: Run, opened: Opened, game: str, *, named: bool, dry_run: bool) -> Renewal | None:
    """What became of one game; None if it is not of this store, and nobody said that it was."""
    from cli import compose
    from manifest.trust.refusals import KeysMissing
    from manifest.trust.renewal import Renewal, renew
    from manifest.trust.roles import CHANNELS, SNAPSHOT, TIMESTAMP

    with ExitStack() as stack:
        pen = opened.registry.pen
        if dry_run:
            pen = stack.enter_context(compose.rehearsing(run, pen, game))
        try:
            renewal = renew(pen, opened.registry.newest(game))
        except Conflict:  # somebody published in between
            renewal = renew(pen, opened.registry.newest(game))
        except KeysMissing:
            if named:
                raise
            renewal = Renewal((), (CHANNELS, SNAPSHOT, TIMESTAMP))
        except GameMissing:
            if named:
                raise
            return None
    if renewal.waiting:
        message = f"{', '.join(renewal.waiting)} of {game} cannot be renewed with the keys that are here"
        run.events.emit(
            WarningEvent("publisher-needed", message, next="Run `lading store refresh` where the keys are.")
        )
    return renewal


def _row(problem: Problem) -> dict[str, Any]:
    return {
        "key": problem.key,
        "code": problem.code,
        "message": problem.message,
        "builds": [{"game": game, "build": build or None} for game, build in sorted(problem.hurts)],
        "next": problem.next,
    }


def _told(problem: Problem) -> str:
    hurt = [f"{game} #{build}" if build else f"all of {game}" for game, build in sorted(problem.hurts)]
    more = f" and {len(hurt) - _SHOWN_BUILDS} more" if len(hurt) > _SHOWN_BUILDS else ""
    return "\n".join(
        [
            f"{problem.key}",
            f"  what:  {problem.message} [{problem.code}]",
            f"  hurts: {', '.join(hurt[:_SHOWN_BUILDS]) or 'nothing'}{more}",
            f"  next:  {problem.next}",
        ]
    )


def _weight(weight: Any) -> dict[str, int]:
    row: dict[str, int] = asdict(weight)
    return {name if name == "builds" else f"{name}_bytes": value for name, value in row.items()}


def _share(weight: Any) -> str:
    from cli.sizes import counted, human

    return f"{human(weight.logical)} in {counted(weight.builds, 'build')}, {human(weight.unique)} unique"


class StoreDamaged(Corrupt):
    """Objects that some build needs are missing or not what they must be."""

    code = "store-damaged"
    default_cause = "A disk lost or changed bytes, a copy was cut short, or somebody removed objects."
    default_next = "Do for each object what stands beside it, then check again."
