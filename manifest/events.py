"""What long work tells its audience while it runs: the events behind the bar, `--events` and the live doors.

Work emits, an `EventSink` shows. An event says what happened and never how it looks; its number and its time are given
by the sink that writes it down. `docs/events.md` describes the written form and a test holds both together. Nothing
here knows a terminal or a socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, TypeAlias

VERSION = 1


@dataclass(frozen=True, slots=True)
class Phase:
    """A new stretch of work begins. `total_bytes` is how much it will handle, where that is known."""

    type: ClassVar[str] = "phase"
    name: str
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the phase has come, in bytes since its start.

    `saved` counts the bytes among `done` that needed no transfer: known to the store already, or found on this disk.
    """

    type: ClassVar[str] = "progress"
    done: int
    total: int | None = None
    saved: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One file is settled: `action` is what was done to it, such as `added`, `changed`, `moved` or `removed`."""

    type: ClassVar[str] = "item"
    path: str
    action: str


@dataclass(frozen=True, slots=True)
class WarningEvent:
    """Something that the reader should know and that does not stop the work. Fields as in `LadingError`."""

    type: ClassVar[str] = "warning"
    code: str
    message: str
    where: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class ResultEvent:
    """The last event: how the command ended. `error` has the form of the JSON document's `error`."""

    type: ClassVar[str] = "result"
    command: str
    ok: bool
    exit: int
    error: Mapping[str, Any] | None = None


Event: TypeAlias = Phase | Progress | Item | WarningEvent | ResultEvent


class EventSink(Protocol):
    """Takes events from any thread, in the order of each thread, and never raises because its reader went away."""

    def emit(self, event: Event) -> None:
        """Take one event; returns quickly."""
        ...


class NullSink:
    """Nobody is listening."""

    def emit(self, event: Event) -> None:
        """Forget the event."""


class Collector:
    """Keeps all events in order, for tests and for callers that look afterwards."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Append the event."""
        self.events.append(event)


def event_document(event: Event, *, seq: int, ts: float) -> dict[str, Any]:
    """The written form of one event: `seq` counts from 1 without gaps, `ts` is in seconds since the Unix epoch."""
    body = {field.name: getattr(event, field.name) for field in fields(event)}
    return {"v": VERSION, "seq": seq, "ts": round(ts, 3), "type": event.type, **body}
