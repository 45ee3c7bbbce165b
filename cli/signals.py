"""Signals of the system become a wish to stop; a second one stops at once."""

from __future__ import annotations

import signal
from types import FrameType

from chunkstore.cancel import Cancel

_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK")


def stop_on_signals(cancel: Cancel) -> None:
    """Let Ctrl-C, termination and Windows' Ctrl-Break request `cancel`; if it is requested already, interrupt."""

    def stop(number: int, frame: FrameType | None) -> None:
        if cancel.requested:
            raise KeyboardInterrupt
        cancel.request()

    for name in _NAMES:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
