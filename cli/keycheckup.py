"""What `lading doctor` looks at in keys and signatures: everything that makes a loss or a lapse likely, and what to do.

Of each registry whose keys lie here, and of its games as the named store has them, else as this machine saw them last.
What others renew is not judged by an old look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from chunkstore.errors import LadingError
from cli.call import Run
from cli.compose import TRUST, reading
from cli.keyrings import keyring_of, registries
from cli.rows import day
from cli.sizes import counted
from cli.trusted import metadata_of
from manifest.durations import duration
from manifest.events import NullSink
from manifest.trust.folder import TrustFolder
from manifest.trust.keyfile import HeldKey
from manifest.trust.keyring import KeyExposed
from manifest.trust.overview import expiries, keys_named, signed_at
from manifest.trust.roles import DAY, KEYS_OF, ROOT, TARGETS, TIMESTAMP, kind_of

_AHEAD = {"root": 90 * DAY, "builds": 90 * DAY, "online": 30 * DAY}
"""So long before it expires a role is worth a word, by the keys that sign it."""

_REFRESHED_WITHIN = 30 * DAY


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that should be known, and what to do about it."""

    warning: str
    next: str


@dataclass(frozen=True, slots=True)
class KeysLooked:
    """The keys of one game, and what was found about them. `error` is why they could not be looked at."""

    game: str
    detail: str
    concerns: tuple[Concern, ...] = ()
    error: LadingError | None = None


def look_at_keys(run: Run) -> Iterator[KeysLooked]:
    """Every game whose keys lie here."""
    seen = _last_seen(run)
    live = _live(run)
    for registry in registries(run):
        keyring = keyring_of(run, registry)
        for game in keyring.games():
            try:
                held = keyring.keys(game)
            except KeyExposed as error:
                yield KeysLooked(game, "", (Concern(f"{error.message}: {error.where}", error.next),))
                continue
            except LadingError as error:
                yield KeysLooked(game, error.message, error=error)
                continue
            known = live.get((registry, game)) or seen.get((registry, game)) or _Known({})
            yield KeysLooked(game, counted(len(held), "key"), tuple(_concerns(run, game, held, known)))


@dataclass(frozen=True, slots=True)
class _Known:
    """A game's metadata. `live`: as the store has it now; `static`: nobody but its publisher renews it."""

    metadata: Mapping[str, bytes]
    live: bool = False
    static: bool = False


def _last_seen(run: Run) -> dict[tuple[str, str], _Known]:
    folders = TrustFolder.all(run.settings.state_dir / TRUST)
    folders.sort(key=lambda folder: folder.seen().walked_at)
    return {(each.about.binding.registry, each.about.binding.game): _Known(metadata_of(each)) for each in folders}


def _live(run: Run) -> dict[tuple[str, str], _Known]:
    """The games of the store that is named, as far as they can be read; why not is for the check of the store."""
    found: dict[tuple[str, str], _Known] = {}
    if run.settings.store is None:
        return found
    with suppress(LadingError), reading(replace(run, events=NullSink()), accept_stale=True) as opened:
        registry = opened.registry.registry_id
        for game in keyring_of(run, registry).games():
            with suppress(LadingError):
                metadata = opened.registry.game(game).metadata
                found[registry, game] = _Known(metadata, live=True, static=opened.registry.static)
    return found


def _concerns(run: Run, game: str, held: list[HeldKey], known: _Known) -> Iterator[Concern]:
    whole = {ROOT, TARGETS, TIMESTAMP} <= known.metadata.keys()
    used = {keyid for named in keys_named(known.metadata).values() for keyid in named.ids} if whole else None
    unsaved = [key for key in held if not key.backed_up and not key.command and (used is None or key.keyid in used)]
    if unsaved:
        said = f"{counted(len(unsaved), 'key')} of {game} {'has' if len(unsaved) == 1 else 'have'} no backup"
        yield Concern(said, f"Run `lading key backup {game} --to FILE`, and keep the file elsewhere.")
    if whole:
        yield from _single_keys(game, known.metadata)
        yield from _lapses(run.clock.now(), game, known)


_ALONE = {
    "root": "if it is lost, every player needs a new pin",
    "builds": "whoever steals it can publish",
}


def _single_keys(game: str, metadata: Mapping[str, bytes]) -> Iterator[Concern]:
    named = keys_named(metadata)
    for kind, danger in _ALONE.items():
        if len(named[kind].ids) == 1:
            advice = f"Make another with `lading key new {game} --role {kind}`, and add it with `lading key rotate`."
            yield Concern(f"{game} has one {kind} key alone: {danger}", advice)


def _lapses(now: float, game: str, known: _Known) -> Iterator[Concern]:
    """Roles that have expired, or will soon, and timestamps that nobody renews."""
    for role, ends in sorted(expiries(known.metadata).items(), key=lambda pair: pair[1]):
        kind = KEYS_OF[kind_of(role)]
        if ends - now > _AHEAD[kind] or (kind == "online" and not known.live):
            continue
        expired = ends <= now
        when = "has expired" if expired else f"expires in {duration(ends - now)}"
        words = "lading store refresh --accept-stale" if expired else "lading store refresh"
        yield Concern(f"{role} of {game} {when} ({day(ends)})", f"Run `{words}` where the {kind} keys are.")
    if known.live and known.static and (age := now - signed_at(known.metadata)) > _REFRESHED_WITHIN:
        yield Concern(
            f"the signatures of {game} were renewed {duration(age)} ago, and no server does it",
            "Let cron run `lading store refresh` once a week.",
        )
