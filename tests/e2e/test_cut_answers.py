"""A proxy that cuts every answer: an install gets there as long as each answer brings something."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from tests.kit.command import lading
from tests.kit.game import Entry, noise, write_tree
from tests.kit.published import GAME
from tests.kit.trees import assert_same_tree
from tests.kit.webhost import cutting, web_host

SIZE = 6 << 20
# Eight answers for a whole range: more than one request may have failures.
CUT = 512 << 10


def test_an_install_through_it_finishes_and_no_byte_comes_twice(isolated: Path, tmp_path: Path) -> None:
    """R-6.5-5."""
    source, store, target = tmp_path / "source", tmp_path / "store", tmp_path / "game"
    write_tree(source, {"big.pak": Entry(noise(SIZE, 1))})
    assert lading("publish", str(source), GAME, "--store", str(store)).exit == 0
    with web_host(store) as host:
        for path in store.rglob("*"):
            host.misbehave(path.relative_to(store).as_posix(), cutting(CUT))
        done = lading("install", GAME, "--into", str(target), "--store", host.url, "--json")
    assert done.exit == 0, done.stdout
    assert_same_tree(target, source)

    spans = sorted(
        (request.key, int(span[1]), int(span[2]) + 1)
        for request in host.requests
        if (span := re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", "")))
    )
    sent = [(key, first, min(first + CUT, end)) for key, first, end in spans]
    assert all(before[0] != after[0] or before[2] <= after[1] for before, after in pairwise(sent))
    actual = done.document["receipt"]["actual"]
    assert sum(end - first for _, first, end in sent) == actual["download_bytes"]
    assert actual["retried_requests"] > 6
