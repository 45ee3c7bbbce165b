"""Signals of the system become a wish to stop; a second one stops at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from chunkstore.cancel import Cancel

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


def stop_on_signals(cancel: Cancel) -> None:
    """Let Ctrl-C, termination and Windows' Ctrl-Break request `cancel`; if it is requested already, interrupt."""

    def stop(number: int, frame: FrameType | None) -> None:
        if cancel.requested:
            raise KeyboardInterrupt
        cancel.request()

    for each in _SIGNALS:
        signal.signal(each, stop)


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Let the first signal interrupt the block: what waits for a person looks at no wish to stop."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
