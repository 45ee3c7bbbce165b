"""The roles of a game's repository: their names, lifetimes and size limits, and what the publisher's words in them are.

Values only. `root` and `targets` are the publisher's, kept offline; `targets` delegates the builds to `builds` (and the
older of them on to hash bins) and the channels to `channels`; `channels`, `snapshot` and `timestamp` are signed online.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

ROOT = "root"
TARGETS = "targets"
BUILDS = "builds"
CHANNELS = "channels"
SNAPSHOT = "snapshot"
TIMESTAMP = "timestamp"

BIN_PREFIX = "old"
BIN_BITS = 4
BINS = tuple(f"{BIN_PREFIX}-{number:x}" for number in range(1 << BIN_BITS))
"""The hash bins that hold all builds but the newest (TAP 15)."""

NEWEST_BUILDS = 8
"""So many of the newest builds lie in `builds` itself, beside those that a channel names."""

LADING = "x-lading"
"""The field of every role's signed part that binds it to one game of one registry."""

FORMAT = 1

KEYS_OF = MappingProxyType(
    {
        ROOT: "root",
        TARGETS: "root",
        BUILDS: "builds",
        CHANNELS: "online",
        SNAPSHOT: "online",
        TIMESTAMP: "online",
    }
)
"""Which of the three kinds of keys signs a role."""

DAY = 24 * 60 * 60

_OFFLINE = 3 * 365 * DAY
_ONLINE = 400 * DAY

LIFETIMES: Mapping[str, int] = MappingProxyType(
    {
        ROOT: _OFFLINE,
        TARGETS: _OFFLINE,
        BUILDS: _OFFLINE,
        CHANNELS: _ONLINE,
        SNAPSHOT: _ONLINE,
        TIMESTAMP: _ONLINE,
    }
)
"""Seconds from signing to expiry; bins live as long as `builds`."""

LIMITS: Mapping[str, int] = MappingProxyType(
    {
        ROOT: 64 * 1024,
        TARGETS: 64 * 1024,
        BUILDS: 4 * 1024 * 1024,
        CHANNELS: 256 * 1024,
        SNAPSHOT: 32 * 1024,
        TIMESTAMP: 8 * 1024,
    }
)
"""Bytes of a role's metadata that a reader takes at most; a bin's as those of `builds`."""

MAX_ROOTS = 256
"""So many changes of root one walk follows."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Whose metadata it is. An empty registry stands for one that is not known yet."""

    registry: str
    game: str

    def words(self, **more: Any) -> dict[str, Any]:
        """The fields to sign along with a role."""
        return {LADING: {"format": FORMAT, "registry": self.registry, "game": self.game, **more}}


def kind_of(role: str) -> str:
    """`role` itself; `builds` for a bin, which is made like it."""
    return BUILDS if role in BINS else role


def build_path(game: str, number: int) -> str:
    """The target path of a build's document."""
    return f"{game}/builds/{number}"


def newest_path(game: str) -> str:
    """The target path that is always in `builds`: its document says the number of the newest build."""
    return f"{game}/builds/newest"


NO_CHANNEL = "."
"""A name that no channel can have."""


def channel_path(game: str, channel: str) -> str:
    """The target path of a channel's document."""
    return f"{game}/channels/{channel}"
