"""What this machine trusts, as people look at it: the pins of a game, its keys and dates, and the marks that it left.

All of it was verified when it was kept; nothing is verified here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chunkstore.errors import NotFound
from chunkstore.oserrors import leaf_for
from cli.call import Run
from cli.compose import TRUST, reading
from cli.keyrings import keyring_of, registries
from cli.rows import day, table
from cli.words import Usage
from manifest.durations import duration
from manifest.trust.folder import TrustFolder
from manifest.trust.overview import expiries, keys_named, newest_root, versions
from manifest.trust.pins import RegistryPin, RootPin, parse_pin
from manifest.trust.roles import BINS, BUILDS, CHANNELS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP

_ROLES = (ROOT, TARGETS, BUILDS, CHANNELS, SNAPSHOT, TIMESTAMP, *BINS)


@dataclass(frozen=True, slots=True)
class Pins:
    """The root that the trust in a game begins with, the newest that was seen, and the key that vouches for the game.

    `folder` is what is kept of it on this machine, if it was read here already.
    """

    first: RootPin
    newest: RootPin | None
    registry: RegistryPin | None
    folder: TrustFolder | None

    def root(self) -> bytes:
        """The file of the first root. Raises `NotTrusted`."""
        if self.folder is None:
            raise NotTrusted("the root file was not read on this machine yet", next="Name the store with --store.")
        return self.folder.root()


def pins_of(run: Run, game: str) -> Pins:
    """What this machine knows of a game's roots, by its keys or by what it trusts. Raises `NotTrusted`."""
    registry_id = _registry_of(run, game)
    keyring = keyring_of(run, registry_id) if registry_id else None
    text, key = (keyring.pin(game), keyring.registry_key()) if keyring else (None, None)
    first = parse_pin(text) if text else None
    if isinstance(first, RootPin):
        folder = TrustFolder.open(run.settings.state_dir / TRUST, first.digest)
    else:
        folder = the_only(run, trusted(run, game, registry_id))
        first = folder.about.pin
    vouches = RegistryPin(hashlib.sha256(key.public).hexdigest()) if key else None
    return Pins(first, _newest_root(metadata_of(folder)) if folder else None, vouches, folder)


def _registry_of(run: Run, game: str) -> str | None:
    """The registry of the store that is named, where the game is read by the way; else the one whose keys lie here."""
    if run.settings.store is not None:
        with reading(run, accept_stale=True) as opened:
            opened.registry.game(game)
            return opened.registry.registry_id
    found = [name for name in registries(run) if game in keyring_of(run, name).games()]
    return found[0] if len(found) == 1 else None


def trusted(run: Run, game: str | None = None, registry_id: str | None = None) -> list[TrustFolder]:
    """What is kept of all games, or of this one, or of this one in one registry. Raises `NotTrusted` for a game."""
    found = TrustFolder.all(run.settings.state_dir / TRUST)
    found = [each for each in found if game in (None, each.about.binding.game)]
    found = [each for each in found if registry_id in (None, each.about.binding.registry)]
    if game is not None and not found:
        raise NotTrusted(f"{game} is not trusted on this machine", where=str(run.settings.state_dir))
    return found


def trusted_by(run: Run, pin: RootPin) -> TrustFolder:
    """What is kept of the game that begins with this root. Raises `NotTrusted`."""
    found = TrustFolder.open(run.settings.state_dir / TRUST, pin.digest)
    if found is None:
        raise NotTrusted(f"nothing is kept of {pin} on this machine", where=str(run.settings.state_dir))
    return found


def the_only(run: Run, found: Sequence[TrustFolder]) -> TrustFolder:
    """The one that is meant: there is but one, or --trust names it. Raises `Usage`."""
    chosen = run.configuration.flag("trust")
    left = [each for each in found if chosen in (None, str(each.about.pin), f"sha256:{each.about.pin.digest}")]
    if len(left) != 1:
        known = ", ".join(str(each.about.pin) for each in found)
        raise Usage("which root is meant is not clear", next=f"Name one of these with --trust: {known}.")
    return left[0]


def metadata_of(folder: TrustFolder) -> dict[str, bytes]:
    """The metadata that was verified last, by role; nothing if none was."""
    found = {}
    for role in _ROLES:
        try:
            found[role] = (folder.metadata / f"{role}.json").read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise leaf_for(error, folder.path) from error
    return found


def _newest_root(metadata: Mapping[str, bytes]) -> RootPin | None:
    return newest_root(metadata) if ROOT in metadata else None


def trust_row(folder: TrustFolder, now: float) -> dict[str, Any]:
    """What is trusted of one game, as the result document shows it."""
    metadata, seen = metadata_of(folder), folder.seen()
    newest, numbers, ends = _newest_root(metadata), versions(metadata), expiries(metadata)
    named = keys_named(metadata) if {ROOT, TARGETS} <= metadata.keys() else {}
    return {
        "game": folder.about.binding.game,
        "registry": folder.about.binding.registry,
        "pin": str(folder.about.pin),
        "newest": str(newest) if newest else None,
        "vouched_by": str(RegistryPin(folder.about.registry_key)) if folder.about.registry_key else None,
        "keys": {kind: {"keys": list(keys.ids), "threshold": keys.threshold} for kind, keys in named.items()},
        "roles": {role: {"version": numbers[role], "expires": ends[role]} for role in metadata},
        "marks": {
            "root": seen.root,
            "versions": {role: mark.version for role, mark in seen.versions.items()},
            "channels": dict(seen.channels),
            "lowest_build": seen.floor,
        },
        "walked_at": seen.walked_at or None,
        "clock_behind_seconds": max(0, int(seen.latest - now)),
        "path": str(folder.path),
    }


def trust_text(row: Mapping[str, Any], now: float) -> str:
    """The same for people."""
    pairs = [("registry", row["registry"]), ("first root", row["pin"])]
    pairs += [("present root", row["newest"])] if row["newest"] not in (None, row["pin"]) else []
    pairs += [("vouched by", row["vouched_by"])] if row["vouched_by"] else []
    pairs += [
        (f"{kind} keys", f"{each['threshold']} of {len(each['keys'])} sign") for kind, each in row["keys"].items()
    ]
    for role, each in row["roles"].items():
        if role in BINS:
            continue
        ends = f"expires {day(each['expires'])}" if each["expires"] > now else f"expired {day(each['expires'])}"
        pairs.append((role, f"version {each['version']}, {ends}"))
    pairs += [(f"seen on {name}", f"build #{number}") for name, number in sorted(row["marks"]["channels"].items())]
    pairs.append(("last verified", day(row["walked_at"]) if row["walked_at"] else "never"))
    if behind := row["clock_behind_seconds"]:
        pairs.append(("clock", f"{duration(behind)} behind what was signed"))
    return f"{row['game']}\n{table(pairs)}"


class NotTrusted(NotFound):
    """This machine knows nothing of who signs a game."""

    code = "not-trusted"
    default_cause = "The game was never installed here by this user, its name is misspelt, or the state was emptied."
    default_next = "Install the game, or name a folder that holds it; `lading trust show` lists what is trusted."
