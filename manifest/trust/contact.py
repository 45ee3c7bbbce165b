"""The first contact with a game, in its four forms: a pin, a launcher's root, a registry's voucher, or a decision.

Afterwards the root that was believed is kept in a trust folder and never asked about again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from chunkstore.errors import Corrupt, NotFound, Refused
from chunkstore.store import ObjectReader
from manifest.documents import natural
from manifest.keys import metadata_key, voucher_key
from manifest.trust.folder import About, TrustFolder
from manifest.trust.guard import check, signed_part
from manifest.trust.pins import FirstUse, Pin, RegistryPin, RootFile, RootPin
from manifest.trust.refusals import MetadataMissing
from manifest.trust.roles import LADING, LIMITS, ROOT, Binding


@dataclass(frozen=True, slots=True)
class Contact:
    """How a root that is not known yet may come to be believed.

    `pin` is what the user gave for this once, `recorded` what is remembered of the first contact, `known` are pins that
    hold on this machine besides, such as those of games whose keys lie here. `confirm` is asked about a root that none
    of them names, and which has to be of `registry`, if that is known. What comes to be believed is kept in `scratch`,
    if there is one, and forgotten with it.
    """

    pin: Pin | None = None
    recorded: RootPin | None = None
    known: Sequence[RootPin] = ()
    confirm: Callable[[str, RootPin], bool] | None = None
    scratch: Path | None = None
    registry: str = ""


def folder_for(game: str, store: ObjectReader, trust: Path, contact: Contact, moment: float) -> TrustFolder:
    """The trust folder of the root that is believed for this game of this store; made, if this is the first contact.

    Raises `TrustNeeded`, `RootMismatch`, `OtherRegistry` and what a voucher is refused for.
    """
    explicit = contact.recorded if isinstance(contact.pin, FirstUse) else contact.pin or contact.recorded
    home = contact.scratch or trust
    match explicit or contact.pin:
        case RootPin() as pin:
            return TrustFolder.of(trust, game, pin) or _keep(game, home, pin, read_root(store, game, pin.version))
        case RootFile(data, where):
            version = natural(signed_part(data, where), "version")
            pin = RootPin.of(data, version)
            return TrustFolder.of(trust, game, pin) or _keep(game, home, pin, data)
        case RegistryPin() as registry:
            return _vouched_once(game, trust, registry) or _by_voucher(game, store, home, registry, moment)
        case chosen:
            found = _by_memory(game, store, trust, contact.known)
            return found or _by_decision(game, store, trust, contact, chosen)


def _vouched_once(game: str, trust: Path, pin: RegistryPin) -> TrustFolder | None:
    """A voucher counts for the first contact only: what it once vouched for is kept."""
    every = TrustFolder.all(trust)
    fitting = (each for each in every if each.about.registry_key == pin.digest and each.about.binding.game == game)
    return next(fitting, None)


def _by_voucher(game: str, store: ObjectReader, home: Path, pin: RegistryPin, moment: float) -> TrustFolder:
    from manifest.trust.voucher import MAX_VOUCHER, read_voucher  # noqa: PLC0415 - cryptography takes 15 ms

    key = voucher_key(game)
    try:
        data = store.get(key, limit=MAX_VOUCHER).data
    except NotFound as error:
        raise TrustNeeded(f"the registry does not vouch for {game}", where=f"{store.url}/{key}") from error
    voucher = read_voucher(data, game, pin, moment, where=f"{store.url}/{key}")
    root = read_root(store, game, voucher.root.version)
    return _keep(
        game, home, voucher.root, root, registry=voucher.registry, registry_key=pin.digest, floor=voucher.min_build
    )


def _by_memory(game: str, store: ObjectReader, trust: Path, known: Sequence[RootPin]) -> TrustFolder | None:
    """A root that is believed on this machine already, if the store serves it."""
    served: dict[int, bytes] = {}
    for pin in chain(known, _believed_once(game, trust)):
        if pin.version not in served:
            try:
                served[pin.version] = read_root(store, game, pin.version)
            except MetadataMissing:
                served[pin.version] = b""
        if RootPin.of(served[pin.version], pin.version) == pin:
            return TrustFolder.open(trust, pin.digest) or _keep(game, trust, pin, served[pin.version])
    return None


def _believed_once(game: str, trust: Path) -> Iterator[RootPin]:
    """The pins of a game's trust folders, which are found among those of all games: ask whoever knows them first."""
    yield from (folder.about.pin for folder in TrustFolder.all(trust) if folder.about.binding.game == game)


def _by_decision(game: str, store: ObjectReader, trust: Path, contact: Contact, chosen: Pin | None) -> TrustFolder:
    root = read_root(store, game, 1)
    pin = RootPin.of(root, 1)
    binding = Binding(contact.registry, game)
    registry = str(check(ROOT, root, binding, metadata_key(game, ROOT, 1), 1)[LADING]["registry"])
    for folder in TrustFolder.all(trust):
        if folder.about.binding == Binding(registry, game):
            raise RootMismatch(
                f"another root of {game} is trusted on this machine",
                data={"wanted": str(folder.about.pin), "found": str(pin)},
            )
    asked = isinstance(chosen, FirstUse) or (contact.confirm is not None and contact.confirm(game, pin))
    if not asked:
        raise TrustNeeded(
            f"nobody said yet that {game} from here is to be trusted", where=store.url, data={"root": str(pin)}
        )
    return _keep(game, contact.scratch or trust, pin, root)


def read_root(store: ObjectReader, game: str, version: int) -> bytes:
    """A root file as the store serves it, unverified. Raises `MetadataMissing`."""
    key = metadata_key(game, ROOT, version)
    try:
        return store.get(key, limit=LIMITS[ROOT]).data
    except NotFound as error:
        raise MetadataMissing(f"there is no root {version} of {game}", where=f"{store.url}/{key}") from error


def _keep(
    game: str, home: Path, pin: RootPin, root: bytes, *, registry: str = "", registry_key: str = "", floor: int = 0
) -> TrustFolder:
    if hashlib.sha256(root).hexdigest() != pin.digest:
        raise RootMismatch(
            f"root {pin.version} of {game} is not the one that is trusted",
            data={"wanted": str(pin), "found": str(RootPin.of(root, pin.version))},
        )
    signed = check(ROOT, root, Binding(registry, game), metadata_key(game, ROOT, pin.version), pin.version)
    binding = Binding(str(signed[LADING]["registry"]), game)
    return TrustFolder.make(home, root, About(pin, binding, registry_key), floor=floor)


class TrustNeeded(Refused):
    """A game's metadata is signed, and nothing says yet by whom it has to be."""

    code = "trust-needed"
    default_cause = "The first contact with a game needs the publisher's pin; without it anybody could pose as them."
    default_next = "Give --trust sha256:… as the publisher names it, or --trust first-use if you trust the place."


class RootMismatch(Corrupt):
    """The root that is served is not the one that was pinned."""

    code = "root-mismatch"
    default_cause = "The pin is of another game or store, the publisher began anew, or somebody else answers."
    default_next = "Nothing was changed. Compare the pin with the publisher's: `lading key pin GAME` prints it."
