"""The nginx of the test kit really serves, and its log really counts."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from tests.kit.nginx import Nginx, Request


def ask(server: Nginx, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_serves_a_folder_and_logs_each_request(nginx: Callable[..., Nginx], tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "pack").write_bytes(b"0123456789")
    server = nginx(folder)

    assert ask(server, "/pack") == (200, b"0123456789")
    assert ask(server, "/pack", {"Range": "bytes=2-4"}) == (206, b"234")
    assert ask(server, "/absent")[0] == 404
    asked = server.requests()
    assert asked[:2] == [Request("GET", "/pack", 200, 10, ""), Request("GET", "/pack", 206, 3, "bytes=2-4")]
    assert [(request.path, request.status) for request in asked[2:]] == [("/absent", 404)]
    server.forget()
    assert server.requests() == []
