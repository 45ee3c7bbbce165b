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
from manifest.documents import natural, parse_json
from manifest.keys import metadata_key, voucher_key
from manifest.trust.folder import About, TrustFolder
from manifest.trust.guard import check, signed_part
from manifest.trust.pins import FirstUse, Pin, RegistryPin, RootFile, RootPin
from manifest.trust.refusals import MetadataMissing
from manifest.trust.roles import LADING, LIMITS, MAX_ROOTS, ROOT, TIMESTAMP, Binding


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


def folder_for(
    game: str, store: ObjectReader, trust: Path, contact: Contact, moment: float, timestamp: bytes
) -> TrustFolder:
    """The trust folder of the root that is believed for this game of this store; made, if this is the first contact.

    `timestamp` is the one that is served, unverified. Raises `TrustNeeded`, `RootMismatch`, `OtherRegistry` and what a
    voucher is refused for.
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
            return found or _by_decision(game, store, trust, contact, chosen, timestamp)


def _vouched_once(game: str, trust: Path, pin: RegistryPin) -> TrustFolder | None:
    """What the registry once vouched for, or the publisher began anew and the user was told the pin of.

    A voucher counts for the first contact only.
    """
    every = [each for each in TrustFolder.all(trust) if each.about.binding.game == game]
    vouched = {each.about.binding for each in every if each.about.registry_key == pin.digest}
    known = [each for each in every if each.about.binding in vouched]
    return max(known, key=lambda each: each.about.pin.version, default=None)


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


def _by_decision(
    game: str, store: ObjectReader, trust: Path, contact: Contact, chosen: Pin | None, timestamp: bytes
) -> TrustFolder:
    version, root = _beginning(store, game, timestamp)
    pin = RootPin.of(root, version)
    binding = Binding(contact.registry, game)
    registry = str(check(ROOT, root, binding, metadata_key(game, ROOT, version), version)[LADING]["registry"])
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


def _beginning(store: ObjectReader, game: str, timestamp: bytes) -> tuple[int, bytes]:
    """The root that all later ones follow, with its version: the first, unless the game began anew.

    Later ones are looked at only if the keys that the first one names did not sign the timestamp.
    """
    root = read_root(store, game, 1)
    beginning = 1, root
    if _may_have_signed(root, timestamp):
        return beginning
    for version in range(2, MAX_ROOTS + 2):
        try:
            after = read_root(store, game, version)
            check(ROOT, after, Binding("", game), metadata_key(game, ROOT, version), version)
        except (MetadataMissing, Refused) as error:
            if isinstance(error, MetadataMissing) or error.code == "access-denied":
                break
            raise
        if not _follows(root, after):
            beginning = version, after
        root = after
    return beginning


def _may_have_signed(root: bytes, timestamp: bytes) -> bool:
    """Whether keys of this root stand under the timestamp. What cannot be read is for others to refuse."""
    try:
        named = parse_json(root, "metadata")["signed"]["roles"][TIMESTAMP]["keyids"]
        signers = [row["keyid"] for row in parse_json(timestamp, "metadata")["signatures"]]
    except (Corrupt, KeyError, TypeError):
        return True
    return any(keyid in named for keyid in signers)


def _follows(root: bytes, after: bytes) -> bool:
    """Whether enough of the keys of a root have signed another one."""
    from tuf.api.exceptions import RepositoryError  # noqa: PLC0415 - python-tuf takes 60 ms
    from tuf.api.metadata import Metadata, Root  # noqa: PLC0415

    try:
        before, now = Metadata[Root].from_bytes(root), Metadata[Root].from_bytes(after)
        before.signed.verify_delegate(ROOT, now.signed_bytes, now.signatures)
    except RepositoryError:
        return False
    return True


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
