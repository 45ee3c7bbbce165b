"""Who signs on this machine: whether the keys that are here are enough for a role, and signing it with them.

They are looked up once for each change: a keyring looks at its folder and at every key file each time it is asked. What
one key signs with is for `signers` to know, in which order roles are signed for `writing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from manifest.documents import GameState
from manifest.trust.draft import Draft
from manifest.trust.keyfile import HeldKey
from manifest.trust.keyring import Keyring
from manifest.trust.refusals import KeysMissing
from manifest.trust.roles import BUILDS, CHANNELS, KEYS_OF, SNAPSHOT, TIMESTAMP, kind_of
from manifest.trust.signers import signer_of


@dataclass(frozen=True, slots=True)
class Signatory:
    """Whoever changes one game here, with the keys of it that lay here when the change began."""

    keyring: Keyring
    keys: Sequence[HeldKey]

    @staticmethod
    def of(keyring: Keyring, game: str) -> Signatory:
        """With the keys that lie here now. Raises `BadKeyFile`, `KeyExposed`."""
        return Signatory(keyring, keyring.keys(game))

    def require(self, draft: Draft, roles: Iterable[str] = ()) -> None:
        """Raises `KeysMissing` if a role that has to be signed cannot be, before anything is written.

        With `roles` only these are looked at.
        """
        for role in roles or (*sorted(draft.changed), SNAPSHOT, TIMESTAMP):
            lacking = self.lacks(draft, role)
            if lacking is not None:
                raise lacking

    def lacks(self, draft: Draft, role: str) -> KeysMissing | None:
        """Why a role cannot be signed here. Builds may be signed by some of their keys here, by others elsewhere."""
        kind = KEYS_OF[kind_of(role)]
        for wanted in draft.quorums(role):
            held = len([key for key in self.keys if key.keyid in wanted.ids])
            if held < (1 if kind == "builds" else wanted.threshold):
                return KeysMissing(
                    f"{wanted.threshold} of the {kind} keys of {draft.binding.game} have to sign, "
                    f"and {held} of them are here",
                    data={"kind": kind, "needed": wanted.threshold, "held": held},
                )
        return None

    def keys_for(self, draft: Draft, role: str) -> list[HeldKey]:
        """The keys here that may sign a role."""
        ids = {keyid for keys in draft.quorums(role) for keyid in keys.ids}
        return [key for key in self.keys if key.keyid in ids]

    def sign(self, draft: Draft, role: str, *, append: bool = False) -> None:
        """Signs a role with every key that may. With `append` signatures that it has already stay.

        Raises `PassphraseWrong`, `BadKeyFile`, `KeyExposed`, `SigningCommandFailed`.
        """
        if not append:
            draft.roles[role].signatures.clear()
        for key in self.keys_for(draft, role):
            draft.roles[role].sign(signer_of(self.keyring, key), append=True)


def require_keys_of(keyring: Keyring, state: GameState) -> None:
    """Raises `KeysMissing` if a build of this game could not be signed here and made live."""
    draft = Draft.of(state)
    draft.changed |= {BUILDS, CHANNELS}
    Signatory.of(keyring, state.game).require(draft)
