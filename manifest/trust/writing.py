"""Making a change of a game live: what is signed by whom, and in which order it is written.

Bins, builds, channels, targets, snapshot and bundle are written under names that nobody uses yet; replacing the
timestamp by compare-and-set is the moment of truth. A crash before it leaves files that are never looked at again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chunkstore.clock import Clock
from chunkstore.errors import Corrupt, LocalProblem
from chunkstore.store import Conflict, KeyMissing, ObjectStore
from manifest.documents import (
    BadDocument,
    GameState,
    build_from_json,
    build_to_json,
    channel_from_json,
    channel_to_json,
)
from manifest.keys import bundle_key, metadata_key, timestamp_key
from manifest.trust.bundle import encode_bundle
from manifest.trust.draft import Draft
from manifest.trust.guard import check
from manifest.trust.keyring import Keyring
from manifest.trust.partials import adopt_partial, forget_partials, keep_partial
from manifest.trust.refusals import SignaturesMissing
from manifest.trust.roles import BINS, BUILDS, CHANNELS, LIMITS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, kind_of
from manifest.trust.signatory import Signatory

_CO_SIGNED = (*BINS, BUILDS)
_BUNDLED = (SNAPSHOT, TARGETS, BUILDS, CHANNELS)

_FAR = 1 << 52
"""A version that nobody reaches by publishing."""

_LAST = (1 << 53) - 1
"""The highest version that readers take."""


@dataclass(frozen=True, slots=True)
class Pen:
    """What writing takes: where to, with which keys, and when."""

    store: ObjectStore
    keyring: Keyring
    clock: Clock


def commit(pen: Pen, before: GameState, after: GameState, *, signed: Callable[[], object] = lambda: None) -> GameState:
    """Makes `after`, which is whole, the state of its game, on top of `before`.

    `signed` is called when everything is signed and written but what makes it live. Raises `Conflict` if the game moved
    since `before` was read, `KeysMissing`, `SignaturesMissing`, `UnreadableState`.
    """
    _check_documents(before, after)
    draft = Draft.of(before)
    draft.place(before, after)
    return replace(write(pen, draft, before, signed=signed), builds=after.builds, channels=after.channels)


def write(pen: Pen, draft: Draft, before: GameState, *, signed: Callable[[], object] = lambda: None) -> GameState:
    """Signs and writes what a draft changed and makes it live; the state, whose documents are those of `before`."""
    game = draft.binding.game
    signatory = Signatory.of(pen.keyring, game)
    signatory.require(draft)
    version = _following(draft, before.version)
    files = dict(before.metadata)
    co_sign(pen, signatory, draft)
    for role in (*_CO_SIGNED, CHANNELS, TARGETS):
        if role in draft.changed:
            if role not in _CO_SIGNED:
                _date(pen, draft, role)
                signatory.sign(draft, role)
            files[role] = _encoded(draft, role)
            _put(pen.store, metadata_key(game, role, draft.roles[role].signed.version), files[role])
            draft.list_in_snapshot(role, files[role])
    signed()
    if draft.changed:
        _write_snapshot(pen, signatory, draft, files)
    draft.date(TIMESTAMP, version, pen.clock.now())
    signatory.sign(draft, TIMESTAMP)
    files[TIMESTAMP] = draft.encode(TIMESTAMP)
    tag = pen.store.replace(timestamp_key(game), files[TIMESTAMP], match=before.tag)
    if draft.changed.intersection(_CO_SIGNED):
        forget_partials(pen.store, game, draft)
    return replace(before, version=version, tag=tag, metadata=files)


def _write_snapshot(pen: Pen, signatory: Signatory, draft: Draft, files: dict[str, bytes]) -> None:
    """Writes the snapshot, and the bundle of what it names."""
    game = draft.binding.game
    _date(pen, draft, SNAPSHOT)
    signatory.sign(draft, SNAPSHOT)
    files[SNAPSHOT] = draft.encode(SNAPSHOT)
    number = draft.roles[SNAPSHOT].signed.version
    _put(pen.store, metadata_key(game, SNAPSHOT, number), files[SNAPSHOT])
    bundled = {f"{draft.roles[role].signed.version}.{role}.json": files[role] for role in _BUNDLED}
    _put(pen.store, bundle_key(game, number), encode_bundle(bundled))
    draft.point_timestamp(files[SNAPSHOT])


def sign_root(pen: Pen, draft: Draft) -> bytes:
    """Signs the draft's root as the next one; its file. Raises `KeysMissing`, `UnreadableState`."""
    signatory = Signatory.of(pen.keyring, draft.binding.game)
    signatory.require(draft, (ROOT,))
    draft.date(ROOT, draft.roles[ROOT].signed.version + 1, pen.clock.now())
    signatory.sign(draft, ROOT)
    return _encoded(draft, ROOT)


def put_root(pen: Pen, draft: Draft, before: GameState) -> GameState:
    """Writes the draft's root, which is live at once: what is live of the other roles must hold under it, too.

    Raises `Conflict` if the game moved since `before`, or has that root already.
    """
    game, root = draft.binding.game, draft.encode(ROOT)
    if pen.store.stat(timestamp_key(game)).etag != before.tag:
        raise Conflict("somebody else is changing the game", where=f"{pen.store.url}/{timestamp_key(game)}")
    _put(pen.store, metadata_key(game, ROOT, draft.roles[ROOT].signed.version), root)
    return replace(before, metadata={**before.metadata, ROOT: root})


def _check_documents(before: GameState, after: GameState) -> None:
    """Raises `UnreadableState` before anything is written, if readers would refuse a document that is new."""
    try:
        for number, build in after.builds.items():
            if build != before.builds.get(number):
                build_from_json(build_to_json(build))
        for name, channel in after.channels.items():
            channel_from_json(name, channel_to_json(channel))
    except BadDocument as error:
        raise UnreadableState(f"what would be signed could not be read again: {error.message}") from error


def _encoded(draft: Draft, role: str) -> bytes:
    """The file of a role. Raises `UnreadableState` if it is longer than readers take, or of another form."""
    data = draft.encode(role)
    if len(data) > LIMITS[kind_of(role)]:
        raise UnreadableState(f"{role} would have {len(data)} bytes", where=draft.binding.game)
    try:
        check(role, data, draft.binding, role)
    except Corrupt as error:
        raise UnreadableState(
            f"{role} would be refused by readers: {error.message}", where=draft.binding.game
        ) from error
    return data


def co_sign(pen: Pen, signatory: Signatory, draft: Draft, *, whole: bool = True) -> None:
    """Signs builds and bins, together with others who signed the same. Raises `SignaturesMissing` until enough did.

    Always, if the change is not `whole` here: others have to sign the rest of it.
    """
    roles = [role for role in _CO_SIGNED if role in draft.changed]
    have = []
    for role in roles:
        _date(pen, draft, role)
        draft.roles[role].signatures.clear()
        if draft.keys_of(BUILDS).threshold > 1:
            adopt_partial(pen.store, draft, role)
        signatory.sign(draft, role, append=True)
        have.append(len(draft.roles[role].signatures))
    needed = draft.keys_of(BUILDS).threshold
    if roles and (min(have) < needed or not whole):
        for role in roles:
            keep_partial(pen.store, draft, role, [key.keyid for key in signatory.keys_for(draft, role)])
        raise SignaturesMissing(
            f"{min(have)} of {needed} signatures are there",
            where=draft.binding.game,
            data={"signatures": min(have), "needed": needed},
        )


def _date(pen: Pen, draft: Draft, role: str) -> None:
    """The next version that no file has yet; what a crash left behind is never used."""
    version = next_version(draft, role)
    while _exists(pen.store, metadata_key(draft.binding.game, role, version)):
        version += 1
    draft.date(role, version, pen.clock.now())


def next_version(draft: Draft, role: str) -> int:
    """The version after the one that is live."""
    listed = draft.roles[SNAPSHOT].signed.meta.get(f"{role}.json")
    if role == SNAPSHOT:
        listed = draft.roles[TIMESTAMP].signed.snapshot_meta if draft.roles[SNAPSHOT].signatures else None
    return _following(draft, listed.version) if listed else 1


def _following(draft: Draft, version: int) -> int:
    """The number after `version`, or the first if that is far and readers are about to forget it.

    Raises `UnreadableState` if no reader takes a higher one.
    """
    if draft.restarts and version >= _FAR:
        return 1
    if version >= _LAST:
        raise UnreadableState(
            f"the versions of the metadata of {draft.binding.game} are used up",
            cause="Somebody with keys of the game brought them to the last number that readers take.",
            next=f"Change all keys: `lading key rotate {draft.binding.game}`. Then versions begin anew.",
        )
    return version + 1


def _exists(store: ObjectStore, key: str) -> bool:
    try:
        store.stat(key)
    except KeyMissing:
        return False
    return True


def _put(store: ObjectStore, key: str, data: bytes) -> None:
    """Raises `Conflict` if somebody took the name in between: they are changing the game at the same time."""
    if not store.put(key, data):
        raise Conflict("somebody else is changing the game", where=f"{store.url}/{key}")


class UnreadableState(LocalProblem):
    """What would be signed is nothing that a reader takes; nothing went live."""

    code = "unreadable-state"
    default_cause = "The clock of this machine is before 1970, or the game has more builds or channels than fit."
    default_next = "Set the clock, or delete channels that nobody needs, and run the command again."
