"""Making a game: its keys, its first root, and metadata that lists no build yet.

The root file is live when it is written; whoever writes it first owns the game. A making that was killed is taken up
again by whoever holds the keys of that root.
"""

from __future__ import annotations

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from chunkstore.errors import Refused
from manifest.documents import GameState
from manifest.keys import candidates_prefix, member_key, metadata_key, timestamp_key
from manifest.trust.draft import Draft, KeySet
from manifest.trust.keyfile import ROLES_OF_KEYS
from manifest.trust.keyplan import KeyPlan
from manifest.trust.pins import RootPin
from manifest.trust.refusals import PointerLost
from manifest.trust.roles import LIMITS, ROOT, Binding
from manifest.trust.signatory import Signatory
from manifest.trust.signers import public_key_of
from manifest.trust.writing import Pen, write


def create(pen: Pen, registry: str, game: str, scope: str, plan: KeyPlan) -> GameState:
    """Makes a game that does not exist yet, with the keys that lie here for it and new ones. Raises `GameTaken`."""
    kinds = {kind: _keys(pen, game, kind, *plan.of(kind)) for kind in ROLES_OF_KEYS}
    draft = Draft.new(Binding(registry, game), scope, kinds)
    root = _put_root(pen, draft)
    pen.keyring.save_pin(game, str(RootPin.of(root, 1)))
    pen.store.put(member_key(scope, game), b"{}")
    if next(iter(pen.store.list(candidates_prefix(game))), None) is not None:
        raise PointerLost(f"{game} had builds already", where=f"{pen.store.url}/{timestamp_key(game)}")
    empty = GameState(game=game, scope=scope, registry=registry, metadata={ROOT: root})
    return write(pen, draft, empty)


def _keys(pen: Pen, game: str, kind: str, number: int, threshold: int) -> KeySet:
    """The keys in the order that a later run finds them in, too."""
    held = {key.keyid: key.public for key in pen.keyring.keys(game) if key.role == kind}
    while len(held) < number:
        made = pen.keyring.new(game, kind)
        held[made.keyid] = made.public
    return KeySet(tuple(public_key_of(held[keyid]) for keyid in sorted(held)), threshold)


def _put_root(pen: Pen, draft: Draft) -> bytes:
    """The root file that is live, which is the draft's now."""
    game = draft.binding.game
    draft.date(ROOT, 1, pen.clock.now())
    Signatory.of(pen.keyring, game).sign(draft, ROOT)
    data = draft.encode(ROOT)
    key = metadata_key(game, ROOT, 1)
    if pen.store.put(key, data):
        return data
    there = pen.store.get(key, limit=LIMITS[ROOT]).data
    try:
        root = Metadata[Root].from_bytes(there)
        root.signed.verify_delegate(ROOT, root.signed_bytes, root.signatures)
    except RepositoryError as error:
        raise GameTaken(f"the first root of {game} is damaged", where=key) from error
    if root.signed.roles != draft.roles[ROOT].signed.roles or root.signed.keys != draft.roles[ROOT].signed.keys:
        raise GameTaken(f"somebody else began to make {game}, with keys that are not here", where=key)
    draft.roles[ROOT] = root
    return there


class GameTaken(Refused):
    """The first root of a game is somebody else's."""

    code = "game-taken"
    default_cause = "Two people make the game at once, or a making was interrupted and its keys lie elsewhere."
    default_next = "Publish where its keys are, or choose another name."
