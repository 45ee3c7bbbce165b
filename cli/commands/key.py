"""`lading key new|list|rotate|backup|restore|pin`: the keys that sign, as far as they lie on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.call import Run
from cli.output import Outcome
from cli.words import Usage, Verbs
from manifest.trust.keyfile import PUBLIC_SIZE, ROLES_OF_KEYS

if TYPE_CHECKING:
    from manifest.registry import RegistryReader
    from manifest.trust.keyfile import HeldKey
    from manifest.trust.keyring import Keyring
    from manifest.trust.overview import KeysNamed

_ORDER = ("builds", "online", "root")
"""The root's keys change last: what a thief brought to its end has to begin anew before anything goes on."""
_TRIAL = b"lading key new: a trial"
_MAX_BACKUP = 64 * 1024 * 1024

key = Verbs("key", help="Make, change, save and show the keys that sign.")
_game = click.argument("game", metavar="GAME")


def _raw_key(ctx: click.Context, param: click.Parameter, value: str | None) -> bytes | None:
    """A raw public key, from the digits that `key new` prints."""
    if value is None:
        return None
    try:
        public = bytes.fromhex(value)
    except ValueError:
        public = b""
    if len(public) != PUBLIC_SIZE:
        raise click.BadParameter("a public key is 64 hexadecimal digits, as `lading key new` prints.", ctx, param)
    return public


def _raw_keys(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[bytes | None, ...]:
    return tuple(_raw_key(ctx, param, each) for each in value)


@key.command()
@_game
@click.option("--role", type=click.Choice(ROLES_OF_KEYS), required=True, help="What the key is to sign.")
@click.option("--command", "words", metavar="WORDS", help="Sign by this command; the private key stays where it is.")
@click.option("--public", metavar="HEX", callback=_raw_key, help="The public key that the command signs with.")
@click.option("--passphrase", "locked", is_flag=True, help="Protect the key by a passphrase.")
@options.store
@options.dry_run
def new(
    run: Run, game: str, role: str, words: str | None, public: bytes | None, locked: bool, dry_run: bool
) -> Outcome:
    """Make a key on this machine, or take note of one that a command signs with.

    Nobody trusts the key yet: `lading key rotate` adds it, where the root keys are.
    """
    from cli import compose
    from cli.keyrings import new_passphrase
    from cli.keyrows import key_row
    from manifest.names import check_name

    check_name(game, "game")
    if (words is None) != (public is None):
        raise Usage("--command and --public belong together", next="Give both, or neither.")
    if words is not None and locked:
        raise Usage("a key that a command signs with has no passphrase here", next="Leave --passphrase out.")
    keyring = compose.keyring_meant(run)
    if words is not None and public is not None:
        made = _by_command(keyring, game, role, _split(words), public, dry_run=dry_run)
    elif dry_run:
        return Outcome({"game": game, "role": role, "made": False}, text=f"Would make a {role} key for {game}.")
    else:
        passphrase = new_passphrase(run, "the key") if locked else None
        made = keyring.new(game, role, passphrase)
    done = "Would take note of" if dry_run else "Made" if words is None else "Took note of"
    store = f" --store {run.settings.store}" if run.settings.store else ""
    lines = [
        f"{done} a {role} key for {game}. Its public key is",
        f"  {made.public.hex()}",
        "Nobody trusts it yet. Where the root keys are, run",
        f"  lading key rotate {game} --role {role} --add {made.public.hex()}{store}",
    ]
    return Outcome({**key_row(made), "made": not dry_run}, text="\n".join(lines))


def _split(words: str) -> list[str]:
    try:
        found = shlex.split(words)
    except ValueError as error:
        raise Usage(f"the words of --command cannot be told apart: {error}", next="Close every quote.") from error
    if not found:
        raise Usage("--command names no program")
    return found


def _by_command(keyring: Keyring, game: str, role: str, words: list[str], public: bytes, *, dry_run: bool) -> HeldKey:
    """A key that a command signs with, once it has signed with it."""
    from manifest.trust.keyfile import HeldKey, keyid_of
    from manifest.trust.signers import CommandSigner

    tried = HeldKey(game, role, keyid_of(public), public, keyring.folder / game, tuple(words))
    CommandSigner(tried).sign(_TRIAL)
    return tried if dry_run else keyring.add_command(game, role, words, public)


@key.command(name="list")
@click.argument("game", metavar="GAME", required=False)
@options.store
def list_(run: Run, game: str | None) -> Outcome:
    """List the keys that lie on this machine.

    With a store, also which of them are in use there; without one, those of all registries.
    """
    from cli import compose
    from cli.keyrings import keyring_of, registries
    from cli.keyrows import key_line, key_row

    if run.settings.store is None:
        rows = [
            {"registry": registry, **key_row(each)}
            for registry in registries(run)
            for each in _held(keyring_of(run, registry), game)
        ]
    else:
        with compose.reading(run, accept_stale=True) as opened:
            registry = opened.registry.registry_id
            held = _held(keyring_of(run, registry), game)
            named = _named(opened.registry, {each.game for each in held})
        rows = [{"registry": registry, **key_row(each, named.get(each.game))} for each in held]
    return Outcome({"keys": rows}, text="\n".join(map(key_line, rows)) or "No keys lie here.")


def _held(keyring: Keyring, game: str | None) -> list[HeldKey]:
    """The keys of a game, or the registry's own and those of all games."""
    if game is not None:
        return keyring.keys(game)
    own = keyring.registry_key()
    return [*([own] if own else []), *(each for name in keyring.games() for each in keyring.keys(name))]


def _named(registry: RegistryReader, games: set[str]) -> dict[str, Mapping[str, KeysNamed]]:
    """The keys that the metadata of each game names, if the game was made yet."""
    from manifest.documents import GameMissing
    from manifest.trust.overview import keys_named

    found: dict[str, Mapping[str, KeysNamed]] = {}
    for game in sorted(games - {""}):
        with suppress(GameMissing):
            found[game] = keys_named(registry.game(game).metadata)
    return found


@key.command()
@_game
@click.option("--role", type=click.Choice(ROLES_OF_KEYS), help="Whose keys change; without it those of all three.")
@click.option("--add", "added", metavar="PUBLIC", multiple=True, callback=_raw_keys, help="Trust this key, too.")
@click.option("--drop", "dropped", metavar="KEYID", multiple=True, help="Trust this key no more.")
@click.option("--threshold", metavar="M", type=click.IntRange(1), help="How many of the keys have to sign.")
@click.option("--lost-root", is_flag=True, help="Begin anew without the root keys; players need a new pin.")
@options.store
@options.dry_run
def rotate(
    run: Run,
    game: str,
    role: str | None,
    added: tuple[bytes, ...],
    dropped: tuple[str, ...],
    threshold: int | None,
    lost_root: bool,
    dry_run: bool,
) -> Outcome:
    """Change the keys that a game is signed with.

    Without --add, --drop and --threshold new keys are made here and take the place of all. Players follow by
    themselves, but not after --lost-root.
    """
    from cli import compose
    from cli.keychange import change_keys, change_row, change_text, full_id, replace_all
    from manifest.names import check_name
    from manifest.trust.rotation import KeyChange

    if role is None and (added or dropped or threshold):
        raise Usage("--add, --drop and --threshold need to know whose keys", next="Name them with --role.")
    if lost_root and role is not None:
        raise Usage("--lost-root makes all keys anew", next="Leave --role out.")
    with ExitStack() as stack:
        opened = stack.enter_context(compose.writing(run, dry_run=dry_run, accept_stale=lost_root))
        pen, state = opened.registry.pen, opened.registry.newest(check_name(game, "game"))
        if dry_run:
            pen = stack.enter_context(compose.rehearsing(run, pen, game))
        if lost_root:
            changed = replace_all(pen, state)
        else:
            dropped = tuple(full_id(state, role, digits) for digits in dropped) if role else ()
            change = KeyChange(added, dropped, threshold)
            changed = change_keys(pen, state, [role] if role else _ORDER, change)
    return Outcome(
        {"game": game, "lost_root": lost_root, **change_row(changed)},
        text=change_text(game, changed, lost_root=lost_root, dry_run=dry_run),
    )


@key.command()
@click.argument("games", metavar="GAME...", nargs=-1)
@click.option("--to", "file", metavar="FILE", required=True, type=click.Path(path_type=Path), help="The new file.")
@options.store
@options.dry_run
def backup(run: Run, games: tuple[str, ...], file: Path, dry_run: bool) -> Outcome:
    """Save the keys of games into an encrypted file.

    Without GAME those of all games of the registry. The registry's own key goes along.
    """
    from cli import compose
    from cli.files import check_free, write_new
    from cli.keyrings import new_passphrase
    from cli.keyrows import key_row
    from cli.sizes import counted
    from manifest.names import check_name
    from manifest.trust.backup import backup as seal

    keyring = compose.keyring_meant(run)
    wanted = [check_name(game, "game") for game in games] or keyring.games()
    check_free(file)
    held = [each for each in _held(keyring, None) if each.game in {*wanted, ""}]
    saved = [each for each in held if not each.command]
    data = seal(keyring, wanted, new_passphrase(run, "the backup"))
    if not dry_run:
        write_new(file, data, mode=0o600)
        keyring.mark_backed_up(saved)
    lines = [f"{'Would save' if dry_run else 'Saved'} {counted(len(saved), 'key')} of {', '.join(wanted)} in {file}."]
    lines += [f"Not in it, because a command signs: {each.role} of {each.game}" for each in held if each.command]
    lines.append("Keep it on another medium than this machine's, and the passphrase elsewhere again.")
    return Outcome({"file": str(file), "games": wanted, "keys": [key_row(each) for each in saved]}, "\n".join(lines))


@key.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@options.store
@options.dry_run
def restore(run: Run, file: Path, dry_run: bool) -> Outcome:
    """Put the keys of a backup back.

    Keys that are here already stay; nothing is written over another key.
    """
    from chunkstore.scratch import scratch_folder
    from cli import compose
    from cli.files import read_small
    from cli.keyrings import passphrase
    from cli.keyrows import key_row
    from cli.sizes import counted
    from manifest.trust.backup import restore as unseal
    from manifest.trust.keyring import Keyring
    from manifest.trust.sealing import PassphraseWrong

    keyring = compose.keyring_meant(run)
    data = read_small(file, _MAX_BACKUP)
    given = passphrase(run)
    if given is None:
        raise PassphraseWrong("the backup cannot be opened without its passphrase", where=str(file))
    with scratch_folder() as scratch:
        found = unseal(Keyring(scratch / "keys") if dry_run else keyring, data, given)
    if not dry_run:
        keyring.mark_backed_up(found)
    said = f"{'Would put' if dry_run else 'Put'} {counted(len(found), 'key')} into {keyring.folder}."
    return Outcome({"folder": str(keyring.folder), "keys": [key_row(each) for each in found]}, text=said)


@key.command()
@_game
@click.option("--out", "file", metavar="FILE", type=click.Path(path_type=Path), help="Also write the root file there.")
@options.store
def pin(run: Run, game: str, file: Path | None) -> Outcome:
    """Print what a launcher or a player has to know to trust a game.

    That is the pin of its first root, and the pin of the registry, which vouches for all its games, if its key is here.
    """
    from cli.files import write_new
    from cli.rows import table
    from cli.trusted import pins_of
    from manifest.names import check_name

    found = pins_of(run, check_name(game, "game"))
    if file is not None:
        write_new(file, found.root())
    pins = {"pin": found.first, "newest": found.newest, "registry_pin": found.registry}
    said = {name: str(pin) if pin else None for name, pin in pins.items()}
    shown = said if found.newest != found.first else {**said, "newest": None}
    return Outcome(
        {"game": game, **said, "file": str(file) if file else None},
        text=table([(name.removesuffix("_pin"), pin) for name, pin in shown.items() if pin]),
    )
