"""Progress for people: never silent, never backwards, names the phase, shows what needed no transfer."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.config import Settings
from cli.progress import BarView, PlainView, ProgressSink, Standing, advance, figures, view_for
from cli.sizes import human
from manifest.events import Item, Phase, Progress, WarningEvent
from tests.kit.clock import FakeClock

sizes = st.integers(0, 10**12)
events = st.one_of(
    st.builds(Progress, done=sizes, total=st.none() | sizes, saved=sizes), st.builds(Item, st.text(), st.just("added"))
)


@given(total=st.none() | sizes, stream=st.lists(events))
def test_nothing_goes_back_inside_a_phase(total: int | None, stream: list[Progress | Item]) -> None:
    standing = advance(Standing("scan", 0.0), Phase("fetch", total), 1.0)
    for event in stream:
        after = advance(standing, event, 2.0)
        assert after.phase == "fetch"
        assert (after.done, after.saved) >= (standing.done, standing.saved)
        assert after.total is None or after.done <= after.total
        standing = after


def test_a_new_phase_starts_at_nothing() -> None:
    standing = advance(Standing("scan", 0.0, done=7, saved=3), Phase("fetch", 10), 5.0)
    assert standing == Standing("fetch", 5.0, total=10)


def plain(clock: FakeClock) -> tuple[io.StringIO, ProgressSink]:
    stream = io.StringIO()
    return stream, ProgressSink(PlainView(stream, clock), clock)


def test_a_plain_line_every_ten_seconds_even_while_nothing_happens(clock: FakeClock) -> None:
    stream, sink = plain(clock)
    for _ in range(350):
        clock.advance(0.1)
        sink.tick()
    assert len(stream.getvalue().splitlines()) == 3


def test_a_command_that_is_done_at_once_is_quiet(clock: FakeClock) -> None:
    stream, sink = plain(clock)
    sink.emit(Phase("fetch", 10))
    sink.emit(Progress(10, 10))
    assert stream.getvalue() == ""


def test_the_line_names_phase_share_and_savings(clock: FakeClock) -> None:
    stream, sink = plain(clock)
    sink.emit(Phase("fetch", 200_000_000))
    clock.advance(10)
    sink.emit(Progress(50_000_000, saved=20_000_000))
    line = "fetch:  25 % 50.0 MB of 200.0 MB, 20.0 MB saved, 5.0 MB/s, 30 s left\n"
    assert stream.getvalue() == line


def test_a_warning_is_said_at_once_and_cannot_drive_the_terminal(clock: FakeClock) -> None:
    stream, sink = plain(clock)
    sink.emit(WarningEvent("clock-skew", "late\x1b[2J", where="here", next="Set it."))
    assert stream.getvalue() == "warning[clock-skew]: late\N{REPLACEMENT CHARACTER}[2J (here) Set it.\n"


def test_a_reader_that_went_away_stops_nothing(clock: FakeClock) -> None:
    class Broken(BarView):
        def show(self, standing: Standing) -> None:
            raise BrokenPipeError

    sink = ProgressSink(Broken(io.StringIO(), clock, colour=False), clock)
    clock.advance(1)
    sink.emit(Phase("fetch"))


def test_the_bar_appears_when_it_is_worth_it_and_leaves_nothing_behind(clock: FakeClock) -> None:
    stream = io.StringIO()
    view = BarView(stream, clock, colour=False)
    sink = ProgressSink(view, clock)
    clock.advance(0.2)
    sink.emit(Phase("fetch", 2_000_000))
    assert stream.getvalue() == ""
    clock.advance(0.2)
    sink.emit(Progress(1_000_000, saved=500_000))
    drawn = stream.getvalue()
    assert "fetch" in drawn
    assert "500.0 kB saved" in drawn
    assert " 50%" in drawn
    view.close()
    assert stream.getvalue().endswith("\x1b[2K")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", stream.getvalue()), "colour without leave"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "mode", "kind"),
    [
        (Terminal(), "auto", BarView),
        (io.StringIO(), "auto", PlainView),
        (Terminal(), "plain", PlainView),
        (io.StringIO(), "bar", BarView),
    ],
)
def test_the_view_follows_the_terminal_and_the_setting(
    clock: FakeClock, stream: io.StringIO, mode: str, kind: type
) -> None:
    assert isinstance(view_for(stream, clock, Settings(output_progress=mode)), kind)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_951, "1.0 MB"), (5e15, "5000.0 TB")],
)
def test_bytes_for_people(count: float, text: str) -> None:
    assert human(count) == text


def test_figures_of_a_phase_of_unknown_size() -> None:
    assert figures(Standing("scan", 0.0, done=1500), 0.0) == "1.5 kB"
