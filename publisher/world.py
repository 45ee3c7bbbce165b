"""What a publish takes from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chunkstore.cancel import Cancel
from chunkstore.clock import Clock
from manifest.events import EventSink
from manifest.registry import RegistryWriter


@dataclass(frozen=True, slots=True)
class World:
    """What a publish takes from outside: the registry, time, random bytes, its audience and its brake."""

    registry: RegistryWriter
    clock: Clock
    random_bytes: Callable[[int], bytes]
    sink: EventSink
    cancel: Cancel
