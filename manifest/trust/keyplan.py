"""How many keys a new game gets, and how many of them have to sign."""

from __future__ import annotations

from dataclasses import dataclass

from chunkstore.errors import Refused

MAX_KEYS = 16
"""Keys of one kind that a game has at most."""


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """How many keys a new game has, and how many of them have to sign: of the root and of builds."""

    root_keys: int = 1
    root_threshold: int = 1
    build_keys: int = 1
    build_threshold: int = 1

    def __post_init__(self) -> None:
        for keys, threshold in ((self.root_keys, self.root_threshold), (self.build_keys, self.build_threshold)):
            if not 1 <= threshold <= keys <= MAX_KEYS:
                raise BadKeyPlan(f"{threshold} of {keys} keys cannot be asked to sign")

    def of(self, kind: str) -> tuple[int, int]:
        """Number and threshold of one kind of keys."""
        return {
            "root": (self.root_keys, self.root_threshold),
            "builds": (self.build_keys, self.build_threshold),
            "online": (1, 1),
        }[kind]


class BadKeyPlan(Refused):
    """So many keys cannot sign."""

    code = "bad-key-plan"
    default_cause = "There are 1 to 16 keys of each kind, and 1 to all of them have to sign."
    default_next = "Choose another number or threshold."
