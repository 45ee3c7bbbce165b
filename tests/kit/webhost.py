"""A plain web host that serves a folder, counts what it is asked, and misbehaves on request.

Misbehaviours are functions that answer in place of the host; `MISBEHAVIOURS` names those that need no parameter.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, TypeAlias

from chunkstore.clock import Clock, SystemClock

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True)
class Asked:
    """One request as it came in; header names are lower case."""

    method: str
    key: str
    headers: dict[str, str]


@dataclass
class WebHost:
    """A running host. Its folder may change at any time. The dates that it tells are those of its clock."""

    root: Path
    clock: Clock = field(default_factory=SystemClock)
    url: str = ""
    requests: list[Asked] = field(default_factory=list)
    connections: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    _plans: dict[str, list[tuple[Misbehaviour, int | None]]] = field(default_factory=dict)

    def misbehave(self, key: str, how: Misbehaviour, *, times: int | None = None) -> None:
        """Answer requests for `key` with `how`: so many times, then as planned next; None: from then on."""
        self._plans.setdefault(key, []).append((how, times))

    def behave(self) -> None:
        """Answer everything properly again."""
        self._plans.clear()

    def asked(self, key: str) -> list[Asked]:
        """The requests for one object so far."""
        return [request for request in self.requests if request.key == key]

    def plan_for(self, key: str) -> Misbehaviour | None:
        """How the next request for `key` is to be answered badly."""
        plans = self._plans.get(key)
        if not plans:
            return None
        how, times = plans.pop(0)
        if times is None or times > 1:
            plans.insert(0, (how, times and times - 1))
        return how


class Answer(BaseHTTPRequestHandler):
    """One connection. Good answers have a length and a date, and a range where one was asked for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are sent apart: each answer would wait 40 ms for an ACK
    host: WebHost

    def setup(self) -> None:
        self.host.connections += 1
        super().setup()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        key = self.path.split("?")[0].lstrip("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.host.requests.append(Asked(self.command, key, headers))
        path = self.host.root / key
        data = path.read_bytes() if path.is_file() else None
        if how := self.host.plan_for(key):
            how(self, data or b"")
        elif data is None:
            self.say(404, b"not here")
        else:
            self.serve(data, path.stat().st_mtime)

    def serve(self, data: bytes, modified: float) -> None:
        """Answer as a good host does."""
        dated = {"Last-Modified": formatdate(modified, usegmt=True), **self.host.headers}
        span = self.span()
        if span is None:
            self.say(200, data, **dated)
        elif span[0] >= len(data):
            self.say(416, b"", **{"Content-Range": f"bytes */{len(data)}"})
        else:
            start, end = span[0], min(span[1] + 1, len(data))
            self.say(206, data[start:end], **{"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}, **dated)

    def span(self) -> tuple[int, int] | None:
        """First and last byte of the range that was asked for."""
        found = _RANGE.fullmatch(self.headers.get("Range", ""))
        return (int(found[1]), int(found[2])) if found else None

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The value of the `Date` header."""
        return formatdate(self.host.clock.now() if timestamp is None else timestamp, usegmt=True)

    def head(self, status: int, **headers: str) -> None:
        """Status and headers alone."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def say(self, status: int, body: bytes, **headers: str) -> None:
        """A whole answer."""
        self.head(status, **{"Content-Length": str(len(body)), **headers})
        if self.command != "HEAD":
            self.wfile.write(body)

    def announce(self, data: bytes) -> bytes:
        """Status and headers of a good answer, and the body that should follow."""
        first, last = self.span() or (0, len(data) - 1)
        part = data[first : last + 1]
        ranged = {"Content-Range": f"bytes {first}-{last}/{len(data)}"} if self.span() else {}
        self.head(206 if ranged else 200, **{"Content-Length": str(len(part)), **ranged})
        return part

    def hang_up(self) -> None:
        """Close the connection after what was sent."""
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: `WebHost.requests` is the log."""


Misbehaviour: TypeAlias = Callable[[Answer, bytes], None]


def status(code: int, **headers: str) -> Misbehaviour:
    """Answer with a bare status."""
    return lambda answer, data: answer.say(code, b"sorry", **headers)


def html_page(answer: Answer, data: bytes) -> None:
    """Say 200 with a page of its own, as captive portals and single-page applications do."""
    answer.say(200, b"<html>welcome</html>", **{"Content-Type": "text/html; charset=utf-8"})


def ignore_range(answer: Answer, data: bytes) -> None:
    """Send the whole object whatever was asked."""
    answer.say(200, data)


def close_mid_body(answer: Answer, data: bytes) -> None:
    """Announce the object and send half of it."""
    part = answer.announce(data)
    answer.wfile.write(part[: len(part) // 2])
    answer.hang_up()


def cutting(most: int) -> Misbehaviour:
    """Announce what was asked for and hang up after so many bytes of it, as a proxy with a limit does."""

    def cut(answer: Answer, data: bytes) -> None:
        answer.wfile.write(answer.announce(data)[:most])
        answer.hang_up()

    return cut


def dripping(seconds: float) -> Misbehaviour:
    """Send one byte at a time, with a pause after each."""

    def drip(answer: Answer, data: bytes) -> None:
        for byte in answer.announce(data):
            answer.wfile.write(bytes([byte]))
            if answer.host.stopping.wait(seconds):
                break
        answer.hang_up()

    return drip


def fall_silent(answer: Answer, data: bytes) -> None:
    """Send the headers and one byte, then nothing."""
    answer.head(200, **{"Content-Length": str(len(data))})
    answer.wfile.write(data[:1])
    answer.host.stopping.wait()
    answer.hang_up()


def say_nothing(answer: Answer, data: bytes) -> None:
    """Take the request and never answer."""
    answer.host.stopping.wait()
    answer.hang_up()


def wrong_content_range(answer: Answer, data: bytes) -> None:
    """Send other bytes than were asked for, and say so."""
    first, last = answer.span() or (0, 0)
    answer.say(206, data[: last - first + 1], **{"Content-Range": f"bytes {first + 1}-{last + 1}/{len(data)}"})


def no_content_range(answer: Answer, data: bytes) -> None:
    """Send a part without saying which."""
    answer.say(206, data[:1])


def too_long_body(answer: Answer, data: bytes) -> None:
    """Claim the right range and go on sending, without a length, until hung up on."""
    ranged = {}
    if span := answer.span():
        ranged = {"Content-Range": f"bytes {span[0]}-{span[1]}/{len(data)}"}
    answer.head(206 if ranged else 200, **{"Transfer-Encoding": "chunked", **ranged})
    while not answer.host.stopping.is_set():
        answer.wfile.write(b"1000\r\n" + bytes(4096) + b"\r\n")


def short_chunked(answer: Answer, data: bytes) -> None:
    """A body without a length that ends early but properly."""
    first, last = answer.span() or (0, len(data) - 1)
    ranged = {"Content-Range": f"bytes {first}-{last}/{len(data)}"} if answer.span() else {}
    answer.head(206 if ranged else 200, **{"Transfer-Encoding": "chunked", **ranged})
    answer.wfile.write(b"1\r\n" + data[:1] + b"\r\n0\r\n\r\n")


def gzipped(answer: Answer, data: bytes) -> None:
    """Compress on the way although nobody asked for it."""
    answer.say(206 if answer.span() else 200, data, **{"Content-Encoding": "gzip"})


def redirect_loop(answer: Answer, data: bytes) -> None:
    """Send the client round for ever."""
    answer.say(302, b"", Location=answer.path)


def redirect_abroad(answer: Answer, data: bytes) -> None:
    """Send the client to where no web is."""
    answer.say(302, b"", Location="ftp://example.invalid/")


def speak_no_http(answer: Answer, data: bytes) -> None:
    """Answer in another protocol."""
    answer.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    answer.hang_up()


MISBEHAVIOURS: Final[dict[str, Misbehaviour]] = {
    "html-200": html_page,
    "ignore-range": ignore_range,
    "close-mid-body": close_mid_body,
    "drip": dripping(1.0),
    "wrong-content-range": wrong_content_range,
    "too-long-body": too_long_body,
    "redirect-loop": redirect_loop,
    "gzip": gzipped,
    "not-found": status(404),
    "broken": status(500),
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: clients that hang up are what the tests are about."""


@contextmanager
def web_host(root: Path, clock: Clock | None = None) -> Iterator[WebHost]:
    """Serve `root` on the loopback address."""
    host = WebHost(root, clock or SystemClock())
    server = _Server(("127.0.0.1", 0), type("_Answer", (Answer,), {"host": host}))
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.stopping.set()
        server.shutdown()
        with suppress(OSError):
            server.server_close()
        thread.join()
