"""Renewal: signing what a game's metadata says once more before it expires, with the keys that are here.

Made for a timer. The timestamp is signed each time, so that a store whose timer stopped is noticed; the rest when its
time is due. What only other machines can sign is named and left to them.
"""

from __future__ import annotations

from dataclasses import dataclass

from manifest.documents import GameState
from manifest.trust.draft import Draft
from manifest.trust.refusals import SignaturesMissing
from manifest.trust.roles import (
    BINS,
    BUILDS,
    CHANNELS,
    DAY,
    KEYS_OF,
    LIFETIMES,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    kind_of,
)
from manifest.trust.signatory import Signatory
from manifest.trust.vouching import vouch
from manifest.trust.writing import Pen, put_root, sign_root, write

_OFFLINE_AHEAD = 90 * DAY
"""So long before they expire the publisher's roles are due: there is time to ask for them."""

_ORDER = (ROOT, TARGETS, BUILDS, *BINS, CHANNELS, SNAPSHOT)


@dataclass(frozen=True, slots=True)
class Renewal:
    """The roles that were signed anew, and those that are due and need keys from elsewhere."""

    renewed: tuple[str, ...]
    waiting: tuple[str, ...]


def renew(pen: Pen, state: GameState, within: float | None = None) -> Renewal:
    """Signs what expires within so many seconds; `state` is whole.

    Without `within` that is half of the life of what is signed online, and 90 days for the rest. Raises `KeysMissing`
    if the online keys are not here, and `Conflict`.
    """
    draft = Draft.of(state)
    signatory = Signatory.of(pen.keyring, state.game)
    signatory.require(draft)
    due = [role for role in _ORDER if role in draft.roles and _is_due(pen, draft, role, within)]
    mine = [role for role in due if signatory.lacks(draft, role) is None]
    if ROOT in mine:
        sign_root(pen, draft)
        state = put_root(pen, draft, state)
    try:
        live = _sign(pen, state, mine)
    except SignaturesMissing:  # ours are there now; the others do not keep the timestamp waiting
        mine = [role for role in mine if kind_of(role) != BUILDS]
        live = _sign(pen, state, mine)
    vouch(pen, live)
    signed = {*mine, TIMESTAMP, *([SNAPSHOT] if {*mine} - {ROOT} else [])}
    return Renewal(
        tuple(role for role in (*_ORDER, TIMESTAMP) if role in signed),
        tuple(role for role in due if role not in signed),
    )


def _is_due(pen: Pen, draft: Draft, role: str, within: float | None) -> bool:
    kind = kind_of(role)
    usual = LIFETIMES[kind] / 2 if KEYS_OF[kind] == "online" else _OFFLINE_AHEAD
    remain: float = draft.roles[role].signed.expires.timestamp() - pen.clock.now()
    return remain < (usual if within is None else within)


def _sign(pen: Pen, state: GameState, roles: list[str]) -> GameState:
    draft = Draft.of(state)
    draft.changed.update(role for role in roles if role != ROOT)
    return write(pen, draft, state)
