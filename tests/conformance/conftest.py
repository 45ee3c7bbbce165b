"""A TUF repository behind a web host, and the client under test beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.tuf_repository import Client, Repository
from tests.kit.clock import FakeClock
from tests.kit.webhost import web_host


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A repository with the four top-level roles in their first version."""
    return Repository(tmp_path / "repository", FakeClock().now())


@pytest.fixture
def stranger(repo: Repository, tmp_path: Path) -> Iterator[Client]:
    """A client that has not even a root."""
    with web_host(repo.folder) as host:
        yield Client(tmp_path / "client", host)


@pytest.fixture
def client(repo: Repository, stranger: Client) -> Client:
    """A client that trusts the first root."""
    assert stranger.init(repo.place("root").read_bytes()) == 0
    return stranger
