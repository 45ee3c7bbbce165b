"""Retry, limit, meter and fault: each changes what it is about and nothing else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from chunkstore.cancel import Cancel, Interrupted
from chunkstore.store import Conflict, KeyMissing, ObjectStore, StoreUnavailable
from chunkstore.stores.memory import MemoryStore
from chunkstore.wrappers.fault import (
    Fault,
    FaultyStore,
    break_list,
    delay,
    fail_after,
    fail_before,
    short_read,
    wrong_bytes,
)
from chunkstore.wrappers.limit import LimitedStore, RateLimit
from chunkstore.wrappers.meter import MeteredStore, Traffic
from chunkstore.wrappers.retry import Retried, RetryingStore, RetryPolicy
from tests.conformance.object_store import Medium, ObjectStoreSuite, at_once
from tests.kit.clock import FakeClock


def wrapped_medium(wrap: Callable[[ObjectStore], ObjectStore]) -> Medium:
    inner = MemoryStore(FakeClock())

    def read(key: str) -> bytes | None:
        try:
            return inner.get(key, limit=1 << 30).data
        except KeyMissing:
            return None

    def write(key: str, data: bytes) -> None:
        assert inner.put(key, data)

    return Medium(open=lambda: wrap(inner), write=write, read=read)


WRAPPERS: dict[str, Callable[[ObjectStore], ObjectStore]] = {
    "retry": lambda inner: RetryingStore(
        inner, clock=FakeClock(), jitter=lambda: 0.5, policy=RetryPolicy(missing_wait_seconds=0.1)
    ),
    "limit": lambda inner: LimitedStore(inner, RateLimit(FakeClock(), 1e9)),
    "meter": lambda inner: MeteredStore(inner, lambda key: "all"),
    "fault": lambda inner: FaultyStore(inner, []),
}


@pytest.mark.parametrize("name", WRAPPERS)
class TestWrappedStore(ObjectStoreSuite):
    @pytest.fixture
    def medium(self, name: str) -> Medium:
        return wrapped_medium(WRAPPERS[name])


def unavailable(**data: object) -> StoreUnavailable:
    return StoreUnavailable("not now", data=data)


class Retrying:
    """A retrying store over one that fails by script, and a clock that shows how long was waited."""

    def __init__(self, *script: Fault, policy: RetryPolicy | None = None, jitter: float = 1.0) -> None:
        self.clock = FakeClock()
        self.cancel = Cancel()
        self.memory = MemoryStore(self.clock)
        self.memory.put("k", b"0123456789")
        self.faulty = FaultyStore(self.memory, script)
        self.store = RetryingStore(
            self.faulty, clock=self.clock, jitter=lambda: jitter, policy=policy, cancel=self.cancel
        )


def _is_deleted(store: ObjectStore) -> bool:
    store.delete("k")
    return not list(store.list("k"))


VERBS: dict[str, Callable[[ObjectStore], Any]] = {
    "get": lambda store: store.get("k", limit=10).data == b"0123456789",
    "get_range": lambda store: store.get_range("k", 2, 3) == b"234",
    "stat": lambda store: store.stat("k").size == 10,
    "put": lambda store: store.put("new", b"abc"),
    "replace": lambda store: store.replace("new", b"abc", match=None),
    "list": lambda store: [entry.key for entry in store.list("")] == ["k"],
    "delete": _is_deleted,
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_tried_again(verb: str) -> None:
    """R-6.5-5: download errors are met by retries with exponential delay."""
    at = Retrying(fail_before(verb, 1, unavailable()), fail_before(verb, 2, unavailable()))
    assert VERBS[verb](at.store)
    at.faulty.assert_exhausted()
    assert at.store.retried().requests == 2
    assert at.clock.monotonic() == pytest.approx(0.25 + 0.5)


@pytest.mark.parametrize("verb", VERBS)
def test_a_good_answer_costs_one_request(verb: str) -> None:
    at = Retrying()
    VERBS[verb](at.store)
    assert at.faulty.calls(verb) == 1
    assert at.store.retried() == Retried(0, 0)
    assert at.clock.monotonic() == 0


def test_only_unavailable_is_retried() -> None:
    at = Retrying(fail_before("put", 1, Conflict("taken")))
    with pytest.raises(Conflict):
        at.store.put("new", b"")
    assert at.faulty.calls("put") == 1


def test_waits_double_up_to_the_longest_and_are_drawn_below() -> None:
    policy = RetryPolicy(attempts=6, first_wait_seconds=1, longest_wait_seconds=5)
    at = Retrying(*(fail_before("stat", call, unavailable()) for call in range(1, 7)), policy=policy, jitter=0.5)
    with pytest.raises(StoreUnavailable) as caught:
        at.store.stat("k")
    assert caught.value.data["attempts"] == 6
    assert at.clock.monotonic() == pytest.approx((1 + 2 + 4 + 5 + 5) / 2)
    at.faulty.assert_exhausted()


def test_no_try_comes_after_the_deadline() -> None:
    policy = RetryPolicy(attempts=100, first_wait_seconds=4, longest_wait_seconds=4, deadline_seconds=10)
    at = Retrying(*(fail_before("stat", call, unavailable()) for call in range(1, 4)), policy=policy)
    with pytest.raises(StoreUnavailable):
        at.store.stat("k")
    assert at.clock.monotonic() == pytest.approx(8)
    at.faulty.assert_exhausted()


def test_the_host_s_wish_is_granted_unless_it_outlasts_the_deadline() -> None:
    at = Retrying(
        fail_before("stat", 1, unavailable(retry_after_seconds=20.0)),
        fail_before("stat", 2, unavailable(retry_after_seconds=300.0)),
    )
    with pytest.raises(StoreUnavailable):
        at.store.stat("k")
    assert at.clock.monotonic() == pytest.approx(20)


def test_an_absent_object_is_asked_for_once_more() -> None:
    missing = KeyMissing("not yet")
    at = Retrying(fail_before("get", 1, missing), policy=RetryPolicy(missing_wait_seconds=0.5))
    assert at.store.get("k", limit=10).data == b"0123456789"
    assert at.clock.monotonic() == pytest.approx(0.5)

    with pytest.raises(KeyMissing):
        at.store.get("absent", limit=10)
    assert at.faulty.calls("get") == 4

    with pytest.raises(KeyMissing):
        Retrying().store.get("absent", limit=10)


def test_an_absent_object_is_believed_at_once_by_default() -> None:
    at = Retrying()
    with pytest.raises(KeyMissing):
        at.store.get_range("absent", 0, 1)
    assert at.faulty.calls("get_range") == 1


def test_a_lost_answer_of_a_replace_is_no_conflict() -> None:
    at = Retrying(fail_after("replace", 1, unavailable()))
    tag = at.store.replace("k", b"new", match=at.memory.stat("k").etag)
    assert tag == at.memory.stat("k").etag
    assert at.memory.get("k", limit=3).data == b"new"


def test_a_true_conflict_after_a_retry_stays_one() -> None:
    at = Retrying(fail_before("replace", 1, unavailable()))
    with pytest.raises(Conflict):
        at.store.replace("k", b"new", match=None)
    assert at.memory.get("k", limit=10).data == b"0123456789"


def test_a_broken_listing_goes_on_where_it_stopped() -> None:
    at = Retrying(break_list(1, 2, unavailable()), break_list(2, 1, unavailable()))
    for key in ("a", "b", "z"):
        at.memory.put(key, b"")
    assert [entry.key for entry in at.store.list("")] == ["a", "b", "k", "z"]
    at.faulty.assert_exhausted()


def test_repeated_bytes_are_counted() -> None:
    at = Retrying(
        fail_before("get", 1, unavailable()),
        fail_before("get_range", 1, unavailable()),
        fail_before("put", 1, unavailable()),
    )
    at.store.get("k", limit=10)
    at.store.get_range("k", 0, 4)
    at.store.put("new", b"abc")
    assert at.store.retried() == Retried(requests=3, bytes=10 + 4 + 3)


def test_a_request_to_stop_ends_a_wait_within_a_slice() -> None:
    at = Retrying(fail_before("stat", 1, unavailable(retry_after_seconds=30.0)))
    sleep = at.clock.sleep

    def stop_at_ten(seconds: float) -> None:
        sleep(seconds)
        if at.clock.monotonic() >= 10:
            at.cancel.request()

    at.clock.sleep = stop_at_ten  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        at.store.stat("k")
    assert at.clock.monotonic() <= 10.2


def limited(rate: float | None) -> tuple[FakeClock, RateLimit, LimitedStore]:
    clock = FakeClock()
    memory = MemoryStore(clock)
    memory.put("k", bytes(1_000_000))
    limit = RateLimit(clock, rate)
    return clock, limit, LimitedStore(memory, limit)


def test_the_average_is_the_rate() -> None:
    clock, _, store = limited(100_000)
    for _ in range(11):
        store.get_range("k", 0, 50_000)
    assert clock.monotonic() == pytest.approx(5.0, abs=0.01)


def test_whole_objects_are_paid_for_as_well() -> None:
    clock, _, store = limited(1_000_000)
    for _ in range(4):
        store.get("k", limit=1_000_000)
    assert clock.monotonic() == pytest.approx(3.0, abs=0.01)


def test_no_limit_waits_for_nothing() -> None:
    clock, limit, store = limited(None)
    for _ in range(100):
        store.get_range("k", 0, 1_000_000)
    assert clock.monotonic() == 0
    limit.rate = 1_000_000
    store.get_range("k", 0, 1_000_000)
    assert clock.monotonic() == 0


def test_idle_time_is_not_made_up_for() -> None:
    clock, _, store = limited(1_000_000)
    clock.advance(3600)
    for _ in range(3):
        store.get_range("k", 0, 1_000_000)
    assert clock.monotonic() == pytest.approx(3602, abs=0.01)


def test_a_new_rate_holds_for_those_who_wait() -> None:
    clock, limit, store = limited(0)
    store.get_range("k", 0, 1_000_000)
    sleep = clock.sleep

    def open_at_five(seconds: float) -> None:
        sleep(seconds)
        if limit.rate == 0 and clock.monotonic() >= 5:
            limit.rate = 1_000_000

    clock.sleep = open_at_five  # type: ignore[method-assign]
    store.get_range("k", 0, 1)
    assert clock.monotonic() == pytest.approx(6, abs=0.2)


def test_the_past_is_paid_for_at_its_own_rate() -> None:
    clock, limit, store = limited(100)
    store.get_range("k", 0, 1_000_000)
    clock.advance(100)
    limit.rate = 100_000
    store.get_range("k", 0, 1)
    assert clock.monotonic() == pytest.approx(100 + 9.9, abs=0.01)


def test_a_request_to_stop_ends_the_wait_for_bandwidth() -> None:
    clock, cancel = FakeClock(), Cancel()
    limit = RateLimit(clock, 0, cancel)
    limit.take(1)
    cancel.request()
    with pytest.raises(Interrupted):
        limit.take(1)


def test_threads_share_one_rate() -> None:
    """Work is counted on a shared fake clock: eight threads together get what one would."""
    clock, _, store = limited(1_000_000)
    lock, sleep = threading.Lock(), clock.sleep

    def sleep_alone(seconds: float) -> None:
        with lock:
            sleep(seconds / 8)

    clock.sleep = sleep_alone  # type: ignore[method-assign]
    at_once(8, lambda _: [store.get_range("k", 0, 100_000) for _ in range(5)])
    assert clock.monotonic() >= 3.89


def test_the_meter_counts_by_label_and_failures_too() -> None:
    memory = MemoryStore(FakeClock())
    store = MeteredStore(memory, lambda key: "pack" if "/packs/" in f"/{key}" else "other")
    store.put("packs/a", b"0123456789")
    store.get_range("packs/a", 0, 4)
    store.get_range("packs/a", 4, 6)
    store.get("packs/a", limit=10)
    store.replace("head", bytearray(b"abc"), match=None)
    with pytest.raises(KeyMissing):
        store.get("absent", limit=1)
    list(store.list("packs/"))
    store.stat("head")
    store.delete("head")
    assert store.traffic() == {
        "pack": Traffic(requests=5, received_bytes=20, sent_bytes=10),
        "other": Traffic(requests=4, received_bytes=0, sent_bytes=3),
    }


def test_the_meter_loses_nothing_between_threads() -> None:
    memory = MemoryStore(FakeClock())
    memory.put("k", bytes(100))
    store = MeteredStore(memory, lambda key: "all")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        at_once(8, lambda _: [store.get_range("k", 0, 100) for _ in range(500)])
    finally:
        sys.setswitchinterval(before)
    assert store.traffic() == {"all": Traffic(requests=4000, received_bytes=400_000)}


def test_faults_come_when_the_script_says() -> None:
    clock = FakeClock()
    memory = MemoryStore(clock)
    memory.put("k", b"abc")
    script = [
        short_read("get", 1),
        wrong_bytes("get_range", 2),
        delay("stat", 1, clock, 5.0),
        fail_after("put", 1, unavailable()),
    ]
    store = FaultyStore(memory, script)
    with pytest.raises(AssertionError, match="never happened"):
        store.assert_exhausted()
    assert store.get("k", limit=3).data == b"ab"
    assert store.get("k", limit=3).data == b"abc"
    assert [store.get_range("k", 0, 3) for _ in range(3)] == [b"abc", b"`bc", b"abc"]
    store.stat("k")
    assert clock.monotonic() == 5.0
    with pytest.raises(StoreUnavailable):
        store.put("new", b"x")
    assert memory.get("new", limit=1).data == b"x"
    store.assert_exhausted()


@pytest.mark.parametrize("name", WRAPPERS)
def test_closing_reaches_the_store_inside(name: str) -> None:
    class Closable(MemoryStore):
        closed = False

        def close(self) -> None:
            self.closed = True

    inner = Closable(FakeClock())
    WRAPPERS[name](inner).close()
    assert inner.closed
