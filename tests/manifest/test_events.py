"""Events: their written form, and the two sinks that need no terminal."""

from __future__ import annotations

from manifest.events import Collector, NullSink, Phase, Progress, event_document


def test_the_written_form() -> None:
    assert event_document(Progress(1, 2, 1), seq=3, ts=1.23456) == {
        "v": 1,
        "seq": 3,
        "ts": 1.235,
        "type": "progress",
        "done": 1,
        "total": 2,
        "saved": 1,
    }


def test_a_collector_keeps_the_order_and_nobody_forgets() -> None:
    kept = Collector()
    for sink in (kept, NullSink()):
        sink.emit(Phase("scan"))
        sink.emit(Progress(1))
    assert kept.events == [Phase("scan"), Progress(1)]
