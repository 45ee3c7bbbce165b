"""A range that broke off: the retrying store asks for the rest, and is patient as long as something comes."""

from __future__ import annotations

import pytest

from chunkstore.store import StoreUnavailable
from chunkstore.wrappers.fault import fail_before
from chunkstore.wrappers.retry import Retried, RetryPolicy
from tests.chunkstore.test_wrappers import Retrying, unavailable


def cut(arrived: bytes) -> StoreUnavailable:
    error = unavailable()
    error.arrived = arrived
    return error


def test_a_range_that_broke_off_is_continued() -> None:
    """Only what had not arrived is asked for again, and counted so."""
    at = Retrying(
        fail_before("get_range", 1, cut(b"12")),
        fail_before("get_range", 2, unavailable()),
        fail_before("get_range", 3, cut(b"345")),
    )
    assert at.store.get_range("k", 1, 8) == b"12345678"
    assert at.store.retried() == Retried(requests=3, bytes=6 + 6 + 3)
    at.faulty.assert_exhausted()


def test_a_range_that_came_whole_before_it_broke_is_not_asked_for_again() -> None:
    at = Retrying(fail_before("get_range", 1, cut(b"1234")))
    assert at.store.get_range("k", 1, 4) == b"1234"
    assert at.store.retried() == Retried(0, 0)


def test_a_host_that_gives_a_little_each_time_gets_there() -> None:
    """Neither the attempts nor the deadline would be enough for this range without what each try brings."""
    policy = RetryPolicy(attempts=2, first_wait_seconds=4, longest_wait_seconds=4, deadline_seconds=5)
    at = Retrying(*(fail_before("get_range", n + 1, cut(b"%d" % n)) for n in range(9)), policy=policy)
    assert at.store.get_range("k", 0, 10) == b"0123456789"
    assert at.clock.monotonic() == pytest.approx(9 * 4)
    at.faulty.assert_exhausted()


def test_a_host_that_gives_nothing_more_is_given_up() -> None:
    at = Retrying(
        fail_before("get_range", 1, cut(b"0")),
        *(fail_before("get_range", call, unavailable()) for call in range(2, 4)),
        policy=RetryPolicy(attempts=3),
    )
    with pytest.raises(StoreUnavailable) as caught:
        at.store.get_range("k", 0, 10)
    assert caught.value.data["attempts"] == 3
    at.faulty.assert_exhausted()
