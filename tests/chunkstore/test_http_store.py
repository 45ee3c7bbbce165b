"""The store behind a web host: the reading half of the port, and a named error for everything else that hosts do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyreqwest import exceptions
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.response import ResponseBuilder

from chunkstore.cancel import Cancel, Interrupted
from chunkstore.clock import SystemClock
from chunkstore.errors import LadingError
from chunkstore.ids import digest_of
from chunkstore.store import (
    HostMisconfigured,
    KeyMissing,
    NotListable,
    ObjectTooLarge,
    ReadOnly,
    ShortObject,
    StoreUnavailable,
)
from chunkstore.stores import http
from chunkstore.stores.http import AccessDenied, HttpSettings, HttpStore
from tests.chunkstore.test_folder_store import folder_medium
from tests.conformance.object_store import Medium, ObjectReaderSuite
from tests.kit import webhost
from tests.kit.nginx import Nginx
from tests.kit.webhost import MISBEHAVIOURS, Misbehaviour, WebHost, cutting, dripping, status, web_host

BODY = bytes(range(256)) * 40
QUICK = HttpSettings(
    connect_timeout_seconds=2.0,
    read_timeout_seconds=0.4,
    minimum_bytes_per_second=1000,
    minimum_rate_window_seconds=0.2,
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[WebHost]:
    (tmp_path / "k").write_bytes(BODY)
    with web_host(tmp_path) as host:
        yield host


@pytest.fixture
def store(host: WebHost) -> Iterator[HttpStore]:
    store = HttpStore(host.url, clock=SystemClock(), settings=QUICK)
    yield store
    store.close()


class TestHttpStore(ObjectReaderSuite):
    @pytest.fixture
    def medium(self, tmp_path: Path) -> Iterator[Medium]:
        raw = folder_medium(tmp_path)
        with web_host(tmp_path) as host:
            yield Medium(open=lambda: HttpStore(f"{host.url}/", clock=SystemClock()), write=raw.write, read=raw.read)


class TestBehindNginx(ObjectReaderSuite):
    @pytest.fixture
    def medium(self, tmp_path: Path, nginx: Callable[..., Nginx]) -> Medium:
        raw = folder_medium(tmp_path / "served")
        (tmp_path / "served").mkdir()
        url = nginx(tmp_path / "served").url
        return Medium(open=lambda: HttpStore(url, clock=SystemClock()), write=raw.write, read=raw.read)


def read_whole(store: HttpStore) -> bytes:
    return store.get("k", limit=len(BODY)).data


def read_range(store: HttpStore) -> bytes:
    return store.get_range("k", 100, 5000)


BOTH = {"get": read_whole, "range": read_range}

# What each misbehaviour means for a whole object and for a range of it.
MEANINGS: list[tuple[str, Misbehaviour, type[LadingError] | None, type[LadingError] | None]] = [
    ("html", webhost.html_page, HostMisconfigured, HostMisconfigured),
    ("ignores range", webhost.ignore_range, None, HostMisconfigured),
    ("closes mid-body", webhost.close_mid_body, StoreUnavailable, StoreUnavailable),
    ("drips", dripping(0.02), StoreUnavailable, StoreUnavailable),
    ("silent", webhost.fall_silent, StoreUnavailable, HostMisconfigured),
    ("says nothing", webhost.say_nothing, StoreUnavailable, StoreUnavailable),
    ("wrong content range", webhost.wrong_content_range, HostMisconfigured, HostMisconfigured),
    ("no content range", webhost.no_content_range, HostMisconfigured, HostMisconfigured),
    ("too long", webhost.too_long_body, ObjectTooLarge, HostMisconfigured),
    ("ends early", webhost.short_chunked, None, StoreUnavailable),
    ("gzip", webhost.gzipped, HostMisconfigured, HostMisconfigured),
    ("redirect loop", webhost.redirect_loop, HostMisconfigured, HostMisconfigured),
    ("redirect abroad", webhost.redirect_abroad, HostMisconfigured, HostMisconfigured),
    ("no http", webhost.speak_no_http, StoreUnavailable, StoreUnavailable),
    ("401", status(401), AccessDenied, AccessDenied),
    ("403", status(403), AccessDenied, AccessDenied),
    ("404", status(404), KeyMissing, KeyMissing),
    ("410", status(410), KeyMissing, KeyMissing),
    ("416", status(416), ShortObject, ShortObject),
    ("400", status(400), HostMisconfigured, HostMisconfigured),
    ("408", status(408), StoreUnavailable, StoreUnavailable),
    ("429", status(429), StoreUnavailable, StoreUnavailable),
    ("500", status(500), StoreUnavailable, StoreUnavailable),
    ("503", status(503), StoreUnavailable, StoreUnavailable),
]


@pytest.mark.parametrize(("how", "whole", "part"), [row[1:] for row in MEANINGS], ids=[row[0] for row in MEANINGS])
def test_what_a_host_may_do_wrong_has_a_name(
    host: WebHost,
    store: HttpStore,
    how: Misbehaviour,
    whole: type[LadingError] | None,
    part: type[LadingError] | None,
) -> None:
    """R-6.5-5, promise 7; and the store is usable afterwards."""
    for use, expected in ((read_whole, whole), (read_range, part)):
        host.misbehave("k", how, times=1 if how is not webhost.redirect_loop else 6)
        if expected is None:
            use(store)
        else:
            with pytest.raises(expected) as caught:
                use(store)
            assert type(caught.value) is expected
            assert caught.value.where == f"{host.url}/k"
        assert use(store) in (BODY, BODY[100:5100])


def test_the_table_for_others_is_covered_here() -> None:
    tested = {how.__name__ for _, how, _, _ in MEANINGS}
    assert {how.__name__ for how in MISBEHAVIOURS.values()} <= tested


def test_a_long_object_is_refused_before_it_is_read(host: WebHost, store: HttpStore) -> None:
    """The host announces a gigabyte and sends a byte of it; nobody waits for the rest."""

    def announce(answer: webhost.Answer, data: bytes) -> None:
        answer.head(200, **{"Content-Length": str(1 << 30)})
        answer.wfile.write(b"x")
        answer.host.stopping.wait()
        answer.hang_up()

    host.misbehave("k", announce)
    with pytest.raises(ObjectTooLarge):
        store.get("k", limit=1 << 20)


def test_a_whole_object_may_answer_the_range_that_is_all_of_it(host: WebHost, store: HttpStore) -> None:
    host.misbehave("k", webhost.ignore_range)
    assert store.get_range("k", 0, len(BODY)) == BODY


@pytest.mark.parametrize(
    ("how", "arrived"),
    [(cutting(1000), 1000), (webhost.short_chunked, 1), (dripping(0.02), 0), (status(503), 0)],
    ids=["cut", "ends early", "too slow", "no answer"],
)
def test_a_range_that_breaks_off_leaves_what_arrived(
    host: WebHost, store: HttpStore, how: Misbehaviour, arrived: int
) -> None:
    """But for bytes that came too slowly: going on with them would hold us for hours."""
    host.misbehave("k", how)
    with pytest.raises(StoreUnavailable) as caught:
        store.get_range("k", 0, len(BODY))
    assert caught.value.arrived == BODY[:arrived]


def test_a_whole_object_that_breaks_off_cannot_be_continued(host: WebHost, store: HttpStore) -> None:
    """The host knows no ranges: the rest alone is not to be had."""

    def cut_whole(answer: webhost.Answer, data: bytes) -> None:
        answer.head(200, **{"Content-Length": str(len(data))})
        answer.wfile.write(data[:1000])
        answer.hang_up()

    host.misbehave("k", cut_whole)
    with pytest.raises(StoreUnavailable) as caught:
        store.get_range("k", 0, len(BODY))
    assert caught.value.arrived == b""


def test_a_whole_object_that_ends_too_early_is_short(host: WebHost, store: HttpStore) -> None:
    """What nginx answers to a range of an empty file."""
    host.misbehave("k", webhost.ignore_range)
    with pytest.raises(ShortObject):
        store.get_range("k", 0, len(BODY) + 1)


def test_retry_after_in_seconds_and_as_a_date(host: WebHost, store: HttpStore) -> None:
    host.misbehave("k", status(503, **{"Retry-After": "7"}))
    with pytest.raises(StoreUnavailable) as caught:
        read_whole(store)
    assert caught.value.data == {"status": 503, "retry_after_seconds": 7.0}

    dates = {"Date": "Tue, 24 Nov 2026 10:00:00 GMT", "Retry-After": "Tue, 24 Nov 2026 10:01:30 GMT"}
    assert http._retry_after(ResponseBuilder().status(429).headers(dates).build_sync()) == 90.0


@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60) | st.just("9" * 5000))
def test_no_header_of_a_host_breaks_us(text: str) -> None:
    names = ["Retry-After", "Date", "Last-Modified", "ETag", "Content-Length", "Content-Range", "Content-Type"]
    answer = ResponseBuilder().status(206).headers({name: text.strip() for name in names}).build_sync()
    for use in (
        lambda: http._retry_after(answer),
        lambda: http._content_length(answer),
        lambda: http._seconds(text),
        lambda: http._expect(answer, 206, "here"),
        lambda: http._expect_range(answer, 0, 10, "here"),
    ):
        with suppress(LadingError):
            use()


@pytest.mark.parametrize(
    ("key", "revalidated"),
    [("tuf/game/timestamp.json", True), ("s/g/heads/ab", True), ("s/g/packs/ab/cd", False), ("lading.json", False)],
)
def test_what_changes_is_never_taken_from_a_cache(host: WebHost, store: HttpStore, key: str, revalidated: bool) -> None:
    path = host.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    store.get(key, limit=9)
    sent = host.asked(key)[0].headers
    assert (sent.get("cache-control") == "no-cache") is revalidated
    assert sent["accept-encoding"] == "identity"


def test_what_was_absent_is_asked_for_past_the_caches(host: WebHost, store: HttpStore) -> None:
    with pytest.raises(KeyMissing):
        store.get("new", limit=9)
    (host.root / "new").write_bytes(b"x")
    store.get("new", limit=9)
    store.get("new", limit=9)
    assert [request.headers.get("cache-control") for request in host.asked("new")] == [None, "no-cache", None]


def test_the_host_s_own_tag_is_not_believed(host: WebHost, store: HttpStore) -> None:
    host.headers["ETag"] = '"abc"'
    assert store.get("k", limit=len(BODY)).etag == store.stat("k").etag == digest_of(BODY).hex()


def test_writing_and_listing_are_refused_without_a_request(host: WebHost, store: HttpStore) -> None:
    for use in (
        lambda: store.put("k", b""),
        lambda: store.replace("k", b"", match=None),
        lambda: store.delete("k"),
    ):
        with pytest.raises(ReadOnly):
            use()
    with pytest.raises(NotListable):
        store.list("")
    assert host.requests == []


def test_threads_share_kept_alive_connections(host: WebHost, store: HttpStore) -> None:
    for _ in range(20):
        read_range(store)
    assert host.connections == 1
    threads = [threading.Thread(target=read_range, args=(store,)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(host.requests) == 60
    assert host.connections <= 41


def test_redirects_are_followed_with_the_range(host: WebHost, store: HttpStore) -> None:
    def elsewhere(answer: webhost.Answer, data: bytes) -> None:
        answer.say(307, b"", Location="/k")

    host.misbehave("old", elsewhere)
    assert store.get_range("old", 100, 50) == BODY[100:150]


def test_a_host_that_is_down(tmp_path: Path) -> None:
    with web_host(tmp_path) as host:
        url = host.url
    store = HttpStore(url, clock=SystemClock(), settings=QUICK)
    with pytest.raises(StoreUnavailable) as caught:
        store.get("k", limit=1)
    assert "refused" in caught.value.cause
    store.close()


def test_a_failed_handshake_says_why(host: WebHost) -> None:
    store = HttpStore(host.url.replace("http:", "https:"), clock=SystemClock(), settings=QUICK)
    with pytest.raises(StoreUnavailable) as caught:
        store.get("k", limit=1)
    assert caught.value.cause
    assert "error sending request" not in caught.value.cause
    store.close()


def test_an_address_keeps_its_secret(host: WebHost) -> None:
    store = HttpStore(host.url.replace("//", "//user:secret@"), clock=SystemClock(), settings=QUICK)
    assert store.url == host.url
    with pytest.raises(KeyMissing) as caught:
        store.get("absent", limit=1)
    assert "secret" not in f"{caught.value} {caught.value.cause} {caught.value.data}"
    assert host.requests[0].headers["authorization"].startswith("Basic ")
    store.close()


def test_a_request_to_stop_ends_a_body(host: WebHost) -> None:
    cancel = Cancel()
    store = HttpStore(host.url, clock=SystemClock(), cancel=cancel)
    host.misbehave("k", dripping(0.02))
    threading.Timer(0.1, cancel.request).start()
    with pytest.raises(Interrupted):
        read_whole(store)
    with pytest.raises(Interrupted):
        read_whole(store)
    assert len(host.asked("k")) == 1
    store.close()


def test_closing_ends_a_wait_for_an_answer(host: WebHost) -> None:
    """The patience of this store is fifteen seconds; the test would take them."""
    store = HttpStore(host.url, clock=SystemClock())
    host.misbehave("k", webhost.say_nothing)
    threading.Timer(0.1, store.close).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        read_whole(store)
    assert time.monotonic() - begun < 10


def every_exception() -> list[type[PyreqwestError]]:
    found = [value for value in vars(exceptions).values() if isinstance(value, type)]
    return [value for value in found if issubclass(value, PyreqwestError)]


@pytest.mark.parametrize("kind", every_exception(), ids=lambda kind: kind.__name__)
def test_each_exception_of_the_client_library_has_its_leaf(kind: type[PyreqwestError]) -> None:
    error = kind.__new__(kind)
    error.message = "what happened"
    leaf = http._leaf_for(error, "there")
    expected = {
        "ClientClosedError": Interrupted,
        "RedirectError": HostMisconfigured,
        "BuilderError": HostMisconfigured,
    }
    assert type(leaf) is expected.get(kind.__name__, StoreUnavailable)
    assert leaf.where == "there"
