"""Every version installed, every step from one to another, over a folder and over web hosts: equal byte for byte.

Equality is judged by `diff` and `tar`, not by us.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path

import pytest

from tests.kit.command import lading
from tests.kit.game import BUILDS, write_build
from tests.kit.nginx import Nginx
from tests.kit.published import GAME, Published
from tests.kit.trees import assert_same_tree
from tests.kit.webhost import web_host


@pytest.fixture(params=["folder", "web host", pytest.param("nginx", marks=pytest.mark.services)])
def address(request: pytest.FixtureRequest, published: Published) -> Iterator[str]:
    """Where the store is read from."""
    if request.param == "folder":
        yield str(published.store)
    elif request.param == "nginx":
        nginx: Callable[[Path], Nginx] = request.getfixturevalue("nginx")
        yield nginx(published.store).url
    else:
        with web_host(published.store) as host:
            yield host.url


@pytest.mark.parametrize("build", BUILDS)
def test_a_version_installs_as_it_was_published(published: Published, address: str, tmp_path: Path, build: int) -> None:
    target = tmp_path / "game"
    done = lading("install", GAME, "--into", str(target), "--store", address, "--version", f"{build}.0", "--json")
    assert done.exit == 0, done.stdout
    assert (done.document["result"]["from"], done.document["result"]["to"]) == (None, build)
    assert_same_tree(target, published.source(build))
    assert lading("verify", str(target), "--full").exit == 0


@pytest.mark.parametrize(("before", "after"), list(permutations(BUILDS, 2)))
def test_each_version_becomes_every_other(
    published: Published, address: str, tmp_path: Path, before: int, after: int
) -> None:
    """Forward, over a version, and back."""
    target = tmp_path / "game"
    assert lading("install", GAME, "--into", str(target), "--store", address, "--build", str(before)).exit == 0
    (target / "data" / "my.save").write_text("mine")
    done = lading("update", str(target), "--build", str(after), "--json")
    assert done.exit == 0, done.stdout
    assert (done.document["result"]["from"], done.document["result"]["to"]) == (before, after)
    assert (target / "data" / "my.save").read_text() == "mine"
    (target / "data" / "my.save").unlink()
    assert_same_tree(target, published.source(after))
    assert lading("status", str(target), "--json").document["result"]["state"] == "installed"


def test_modes_are_the_build_s_whatever_the_umask_says(published: Published, tmp_path: Path) -> None:
    target = tmp_path / "game"
    before = os.umask(0o077)
    try:
        for verb in (["install", GAME, "--into", str(target), "--build", "1"], ["update", str(target)]):
            assert lading(*verb, "--store", str(published.store)).exit == 0
    finally:
        os.umask(before)
    assert_same_tree(target, published.source(3))


def test_a_channel_is_followed_through_each_version(isolated: Path, tmp_path: Path) -> None:
    source, store, target = tmp_path / "source", tmp_path / "store", tmp_path / "game"
    for build in BUILDS:
        write_build(source, build)
        assert lading("publish", str(source), GAME, "--store", str(store)).exit == 0
        if build == 1:
            assert lading("install", GAME, "--into", str(target), "--store", str(store)).exit == 0
        else:
            assert lading("update", str(target)).exit == 0
        assert_same_tree(target, source)
