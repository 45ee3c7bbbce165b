"""Vouching: what keeps a game's voucher true while its root and its channels change.

Where the registry's key lies, every change of a game looks at its voucher. Elsewhere it is left alone: what it says of
the root stays enough to begin with, since later roots are found from there.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

from chunkstore.errors import Corrupt
from chunkstore.store import Conflict, KeyMissing, ObjectTooLarge
from manifest.documents import FULL_ROLLOUT, GameState
from manifest.keys import timestamp_key, voucher_key
from manifest.trust.overview import newest_root
from manifest.trust.pins import RegistryPin
from manifest.trust.roles import DAY
from manifest.trust.signers import signer_of
from manifest.trust.voucher import MAX_VOUCHER, Voucher, encode_voucher, read_voucher, voucher_payload
from manifest.trust.writing import Pen

_LIFETIME = 400 * DAY


def vouch(pen: Pen, live: GameState, *, min_build: int | None = None) -> None:
    """Makes the voucher say what `live` says, if the registry's key is here and it does not say so since today.

    `min_build` is the lowest build of channels that are about to go live instead. Whoever was overtaken by another
    change of the game leaves the voucher to it.
    """
    key = pen.keyring.registry_key()
    if key is None:
        return
    now = pen.clock.now()
    build = lowest_build(live) if min_build is None else min_build
    wanted = Voucher(live.registry, live.game, newest_root(live.metadata), build, int(now) + _LIFETIME)
    tag, there = _present(pen, live.game, RegistryPin(hashlib.sha256(key.public).hexdigest()))
    if there is not None and _says(there, wanted):
        return
    if pen.store.stat(timestamp_key(live.game)).etag != live.tag:
        return
    signature = bytes.fromhex(signer_of(pen.keyring, key).sign(voucher_payload(wanted)).signature)
    with suppress(Conflict):
        pen.store.replace(voucher_key(live.game), encode_voucher(wanted, key.public, signature), match=tag)


def lowest_build(state: GameState) -> int:
    """The lowest build that somebody gets from a channel of the game; 0 if it has none."""
    given = [channel.build for channel in state.channels.values()]
    given += [channel.previous for channel in state.channels.values() if channel.rollout < FULL_ROLLOUT]
    return min(given, default=0)


def _present(pen: Pen, game: str, pin: RegistryPin) -> tuple[str | None, Voucher | None]:
    """The tag of the voucher that is there, and the voucher if it holds."""
    key = voucher_key(game)
    try:
        found = pen.store.get(key, limit=MAX_VOUCHER)
    except KeyMissing:
        return None, None
    except ObjectTooLarge:
        return pen.store.stat(key).etag, None
    try:
        return found.etag, read_voucher(found.data, game, pin, pen.clock.now(), f"{pen.store.url}/{key}")
    except Corrupt:
        return found.etag, None


def _says(there: Voucher, wanted: Voucher) -> bool:
    same = (there.registry, there.root, there.min_build) == (wanted.registry, wanted.root, wanted.min_build)
    return same and wanted.expires - there.expires <= DAY
