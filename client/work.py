"""Running many small tasks on a few threads, with a brake that acts at once.

No future per task: each thread takes the next task itself. The caller's thread only waits, so that a wish to stop is
answered within a fraction of a second even while a thread sits in a slow network read: such a thread is left behind,
and what it would still stage is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from chunkstore.cancel import Cancel

Task = TypeVar("Task")
Result = TypeVar("Result")
_POLL = 0.1
_GRACE = 0.1


class Brake:
    """Pause and resume. Work that is paused keeps what it has; `Cancel` ends it."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._go.set()

    def pause(self) -> None:
        """No new task is begun until `resume`."""
        self._go.clear()

    def resume(self) -> None:
        """Go on."""
        self._go.set()

    @property
    def paused(self) -> bool:
        """Whether work is paused."""
        return not self._go.is_set()

    def wait(self, cancel: Cancel) -> None:
        """Returns when work may go on; raises `Interrupted` if it is to stop instead."""
        while not self._go.wait(_POLL):
            cancel.check()
        cancel.check()


def run_tasks(
    tasks: Iterable[Task], work: Callable[[Task], None], *, threads: int, cancel: Cancel, brake: Brake
) -> None:
    """Calls `work` for every task, in order, on `threads` threads. The first failure stops all and is raised here."""
    crew = _Crew(iter(tasks), work, cancel, brake)
    members = [threading.Thread(target=crew.serve, name=f"work-{n}", daemon=True) for n in range(max(1, threads))]
    for member in members:
        member.start()
    for member in members:
        while member.is_alive():
            member.join(_POLL)
            if cancel.requested:
                for each in members:
                    each.join(_GRACE / len(members))
                cancel.check()
    if crew.failure is not None:
        raise crew.failure


def run_aside(work: Callable[[], Result], *, cancel: Cancel, brake: Brake) -> Result:
    """What `work` returns. It runs on a thread that is left behind if all is to stop, so it must change nothing."""
    results: list[Result] = []
    run_tasks([None], lambda _: results.append(work()), threads=1, cancel=cancel, brake=brake)
    return results[0]


class _Crew(Generic[Task]):
    """What the threads share."""

    def __init__(self, tasks: Iterator[Task], work: Callable[[Task], None], cancel: Cancel, brake: Brake) -> None:
        self._tasks = tasks
        self._work = work
        self._cancel = cancel
        self._brake = brake
        self._lock = threading.Lock()
        self.failure: BaseException | None = None

    def serve(self) -> None:
        """Takes tasks until there are none, or one failed."""
        try:
            while self.failure is None:
                self._brake.wait(self._cancel)
                with self._lock:
                    try:
                        task = next(self._tasks)
                    except StopIteration:
                        return
                self._work(task)
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, whatever it is
            with self._lock:
                self.failure = self.failure or error
