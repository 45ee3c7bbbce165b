"""The real nginx serving one folder on the loopback address, and the log of what it was asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection

from chunkstore.clock import SystemClock
from tests.kit.services import free_port, require_program

_SETTLED = "/.settled"
_ATTEMPTS = 3  # another process may take the port before nginx binds it

_CONF = """\
{user}
daemon off;
worker_processes 1;
pid {run}/pid;
error_log {run}/error.log;
events {{ worker_connections 256; }}
http {{
    log_format asked '$request_method\\t$uri\\t$status\\t$body_bytes_sent\\t$http_range';
    access_log {run}/access.log asked;
    client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root "{root}";
        {extra}
    }}
}}
"""


@dataclass(frozen=True)
class Request:
    """One line of the access log. `body_bytes` counts the body as sent, `range` is the request's header or empty."""

    method: str
    path: str
    status: int
    body_bytes: int
    range: str


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    url: str
    run: Path

    def requests(self) -> list[Request]:
        """All requests so far, in the order in which they were finished."""
        self._settle()
        rows = [line.split("\t") for line in (self.run / "access.log").read_text().splitlines()]
        asked = [Request(m, path, int(status), int(sent), "" if r == "-" else r) for m, path, status, sent, r in rows]
        return [request for request in asked if request.path != _SETTLED]

    def forget(self) -> None:
        """Empty the log, so that the next reading holds only what comes now."""
        self._settle()
        os.truncate(self.run / "access.log", 0)

    def _settle(self) -> None:
        """nginx logs a request after it has sent the answer; when its only worker answers us, the others are logged."""
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=10)
        connection.request("HEAD", _SETTLED)
        connection.getresponse().close()
        connection.close()


@contextmanager
def serving(root: Path, run: Path, *, extra: str = "") -> Iterator[Nginx]:
    """nginx serving `root`; its own files lie in `run`. `extra` stands inside the `server` block."""
    program = require_program("nginx")
    run.mkdir(parents=True, exist_ok=True)
    for _ in range(_ATTEMPTS):
        port = free_port()
        user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
        conf = run / "nginx.conf"
        conf.write_text(_CONF.format(user=user, run=run, root=root, port=port, extra=extra))
        command = [program, "-p", str(run), "-c", str(conf), "-e", str(run / "error.log")]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if _answers(process, port):
                yield Nginx(f"http://127.0.0.1:{port}", run)
                return
        finally:
            process.terminate()
            process.wait(timeout=10)
    raise RuntimeError(f"nginx did not start: {(run / 'error.log').read_text()}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    clock = SystemClock()
    limit = clock.monotonic() + 10
    while process.poll() is None and clock.monotonic() < limit:
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            clock.sleep(0.02)
        else:
            return process.poll() is None
    return False
