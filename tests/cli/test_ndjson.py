"""The lines of `--events`: numbered, never too many, never backwards."""

from __future__ import annotations

import io

from cli.ndjson import PROGRESS_INTERVAL, NdjsonSink
from manifest.events import Item, Phase, Progress
from tests.kit.clock import FakeClock
from tests.kit.command import Finished


def written(stream: io.StringIO) -> list[tuple[str, int | None]]:
    """Type and progress of each line."""
    return [(event["type"], event.get("done")) for event in Finished(0, "", stream.getvalue()).events]


def test_progress_waits_for_its_turn_and_the_last_is_never_lost(clock: FakeClock) -> None:
    stream = io.StringIO()
    sink = NdjsonSink(stream, clock)
    sink.emit(Phase("fetch", 100))
    for done in range(1, 51):
        sink.emit(Progress(done, 100))
    clock.advance(PROGRESS_INTERVAL)
    for done in range(51, 101):
        sink.emit(Progress(done, 100))
    sink.emit(Item("a", "added"))
    assert written(stream) == [
        ("phase", None),
        ("progress", 1),
        ("progress", 51),
        ("progress", 100),
        ("item", None),
    ]


def test_progress_of_threads_that_overtake_each_other_never_runs_backwards(clock: FakeClock) -> None:
    stream = io.StringIO()
    sink = NdjsonSink(stream, clock)
    for done in (7, 5, 9, 8):
        sink.emit(Progress(done))
        clock.advance(PROGRESS_INTERVAL)
    sink.emit(Phase("apply"))
    sink.emit(Progress(1))
    sink.emit(Phase("end"))
    assert written(stream) == [("progress", 7), ("progress", 9), ("phase", None), ("progress", 1), ("phase", None)]
