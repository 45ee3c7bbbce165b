"""A wish to stop is honoured at the next safe point and ends a wait."""

from __future__ import annotations

import threading

import pytest

from chunkstore.cancel import Cancel, Interrupted


def test_nothing_stops_until_it_is_asked_to() -> None:
    cancel = Cancel()
    cancel.check()
    cancel.pause(0)
    cancel.request()
    cancel.request()
    with pytest.raises(Interrupted):
        cancel.check()


def test_a_request_ends_a_wait() -> None:
    cancel = Cancel()
    asker = threading.Timer(0.01, cancel.request)
    asker.start()
    with pytest.raises(Interrupted):
        cancel.pause(60)
    asker.join()
