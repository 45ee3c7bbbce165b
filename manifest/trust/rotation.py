"""Changing the keys of a game, in steps each of which leaves a store that every client accepts.

A client always walks the roots to their end first (TUF 5.3), so that whatever is live has to hold under the root before
and under the root after: it is signed by the keys of both, and then the next root takes effect when it is written. The
root itself is signed by the threshold of its predecessor and by its own (6.1). What follows is signed by the new keys
alone; with it clients forget what the old keys had said of versions, be they ever so high (5.3.11).

Whoever is killed between two steps, or overtaken by another change, starts the same rotation again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chunkstore.errors import Refused
from manifest.documents import GameState
from manifest.trust.draft import Draft, KeySet
from manifest.trust.forms import is_weak
from manifest.trust.keyfile import PUBLIC_SIZE
from manifest.trust.keyplan import MAX_KEYS
from manifest.trust.overview import newest_root
from manifest.trust.pins import RootPin
from manifest.trust.roles import BUILDS, CHANNELS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from manifest.trust.sealing import PassphraseWrong
from manifest.trust.signatory import Signatory
from manifest.trust.signers import public_key_of
from manifest.trust.vouching import vouch
from manifest.trust.writing import Pen, co_sign, put_root, sign_root, write

_LEADING = {"root": ROOT, "builds": BUILDS, "online": CHANNELS}
"""The role that says which keys a kind has. Its keys change first: those of snapshot and timestamp after `channels`."""

_ROOT_NAMES = {"root": (ROOT, TARGETS), "online": (SNAPSHOT, TIMESTAMP)}


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What is to become of the keys of one kind: raw public keys to add, ids to drop, how many have to sign.

    Without any of these as many new keys are made as there are, and take the place of all.
    """

    add: tuple[bytes, ...] = ()
    drop: tuple[str, ...] = ()
    threshold: int | None = None


def rotate(pen: Pen, state: GameState, kind: str, change: KeyChange) -> GameState:
    """Changes the keys of one of the three kinds; the state afterwards. `state` is whole.

    Raises `BadKeyChange`, `KeysMissing`, `Conflict`, and `SignaturesMissing` if others have keys of builds: those run
    the same first, without the root keys, and leave their signatures.
    """
    draft = Draft.of(state)
    draft.changed.add(TARGETS)
    signatory = Signatory.of(pen.keyring, state.game)
    if kind == "builds" and change != KeyChange() and signatory.lacks(draft, TARGETS):
        draft.restarts = True
        draft.delegate(BUILDS, _wanted(pen, state.game, kind, draft.keys_of(BUILDS), change))
        signatory.require(draft, (BUILDS,))
        co_sign(pen, signatory, draft, whole=False)  # raises: whoever has the root keys finishes it
    signatory.require(draft, (TARGETS,) if kind == "online" else ())
    keys = _wanted(pen, state.game, kind, draft.keys_of(_LEADING[kind]), change)
    match kind:
        case "root":
            state = _rotate_root(pen, state, keys)
        case "builds":
            state = _delegate(pen, state, BUILDS, keys)
        case _:
            state = _rotate_online(pen, state, keys)
    vouch(pen, state)
    return state


def begin_anew(pen: Pen, state: GameState) -> RootPin:
    """Gives a game whose root keys are lost new keys of every kind; the pin that its players have to be told.

    Nobody who trusts the game by an earlier root follows: the next root is not signed by it. The first of the two roots
    that are written lets the metadata hold that is live until it is signed anew, so that a killed run can be repeated.
    """
    draft = Draft.of(state)
    new = {kind: _fresh(pen, state.game, kind, draft.keys_of(role)) for kind, role in _LEADING.items()}
    own = {role: new[kind] for kind, roles in _ROOT_NAMES.items() for role in roles}
    both = {role: draft.keys_of(role).joined(keys) for role, keys in own.items()}
    draft.name_in_root({**both, ROOT: new["root"]})
    root = sign_root(pen, draft)
    pen.keyring.save_pin(state.game, str(RootPin.of(root, draft.roles[ROOT].signed.version)))
    state = put_root(pen, draft, state)
    draft = Draft.of(state)
    draft.restarts = True
    draft.delegate(BUILDS, new["builds"])
    draft.delegate(CHANNELS, new["online"])
    draft.also[TARGETS] = new["root"]
    state = _next_root(pen, write(pen, draft, state), own)
    pen.keyring.save_pin(state.game, str(newest_root(state.metadata)))
    vouch(pen, _sign_again(pen, state, TARGETS))
    return newest_root(state.metadata)


def _rotate_root(pen: Pen, state: GameState, keys: KeySet) -> GameState:
    draft = Draft.of(state)
    if not draft.keys_of(ROOT).is_same(keys):
        draft.also[TARGETS] = keys
        draft.changed.add(TARGETS)
        state = _next_root(pen, write(pen, draft, state), dict.fromkeys(_ROOT_NAMES["root"], keys))
    return _sign_again(pen, state, TARGETS)


def _rotate_online(pen: Pen, state: GameState, keys: KeySet) -> GameState:
    draft = Draft.of(state)
    if not draft.keys_of(CHANNELS).is_same(keys):
        draft.delegate(CHANNELS, keys)
        signatory = Signatory.of(pen.keyring, state.game)
        signatory.require(draft, (CHANNELS,))
        if signatory.lacks(draft, SNAPSHOT) is not None:  # the old keys are lost: let the new ones stand in
            state = _next_root(pen, state, dict.fromkeys(_ROOT_NAMES["online"], draft.keys_of(SNAPSHOT).joined(keys)))
        state = _delegate(pen, state, CHANNELS, keys)
    if not Draft.of(state).keys_of(SNAPSHOT).is_same(keys):
        state = _next_root(pen, state, dict.fromkeys(_ROOT_NAMES["online"], keys))
    return _sign_again(pen, state, SNAPSHOT)


def _delegate(pen: Pen, state: GameState, role: str, keys: KeySet) -> GameState:
    draft = Draft.of(state)
    draft.restarts = True
    draft.delegate(role, keys)
    return write(pen, draft, state)


def _sign_again(pen: Pen, state: GameState, role: str) -> GameState:
    draft = Draft.of(state)
    draft.changed.add(role)
    return write(pen, draft, state)


def _next_root(pen: Pen, state: GameState, keys: Mapping[str, KeySet]) -> GameState:
    """Writes the root that names these keys by role."""
    draft = Draft.of(state)
    draft.also[ROOT] = draft.keys_of(ROOT)
    draft.name_in_root(keys)
    sign_root(pen, draft)
    return put_root(pen, draft, state)


def _wanted(pen: Pen, game: str, kind: str, now: KeySet, change: KeyChange) -> KeySet:
    """The keys after a change. Raises `BadKeyChange`."""
    added = tuple(public_key_of(_checked(public)) for public in change.add)
    done = bool(added) and {key.keyid for key in added} <= {*now.ids} and not {*change.drop} & {*now.ids}
    unknown = {*change.drop} - {*now.ids}
    if unknown and not done:
        raise BadKeyChange(f"{min(unknown):.80} is no {kind} key of {game}")
    kept = {key.keyid: key for key in (*now.keys, *added) if key.keyid not in change.drop}
    threshold = now.threshold if change.threshold is None else change.threshold
    if not 1 <= threshold <= len(kept) <= MAX_KEYS:
        raise BadKeyChange(f"{threshold} of {len(kept)} {kind} keys of {game} cannot be asked to sign")
    return _fresh(pen, game, kind, now) if change == KeyChange() else KeySet(tuple(kept.values()), threshold)


def _checked(public: bytes) -> bytes:
    if len(public) != PUBLIC_SIZE:
        raise BadKeyChange(f"a public key has {PUBLIC_SIZE} bytes, and not {len(public)}")
    if is_weak(public):
        raise BadKeyChange(
            f"{public.hex()} is no key that could be trusted: anybody can sign for it",
            cause="It was mistyped, or whoever sent it means harm: readers refuse a game that names such a key.",
            next="Ask for the public key once more; `lading key new` prints it.",
        )
    return public


def _fresh(pen: Pen, game: str, kind: str, before: KeySet) -> KeySet:
    """New keys, as many as `before`; with the passphrase, if those that are here have one."""
    passphrase = None
    if any(key.encrypted for key in pen.keyring.keys(game) if key.keyid in before.ids):
        passphrase = pen.keyring.passphrase()
        if not passphrase:
            raise PassphraseWrong("new keys get the passphrase of the old ones, and it was not given", where=game)
    made = [pen.keyring.new(game, kind, passphrase) for _ in before.keys]
    return KeySet(tuple(public_key_of(key.public) for key in made), before.threshold)


class BadKeyChange(Refused):
    """The keys of a game cannot be changed like that."""

    code = "bad-key-change"
    default_cause = "There are 1 to 16 keys of each kind, and 1 to all of them have to sign."
    default_next = "See `lading key list` for the keys that there are, and choose others or another threshold."
