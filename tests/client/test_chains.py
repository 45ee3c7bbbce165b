"""Small stays small: from any kept manifest to the newest by diffs alone, one diff from the newest sixteen."""

from __future__ import annotations

from pathlib import Path

import pytest

from chunkstore.store import Fetched, ObjectStore
from chunkstore.wrappers.forward import ForwardingStore
from client.resolve import MAX_HOPS
from publisher.diffs import DIFF_DEPTH
from tests.kit.game import Entry, noise
from tests.kit.rig import GAME, Player, Rig

STATE = 3
"""Requests that tell which build is wanted: the timestamp, whether there is a new root, the bundle."""

NOTHING_NEW = 1
"""Requests that tell the same as before: the timestamp."""

HOP = 2
"""Requests for one diff: the head that names it, and itself."""


class KeysSeen(ForwardingStore):
    """Remembers which objects were asked for whole."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.kinds: list[str] = []

    def get(self, key: str, *, limit: int) -> Fetched:
        self.kinds.append(key.split("/")[2] if key.startswith("s/") else "state")
        return super().get(key, limit=limit)


PIECES = 400


def tree_of(step: int) -> dict[str, Entry]:
    """A game in which every step changes one piece of many, and every ninth step takes back the last three."""
    if step % 9 == 0:
        return tree_of(step - 3)
    changed = [max(0, step - (step - n) % PIECES) for n in range(PIECES)]
    pieces = [noise(300, n, last) for n, last in enumerate(changed)]
    return {f"data/{n}.pak": Entry(b"".join(pieces[n::3])) for n in range(3)}


@pytest.mark.parametrize("steps", [40, 45], ids=["new content", "content that returns"])
def test_every_kept_manifest_reaches_the_newest(tmp_path: Path, steps: int) -> None:
    """Formats: one diff from each of the 16 newest distinct manifests, and in all at most 8 from any kept one."""
    rig = Rig(tmp_path)
    store = KeysSeen(rig.store)
    players: dict[int, Player] = {}
    for step in range(1, steps):
        build = rig.publish(tree_of(step)).number
        players[build] = rig.player(f"from {build}", store)
        players[build].install()
    newest = rig.publish(tree_of(steps)).number
    earlier = rig.registry().whole(GAME).newest_manifests("main")[1:]
    assert len(earlier) > 2 * DIFF_DEPTH
    for distance, (build, _) in enumerate(earlier, 1):
        player = players[build]
        store.kinds.clear()
        player.update()
        assert player.tree() == tree_of(newest)
        hops = store.kinds.count("diffs")
        assert hops == 1 if distance <= DIFF_DEPTH else 1 <= hops <= MAX_HOPS
        assert sorted(store.kinds) == sorted(["state"] * STATE + ["heads", "diffs"] * hops)
        assert player.metadata.requests == STATE + HOP * hops


def test_going_back_is_one_diff(tmp_path: Path) -> None:
    """The manifest before the newest is reached by a diff, too: for a rollback."""
    rig = Rig(tmp_path)
    builds = [rig.publish(tree_of(step)).number for step in range(1, 5)]
    player = rig.player()
    player.install()
    player.update(build=builds[-2])
    assert player.tree() == tree_of(3)
    assert player.metadata.requests == NOTHING_NEW + HOP


@pytest.mark.parametrize("spoil", ["damage", "lose"])
def test_a_diff_that_cannot_be_used_costs_the_whole_manifest(tmp_path: Path, spoil: str) -> None:
    """Damage on the short way is no reason to fail while there is a long one."""
    rig = Rig(tmp_path)
    first = rig.publish(tree_of(1)).number
    rig.publish(tree_of(2))
    store = KeysSeen(rig.store)
    player = rig.player(store=store)
    player.install(build=first)
    for entry in list(rig.store.list(f"s/{GAME}/diffs/")):
        found = rig.store.get(entry.key, limit=1 << 20)
        rig.store.delete(entry.key)
        if spoil == "damage":
            rig.store.put(entry.key, found.data[:-1] + b"?")
    store.kinds.clear()
    player.update()
    assert player.tree() == tree_of(2)
    assert store.kinds.count("manifests") == 1
