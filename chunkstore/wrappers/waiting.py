"""Waiting that the wish to stop can end."""

from __future__ import annotations

from typing import Final

from chunkstore.cancel import Cancel
from chunkstore.clock import Clock

SLICE_SECONDS: Final = 0.1


def wait(seconds: float, clock: Clock, cancel: Cancel) -> None:
    """Sleep by the clock, a slice at a time. Raises `Interrupted` within a slice of the request to stop."""
    left = seconds
    while left > 0:
        cancel.check()
        clock.sleep(min(left, SLICE_SECONDS))
        left -= SLICE_SECONDS
    cancel.check()
