"""A store behind any plain web host: nginx, a CDN, a bucket's public address. Reads only.

Everything that a host can answer ends in an object's bytes or in one of the port's errors. Bodies are never decoded:
what a pack holds is compressed already, and a host that compresses again is named, not undone. The HTTP client library
is not seen outside this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NoReturn
from urllib.parse import urlsplit

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import BuilderError, ClientClosedError, PyreqwestError, RedirectError
from pyreqwest.http import Url
from pyreqwest.response import SyncResponse

from chunkstore.cancel import Cancel, Interrupted
from chunkstore.clock import Clock
from chunkstore.errors import LadingError, Refused
from chunkstore.ids import digest_of
from chunkstore.store import (
    Buffer,
    Entry,
    Fetched,
    HostMisconfigured,
    KeyMissing,
    NotListable,
    ObjectTooLarge,
    ReadOnly,
    ShortObject,
    Stat,
    StoreUnavailable,
    check_key,
    check_range,
    may_change,
)

_MAX_REDIRECTS: Final = 5
_STREAM_WINDOW_BYTES: Final = 4 << 20
_CONNECTION_WINDOW_BYTES: Final = 32 << 20
# The client library returns from sending only when this much of the body is there. More would let a host that drips
# hold us for hours before the first look at the clock.
_READ_AHEAD_BYTES: Final = 1
# The keys whose bytes change. A cache between us and the host may not answer for them without asking the host.
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_MISSING: Final = {404, 410}
_LATER: Final = {408, 425, 429}
_CODINGS: Final = {"gzip", "x-gzip", "br", "zstd", "deflate", "compress"}


class AccessDenied(Refused):
    """The host does not let us read."""

    code = "access-denied"
    default_cause = "The host wants credentials or a fresh token, or hides what does not exist."
    default_next = "Check the address and the access rights of the store."


_STATUS: Final[dict[int, tuple[type[LadingError], str]]] = {
    401: (AccessDenied, "the host asks who we are"),
    403: (AccessDenied, "the host refuses access"),
    404: (KeyMissing, "there is no such object"),
    410: (KeyMissing, "there is no such object any more"),
    416: (ShortObject, "the object ends before the bytes asked for"),
}


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How long to be patient with a host.

    It is given up when nothing arrives for the read timeout, or too little over a whole window.
    """

    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 15.0
    minimum_bytes_per_second: int = 1024
    minimum_rate_window_seconds: float = 15.0


class HttpStore:
    """One host, one client with kept-alive connections (HTTP/2 where TLS offers it), for all threads.

    The tag of an object is the BLAKE3 of its bytes. The host's own would not do: nginx makes it of time and size, so
    two versions of a pointer that are written within a second share it.
    """

    def __init__(
        self, url: str, *, clock: Clock, cancel: Cancel | None = None, settings: HttpSettings | None = None
    ) -> None:
        if not Url.is_valid(url):
            raise ValueError(f"not a web address: {url!r}")
        self._address = url.rstrip("/")
        self._shown = _without_credentials(self._address)
        self._clock = clock
        self._cancel = cancel or Cancel()
        self._settings = settings or HttpSettings()
        self._client = _client(self._settings)
        self._missed: set[str] = set()

    @property
    def url(self) -> str:
        """The address without user name and password."""
        return self._shown

    def get(self, key: str, *, limit: int) -> Fetched:
        """Streams the body and stops at `limit`; a longer one that announces its length is not read at all."""
        with self._asking("GET", key) as (response, where):
            _expect(response, 200, where)
            announced = _content_length(response) or 0
            data = b"" if announced > limit else self._body(response, limit + 1, where)
            if max(announced, len(data)) > limit:
                raise ObjectTooLarge(f"the object is longer than {limit} bytes", where=where)
            return Fetched(data, digest_of(data).hex())

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """A `Range` request. A host that answers with the whole object is refused before its body is read.

        The error of a body that broke off carries what arrived, unless it came too slowly to be worth going on with.
        """
        check_range(offset, length)
        with self._asking("GET", key, f"bytes={offset}-{offset + length - 1}") as (response, where):
            _expect_range(response, offset, length, where)
            data = self._body(response, length + 1, where, least=length)
        if len(data) > length:
            raise HostMisconfigured(f"the host sent more than the {length} bytes asked for", where=where)
        return data

    def stat(self, key: str) -> Stat:
        """A `HEAD` request, then the object is read for its tag."""
        with self._asking("HEAD", key) as (response, where):
            _expect(response, 200, where)
            size = _content_length(response)
            if size is None:
                raise HostMisconfigured("the host does not say how long the object is", where=where)
            modified = _seconds(response.get_header("last-modified"))
            now = _seconds(response.get_header("date"))
        return Stat(size, self.get(key, limit=size).etag, modified or 0.0, now or 0.0)

    def put(self, key: str, data: Buffer) -> bool:
        """Always `ReadOnly`."""
        self._read_only(key)

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        """Always `ReadOnly`."""
        self._read_only(key)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Always `NotListable`."""
        raise NotListable("a web host lists nothing", where=f"{self._shown}/{prefix}")

    def delete(self, key: str) -> None:
        """Always `ReadOnly`."""
        self._read_only(key)

    def close(self) -> None:
        """Ends a wait for an answer at once, a wait inside a body within the read timeout."""
        self._client.close()

    def _read_only(self, key: str) -> NoReturn:
        raise ReadOnly("a web host can only be read", where=f"{self._shown}/{check_key(key)}")

    @contextmanager
    def _asking(self, method: str, key: str, span: str | None = None) -> Iterator[tuple[SyncResponse, str]]:
        """One request and its answer; every failure of the way there and back as a leaf."""
        where = f"{self._shown}/{check_key(key)}"
        self._cancel.check()
        request = self._client.request(method, f"{self._address}/{key}").streamed_read_buffer_limit(_READ_AHEAD_BYTES)
        if span:
            request = request.header("Range", span)
        if key in self._missed or may_change(key):
            request = request.header("Cache-Control", "no-cache")
        with _leaves(where), request.build_streamed() as response:
            self._remember(key, missing=response.status in _MISSING)
            yield response, where

    def _remember(self, key: str, *, missing: bool) -> None:
        """An object that was absent a moment ago is asked for again past the caches, which may hold the 404."""
        if missing or key in self._missed:
            (self._missed.add if missing else self._missed.discard)(key)

    def _body(self, response: SyncResponse, most: int, where: str, *, least: int = 0) -> bytes:
        """The body, or its first `most` bytes; with fewer than `least` it counts as broken off."""
        reader, pace, parts, received = response.body_reader, _Pace(self._clock, self._settings), [], 0
        try:
            with _leaves(where):
                while received < most and (part := reader.read_chunk()) is not None:
                    self._cancel.check()
                    parts.append(part)
                    received += len(part)
                    pace.check(received, where)
            if received < least:
                raise StoreUnavailable(f"the body ended after {received} of {least} bytes", where=where)
        except StoreUnavailable as error:
            # A host that answered with the whole object knows no ranges: it cannot be asked for the rest.
            if response.status == 206 and pace.is_kept(received):
                error.arrived = b"".join(parts)[:least]
            parts.clear()  # the error keeps this frame alive
            raise
        return b"".join(parts)[:most]


class _Pace:
    """Gives up a body of which too little arrived over a whole window of time."""

    __slots__ = ("_begun", "_clock", "_received_before", "_settings", "_window_ends")

    def __init__(self, clock: Clock, settings: HttpSettings) -> None:
        self._clock, self._settings, self._received_before = clock, settings, 0
        self._begun = clock.monotonic()
        self._window_ends = self._begun + settings.minimum_rate_window_seconds

    def check(self, received: int, where: str) -> None:
        now = self._clock.monotonic()
        if now < self._window_ends:
            return
        rate, window = self._settings.minimum_bytes_per_second, self._settings.minimum_rate_window_seconds
        if received - self._received_before < rate * window:
            cause = f"Fewer than {rate} bytes a second arrived for {window:g} seconds."
            raise StoreUnavailable("the host sends too slowly", where=where, cause=cause)
        self._received_before, self._window_ends = received, now + window

    def is_kept(self, received: int) -> bool:
        """Whether so many bytes are enough for all the time since the body began."""
        return received >= self._settings.minimum_bytes_per_second * (self._clock.monotonic() - self._begun)


def _client(settings: HttpSettings) -> SyncClient:
    builder = SyncClientBuilder().user_agent("lading").referer(False).max_redirects(_MAX_REDIRECTS)
    builder = builder.gzip(False).brotli(False).zstd(False).deflate(False)
    builder = builder.default_headers({"Accept-Encoding": "identity"})
    builder = builder.http2(True).http2_initial_stream_window_size(_STREAM_WINDOW_BYTES)
    builder = builder.http2_initial_connection_window_size(_CONNECTION_WINDOW_BYTES)
    builder = builder.connect_timeout(timedelta(seconds=settings.connect_timeout_seconds))
    return builder.read_timeout(timedelta(seconds=settings.read_timeout_seconds)).build()


def _expect(response: SyncResponse, status: int, where: str) -> None:
    """Raise what the answer means unless it is `status` and carries an object's own bytes."""
    found = response.status
    if 200 <= found < 300:
        if (response.get_header("content-type") or "").lower().startswith("text/html"):
            raise HostMisconfigured("the host answered with a web page", where=where)
        if (coding := (response.get_header("content-encoding") or "").lower()) in _CODINGS:
            raise HostMisconfigured(f"the host compressed the object with {coding}", where=where)
    if found == status:
        return
    if found >= 500 or found in _LATER:
        wait = _retry_after(response)
        data = {"status": found} if wait is None else {"status": found, "retry_after_seconds": wait}
        raise StoreUnavailable(f"the host answered {found}", where=where, data=data)
    leaf, message = _STATUS.get(found, (HostMisconfigured, f"the host answered {found}, not {status}"))
    raise leaf(message, where=where, data={"status": found})


def _expect_range(response: SyncResponse, offset: int, length: int, where: str) -> None:
    """Raise unless the body is these bytes: a part, or a whole object of just this length."""
    if response.status == 200 and (size := _content_length(response)) is not None:
        _expect(response, 200, where)
        if size < offset + length:
            raise _short(size, offset + length, where)
        if size == length:
            return
    _expect(response, 206, where)
    given = response.get_header("content-range") or ""
    found = _CONTENT_RANGE.fullmatch(given)
    if found is None or int(found[1]) != offset:
        raise HostMisconfigured(f"the host answered with another range: {given!r:.80}", where=where)
    if int(found[2]) + 1 < offset + length:
        raise _short(int(found[2]) + 1, offset + length, where)


def _short(size: int, wanted: int, where: str) -> ShortObject:
    return ShortObject(f"the object ends at byte {size}, before {wanted}", where=where)


def _content_length(response: SyncResponse) -> int | None:
    text = response.get_header("content-length") or ""
    return int(text) if _NUMBER.fullmatch(text) else None


def _retry_after(response: SyncResponse) -> float | None:
    """Seconds to wait as the host wishes. A date is measured against the host's own clock."""
    text = response.get_header("retry-after") or ""
    if _NUMBER.fullmatch(text):
        return float(text)
    then, now = _seconds(text), _seconds(response.get_header("date"))
    return None if then is None or now is None else max(0.0, then - now)


def _seconds(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextmanager
def _leaves(where: str) -> Iterator[None]:
    """Failures of the client library come out as leaves."""
    try:
        yield
    except PyreqwestError as error:
        raise _leaf_for(error, where) from error


def _leaf_for(error: PyreqwestError, where: str) -> LadingError:
    """What a failure of the client library means. Its innermost cause says most, `Connection refused` for one."""
    if isinstance(error, ClientClosedError):
        return Interrupted("the store was closed", where=where)
    causes = (getattr(error, "details", None) or {}).get("causes") or []
    cause = f"{causes[-1]['message'] if causes else error.message}."
    if isinstance(error, RedirectError | BuilderError):
        return HostMisconfigured("the host redirects to nowhere", where=where, cause=cause)
    return StoreUnavailable("the host did not answer properly", where=where, cause=cause)
