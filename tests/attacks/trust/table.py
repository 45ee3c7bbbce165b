"""The form of the table of attacks: a row says what is tried, what whoever tries it holds, and what it comes to.

The rows stand beside the attacks themselves, in the other files of this folder; `docs/security.md` repeats them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from manifest.trust.roles import BUILDS, CHANNELS, SNAPSHOT, TARGETS, TIMESTAMP
from tests.attacks.trust.scene import Scene

NOTHING = "nothing but the store"
ONLINE = "the store and the online key"
ONE_BUILD_KEY = "the store, the online key and one of two build keys"
BUILD_KEYS = "the store, the online key and all build keys"
ALL_KEYS = "all keys"
DISK = "the player's disk"
CLOCK = "the player's clock"

EVERY_ROLE = {role: role for role in (TIMESTAMP, SNAPSHOT, TARGETS, BUILDS, CHANNELS)}
"""The variants of an attack that is tried on each role but the root."""

RIGHT_BUILD = "no harm"
"""What an attack comes to that changes nothing: the player gets the right build."""


Try = Callable[[Scene], Iterable[object] | None]
"""What changes the scene: once, or step by step, and then each step is an attack."""

F = TypeVar("F", bound=Callable[..., Iterable[object] | None])


@dataclass(frozen=True)
class Attack:
    """One row. `answers` are the codes that it may come to; each of `variants` is tried in a scene of its own."""

    number: str
    title: str
    holds: str
    answers: tuple[str, ...]
    variants: Mapping[str, Try] = field(repr=False)


ATTACKS: dict[str, Attack] = {}


def attack(number: str, title: str, *, holds: str, answer: str, **variants: Any) -> Callable[[F], F]:
    """Enters the decorated function as an attack, once for each of `variants` with its value."""

    def enter(attempt: F) -> F:
        tries = {name: _with(attempt, value) for name, value in variants.items()} or {"": attempt}
        assert number not in ATTACKS
        ATTACKS[number] = Attack(number, title, holds, tuple(answer.split(" or ")), tries)
        return attempt

    return enter


def _with(attempt: Callable[..., Iterable[object] | None], value: Any) -> Try:
    return lambda scene: attempt(scene, value)
