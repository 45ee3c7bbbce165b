"""Web hosts that are broken, slow, confused or lying: a named error, and the same command goes on once they behave."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from chunkstore.clock import SystemClock
from chunkstore.stores.http import HttpSettings
from chunkstore.wrappers.retry import RetryPolicy
from tests.attacks.objects import keys_of
from tests.attacks.refusal import check_refusal
from tests.kit.command import lading
from tests.kit.published import GAME, Published
from tests.kit.trees import assert_same_tree
from tests.kit.webhost import (
    MISBEHAVIOURS,
    Misbehaviour,
    WebHost,
    close_mid_body,
    dripping,
    fall_silent,
    html_page,
    no_content_range,
    redirect_abroad,
    say_nothing,
    speak_no_http,
    status,
    web_host,
)

KINDS = ("timestamp", "root", "snapshot", "manifest", "packs")
# What installing says when the host treats a small object so, and when it treats a range of a pack so.
CONFUSED: dict[str, tuple[Misbehaviour, str | None, str]] = {
    "web page": (MISBEHAVIOURS["html-200"], "host-misconfigured", "host-misconfigured"),
    "ignores Range": (MISBEHAVIOURS["ignore-range"], None, "host-misconfigured"),
    "closes mid-body": (MISBEHAVIOURS["close-mid-body"], "store-unavailable", "store-unavailable"),
    "other range": (MISBEHAVIOURS["wrong-content-range"], "host-misconfigured", "host-misconfigured"),
    "unnamed range": (no_content_range, "host-misconfigured", "host-misconfigured"),
    "body without end": (MISBEHAVIOURS["too-long-body"], "object-too-large", "host-misconfigured"),
    "redirects in circles": (MISBEHAVIOURS["redirect-loop"], "host-misconfigured", "host-misconfigured"),
    "redirects elsewhere": (redirect_abroad, "host-misconfigured", "host-misconfigured"),
    "compresses": (MISBEHAVIOURS["gzip"], "host-misconfigured", "host-misconfigured"),
    "speaks no HTTP": (speak_no_http, "store-unavailable", "store-unavailable"),
    "500": (status(500), "store-unavailable", "store-unavailable"),
    "429": (status(429), "store-unavailable", "store-unavailable"),
    "403": (status(403), "access-denied", "access-denied"),
}
MISSING = {"timestamp": "game-missing", "root": "metadata-missing", "snapshot": "metadata-missing"}
SLOW = {"drips": dripping(0.02), "falls silent": fall_silent, "says nothing": say_nothing}


@pytest.fixture
def host(published: Published) -> Iterator[WebHost]:
    """A web host that serves the store."""
    with web_host(published.store) as running:
        yield running


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time, and timeouts of a moment."""
    settings = partial(HttpSettings, read_timeout_seconds=0.2, minimum_rate_window_seconds=0.2)
    monkeypatch.setattr("chunkstore.stores.http.HttpSettings", settings)
    monkeypatch.setattr("chunkstore.opening.WEB_RETRIES", RetryPolicy(attempts=2, first_wait_seconds=0.01))
    monkeypatch.setattr("tests.kit.command.FakeClock", SystemClock)


def install_from(
    host: WebHost, published: Published, target: Path, how: dict[str, Misbehaviour], code: str | None
) -> None:
    """An install while the host misbehaves; when it does so no longer, the same command succeeds."""
    words = ["install", GAME, "--into", str(target), "--store", host.url, "--json"]
    for key, misbehaviour in how.items():
        host.misbehave(key, misbehaviour)
    done = lading(*words)
    if code is not None:
        check_refusal(done, code)
        host.behave()
        done = lading(*words)
    assert done.exit == 0, done.stdout
    assert_same_tree(target, published.source(3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", CONFUSED)
def test_a_confused_host(published: Published, host: WebHost, tmp_path: Path, kind: str, way: str) -> None:
    how, code, code_for_packs = CONFUSED[way]
    keys = keys_of(published.store, 3, 1)[kind]
    install_from(
        host, published, tmp_path / "game", dict.fromkeys(keys, how), code_for_packs if kind == "packs" else code
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_host_that_lost_an_object(published: Published, host: WebHost, tmp_path: Path, kind: str) -> None:
    how = dict.fromkeys(keys_of(published.store, 3, 1)[kind], status(404))
    install_from(host, published, tmp_path / "game", how, MISSING.get(kind, "object-missing"))


@pytest.mark.parametrize("kind", ["timestamp", "root", "snapshot", "packs"])
@pytest.mark.parametrize("way", SLOW)
def test_a_host_that_is_too_slow(
    published: Published, host: WebHost, tmp_path: Path, short_patience: None, kind: str, way: str
) -> None:
    how = dict.fromkeys(keys_of(published.store, 3, 1)[kind], SLOW[way])
    code = "host-misconfigured" if (kind, way) == ("packs", "falls silent") else "store-unavailable"
    install_from(host, published, tmp_path / "game", how, code)


RECOVERING: dict[str, tuple[Misbehaviour, int]] = {
    "404 once": (status(404), 1),
    "500 twice": (status(500), 2),
    "503 once": (status(503, **{"Retry-After": "1"}), 1),
    "hangs up once": (close_mid_body, 1),
}
CHANGING = ("timestamp", "root")


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        (kind, way)
        for kind in (*CHANGING, "bundle", "manifest", "packs", "placement")
        for way in RECOVERING
        if (kind, way) not in {(each, "404 once") for each in CHANGING}
    ],
)
def test_a_host_that_recovers_is_asked_again(
    published: Published, host: WebHost, tmp_path: Path, kind: str, way: str
) -> None:
    """A fresh object that a cache does not have yet, a worker that restarts, a connection that breaks."""
    target, key, (how, times) = tmp_path / "game", keys_of(published.store, 3, 1)[kind][0], RECOVERING[way]
    host.misbehave(key, how, times=times)
    done = lading("install", GAME, "--into", str(target), "--store", host.url, "--json")
    assert done.exit == 0, done.stdout
    assert done.document["receipt"]["actual"]["retried_requests"] == times
    assert_same_tree(target, published.source(3))


@pytest.mark.parametrize("kind", CHANGING)
def test_what_changes_is_asked_for_past_the_caches_and_its_absence_is_believed(
    published: Published, host: WebHost, tmp_path: Path, kind: str
) -> None:
    key = keys_of(published.store, 3, 1)[kind][0]
    install_from(host, published, tmp_path / "game", {key: status(404)}, MISSING.get(kind, "object-missing"))
    assert {request.headers.get("cache-control") for request in host.asked(key)} == {"no-cache"}


def test_a_missing_object_is_asked_for_again_past_the_caches(
    published: Published, host: WebHost, tmp_path: Path
) -> None:
    key = keys_of(published.store, 3, 1)["manifest"][0]
    host.misbehave(key, status(404), times=1)
    assert lading("install", GAME, "--into", str(tmp_path / "game"), "--store", host.url).exit == 0
    assert [request.headers.get("cache-control") for request in host.asked(key)] == [None, "no-cache"]


@pytest.mark.parametrize(("how", "code"), [(html_page, None), (status(404), None), (status(500), "store-unavailable")])
def test_a_diff_that_the_host_spoils(
    published: Published, host: WebHost, tmp_path: Path, how: Misbehaviour, code: str | None
) -> None:
    """The whole manifest does instead, unless the host is only unavailable: then the diff is worth waiting for."""
    target = tmp_path / "game"
    assert lading("install", GAME, "--into", str(target), "--store", host.url, "--build", "1").exit == 0
    host.misbehave(keys_of(published.store, 3, 1)["diff"][0], how)
    done = lading("update", str(target), "--json")
    if code is not None:
        check_refusal(done, code)
        assert_same_tree(target, published.source(1))
        host.behave()
        done = lading("update", str(target), "--json")
    assert done.exit == 0, done.stdout
    assert_same_tree(target, published.source(3))


def test_no_host_at_all(isolated: Path, tmp_path: Path) -> None:
    with web_host(tmp_path) as host:
        address = host.url
    check_refusal(
        lading("install", GAME, "--into", str(tmp_path / "game"), "--store", address, "--json"), "store-unavailable"
    )
