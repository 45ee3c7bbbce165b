"""Progress for people: a bar on a terminal, elsewhere a plain line every ten seconds.

Events move a `Standing`, a view shows it. The standing never goes back, names the phase and counts what needed no
transfer; a ticker shows it again while the work is silent. The terminal library is imported only when a bar appears.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TextIO

from chunkstore.clock import Clock
from cli.config import Settings
from cli.output import deliver, printable
from cli.sizes import human
from manifest.events import Event, Phase, Progress, WarningEvent

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PATIENCE = 0.3  # a command that is done sooner shows no bar
_TICK = 0.1


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the work is. Figures are bytes since `since`, the moment (monotonic) at which the phase began."""

    phase: str
    since: float
    done: int = 0
    total: int | None = None
    saved: int = 0


def advance(standing: Standing, event: Event, now: float) -> Standing:
    """The standing after `event`. Inside a phase no figure goes back, and what is done never exceeds the total."""
    match event:
        case Phase(name, total_bytes):
            return Standing(name, now, total=total_bytes)
        case Progress(done, total, saved):
            done = max(done, standing.done)
            total = standing.total if total is None else max(total, standing.total or 0)
            return replace(
                standing,
                done=done,
                total=None if total is None else max(total, done),
                saved=max(saved, standing.saved),
            )
        case _:
            return standing


def figures(standing: Standing, now: float) -> str:
    """The numbers of one line: how far, what was saved, how fast, how long still."""
    done = human(standing.done)
    parts = [f"{done} of {human(standing.total)}" if standing.total else done]
    if standing.saved:
        parts.append(f"{human(standing.saved)} saved")
    if now > standing.since and standing.done:
        rate = standing.done / (now - standing.since)
        parts.append(f"{human(rate)}/s")
        if standing.total:
            parts.append(f"{(standing.total - standing.done) / rate:.0f} s left")
    return ", ".join(parts)


def warning_text(warning: WarningEvent) -> str:
    """A warning on one line."""
    where = f" ({warning.where})" if warning.where else ""
    return f"warning[{warning.code}]: {warning.message}{where}" + (f" {warning.next}" if warning.next else "")


class View(Protocol):
    """One way to show a standing."""

    interval: float
    """Seconds between two showings."""

    def show(self, standing: Standing) -> None:
        """Show where the work is."""
        ...

    def say(self, line: str) -> None:
        """Show one line that stays."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found; what is shown afterwards begins anew."""
        ...


class PlainView:
    """One line each time, for logs and pipes."""

    interval = 10.0

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    def show(self, standing: Standing) -> None:
        """Write the figures, with a percentage if the total is known."""
        share = f" {100 * standing.done // standing.total:3d} %" if standing.total else ""
        self.say(f"{standing.phase}:{share} {figures(standing, self._clock.monotonic())}")

    def say(self, line: str) -> None:
        """Write the line."""
        deliver(self._stream, printable(line) + "\n")

    def close(self) -> None:
        """Nothing to undo."""


class BarView:
    """A bar in the last line of a terminal, gone when the work is done."""

    interval = 0.1

    def __init__(self, stream: TextIO, clock: Clock, *, colour: bool) -> None:
        self._stream = stream
        self._clock = clock
        self._colour = colour
        self._born = clock.monotonic()
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def show(self, standing: Standing) -> None:
        """Move the bar; the first showing that is worth it draws it."""
        if self._bar is None:
            if self._clock.monotonic() - self._born < _PATIENCE:
                return
            self._bar, self._task = self._draw()
        assert self._task is not None
        self._bar.update(
            self._task,
            completed=standing.done,
            total=standing.total,
            description=standing.phase,
            figures=figures(standing, self._clock.monotonic()),
        )
        self._bar.refresh()

    def _draw(self) -> tuple[RichProgress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as RichProgress

        console = Console(file=self._stream, force_terminal=True, no_color=not self._colour, highlight=False)
        bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            auto_refresh=False,
            transient=True,
            get_time=self._clock.monotonic,
        )
        bar.start()
        return bar, bar.add_task("", figures="")

    def say(self, line: str) -> None:
        """Write the line above the bar."""
        if self._bar is None:
            deliver(self._stream, printable(line) + "\n")
        else:
            self._bar.console.print(printable(line), markup=False)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def view_for(stream: TextIO, clock: Clock, settings: Settings) -> View:
    """The view that the settings ask for; left to itself, a bar if `stream` is a terminal."""
    terminal = stream.isatty()
    if settings.output_progress == "bar" or (settings.output_progress == "auto" and terminal):
        colour = settings.output_colour == "always" or (settings.output_colour == "auto" and terminal)
        return BarView(stream, clock, colour=colour)
    return PlainView(stream, clock)


class ProgressSink:
    """Moves the standing by events and shows it whenever its view is due. A terminal that went away stops nothing."""

    def __init__(self, view: View, clock: Clock) -> None:
        self._view = view
        self._clock = clock
        self._lock = threading.Lock()
        self._shown = clock.monotonic()
        self._standing = Standing("starting", self._shown)

    def emit(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            if isinstance(event, WarningEvent):
                with suppress(OSError):
                    self._view.say(warning_text(event))
            self._standing = advance(self._standing, event, self._clock.monotonic())
            self._show_if_due()

    def tick(self) -> None:
        """Show the standing again if it is time, though nothing happened."""
        with self._lock:
            self._show_if_due()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Nothing is shown inside the block, and no bar stands there. Whoever emits from another thread waits."""
        with self._lock:
            with suppress(OSError):
                self._view.close()
            yield

    def _show_if_due(self) -> None:
        now = self._clock.monotonic()
        if now - self._shown >= self._view.interval:
            self._shown = now
            with suppress(OSError):
                self._view.show(self._standing)


@contextmanager
def showing(view: View, clock: Clock) -> Iterator[ProgressSink]:
    """A sink that shows progress, also while the work is silent, until the block is left."""
    sink = ProgressSink(view, clock)
    over = threading.Event()

    def keep_ticking() -> None:
        while not over.wait(_TICK):
            sink.tick()

    ticker = threading.Thread(target=keep_ticking, name="progress", daemon=True)
    ticker.start()
    try:
        yield sink
    finally:
        over.set()
        ticker.join()
        with suppress(OSError):
            view.close()
