"""From a location to a store, and a named error for everything that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from chunkstore.opening import S3NotSupported, UnknownStore, open_store
from chunkstore.store import KeyMissing, ObjectStore
from chunkstore.wrappers.limit import RateLimit
from tests.kit.clock import FakeClock
from tests.kit.webhost import status, web_host


def opened(location: str, clock: FakeClock | None = None, limit: RateLimit | None = None) -> ObjectStore:
    return open_store(location, clock=clock or FakeClock(), jitter=lambda: 1.0, limit=limit)


@pytest.mark.parametrize("form", ["{0}", "file://{0}", "file://localhost{0}", "file:{0}", "FILE://{0}"])
def test_a_folder_in_every_spelling(tmp_path: Path, form: str) -> None:
    (tmp_path / "k").write_bytes(b"x")
    assert opened(form.format(tmp_path)).get("k", limit=1).data == b"x"


def test_percent_signs_in_a_file_address(tmp_path: Path) -> None:
    (tmp_path / "my games").mkdir()
    store = opened(f"file://{tmp_path}/my%20games")
    store.put("k", b"x")
    assert (tmp_path / "my games" / "k").exists()
    assert opened(store.url).get("k", limit=1).data == b"x"


def test_opening_reads_and_makes_nothing(tmp_path: Path) -> None:
    opened(str(tmp_path / "absent"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "location",
    [
        "",
        "ftp://host/x",
        "games:store",
        "file://elsewhere/x",
        "file:///x?y",
        "file:",
        "http://",
        "http://host/x?y=1",
        "http://host/#x",
        "http://[::1/x",
    ],
)
def test_what_is_no_store(location: str) -> None:
    with pytest.raises(UnknownStore) as caught:
        opened(location)
    assert caught.value.where == location


def test_buckets_are_not_supported_yet() -> None:
    with pytest.raises(S3NotSupported):
        opened("s3://bucket/prefix")


def test_a_web_host_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"x")
    clock = FakeClock()
    with web_host(tmp_path) as host:
        store = opened(f"{host.url}/", clock)
        host.misbehave("k", status(500), times=2)
        assert store.get("k", limit=1).data == b"x"
        assert len(host.asked("k")) == 3
        assert clock.monotonic() == pytest.approx(0.75)


def test_a_404_under_a_fresh_pointer_is_asked_for_once_more_past_the_caches(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"x")
    with web_host(tmp_path) as host:
        store = opened(host.url)
        host.misbehave("k", status(404), times=1)
        assert store.get_range("k", 0, 1) == b"x"
        assert [request.headers.get("cache-control") for request in host.asked("k")] == [None, "no-cache"]
        with pytest.raises(KeyMissing):
            store.get("absent", limit=1)
        assert len(host.asked("absent")) == 2


def test_a_limit_holds_for_folders_and_hosts(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(bytes(1000))
    with web_host(tmp_path) as host:
        for location in (str(tmp_path), host.url):
            clock = FakeClock()
            store = opened(location, clock, RateLimit(clock, 1000))
            for _ in range(3):
                store.get_range("k", 0, 1000)
            assert clock.monotonic() == pytest.approx(2, abs=0.01)
            store.close()
