"""Metadata that waits for more signatures: the half of a change that one key holder leaves for the next in the store.

Whoever comes next makes the same change from what is live, and signs the bytes that lie here only if they say the same.
Nothing here is believed for its own sake.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from securesystemslib.exceptions import UnverifiedSignatureError
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Targets

from chunkstore.errors import Corrupt
from chunkstore.ids import digest_of
from chunkstore.store import KeyMissing, ObjectStore
from manifest.keys import partial_key, partials_prefix
from manifest.trust.draft import Draft
from manifest.trust.guard import check
from manifest.trust.roles import BUILDS, LIMITS

_APART = timedelta(days=1)
"""So far the clocks of two key holders may be apart."""


def adopt_partial(store: ObjectStore, draft: Draft, role: str) -> None:
    """Takes over the bytes and the signatures of others for a dated, unsigned role, if they say what the draft says."""
    for entry in list(store.list(partials_prefix(draft.binding.game))):
        if entry.key.rpartition("/")[2].split(".")[1:2] != [role]:
            continue
        other = _read(store, draft, role, entry.key)
        if other is None or not _says_the_same(draft, role, other):
            continue
        mine = draft.roles[role]
        if not mine.signatures:
            draft.roles[role] = other
        elif other.signed_bytes == mine.signed_bytes:
            mine.signatures.update(other.signatures)
        _drop_foreign(draft, role)


def keep_partial(store: ObjectStore, draft: Draft, role: str, keyids: Sequence[str]) -> None:
    """Leaves a role with its signatures for the next key holder."""
    version, data = draft.roles[role].signed.version, draft.encode(role)
    for keyid in keyids:
        store.put(partial_key(draft.binding.game, role, version, keyid, digest_of(data).hex()), data)


def forget_partials(store: ObjectStore, game: str, draft: Draft) -> None:
    """Removes what waited for what is live now."""
    if draft.keys_of(BUILDS).threshold > 1:
        for entry in list(store.list(partials_prefix(game))):
            store.delete(entry.key)


def _read(store: ObjectStore, draft: Draft, role: str, key: str) -> Metadata[Targets] | None:
    try:
        data = store.get(key, limit=LIMITS[BUILDS]).data
        check(role, data, draft.binding, key)
        return Metadata[Targets].from_bytes(data)
    except (KeyMissing, Corrupt, RepositoryError):
        return None


def _says_the_same(draft: Draft, role: str, other: Metadata[Targets]) -> bool:
    """Whether it is what the draft says, dated a little earlier at most."""
    mine, theirs = draft.roles[role].signed, other.signed
    if not isinstance(theirs, Targets) or theirs.expires > mine.expires + _APART:
        return False
    return (theirs.version, theirs.targets, theirs.delegations, theirs.unrecognized_fields) == (
        mine.version,
        mine.targets,
        mine.delegations,
        mine.unrecognized_fields,
    )


def _drop_foreign(draft: Draft, role: str) -> None:
    """Keeps the signatures that count."""
    keys = {key.keyid: key for key in draft.keys_of(role).keys}
    metadata = draft.roles[role]
    for keyid, signature in list(metadata.signatures.items()):
        try:
            keys[keyid].verify_signature(signature, metadata.signed_bytes)
        except (KeyError, UnverifiedSignatureError):
            del metadata.signatures[keyid]
