"""The law of one byte: whatever is changed in what players read is refused by name, or changes nothing that was signed.

Never a traceback, never half a tree, and once the byte is right again the same player goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkstore.errors import LadingError
from chunkstore.store import Fetched, ObjectReader
from manifest.keys import metadata_key, timestamp_key
from manifest.trust.contact import Contact
from manifest.trust.guard import check
from manifest.trust.roles import ROOT, TIMESTAMP, Binding
from tests.attacks.trust.scene import INSTALLED, NEWEST, PinnedPlayer, Scene, tree
from tests.kit.forge import compact, overwrite
from tests.kit.rig import GAME, snapshot
from tests.kit.signed import games_of

Change: TypeAlias = tuple[str, int, int]
"""What is done, at which byte (counted round and round), and with which other."""

CHANGES: Mapping[str, Callable[[bytes, int, int], bytes]] = {
    "flip": lambda data, at, byte: data[:at] + bytes([data[at] ^ (byte or 1)]) + data[at + 1 :],
    "insert": lambda data, at, byte: data[:at] + bytes([byte]) + data[at:],
    "delete": lambda data, at, byte: data[:at] + data[at + 1 :],
    "truncate": lambda data, at, byte: data[:at],
}

changes = st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(0, 1 << 20), st.integers(0, 255))


class _Listening:
    """A store that remembers what was found in it."""

    def __init__(self, store: ObjectReader) -> None:
        self._store = store
        self.url, self.stat, self.close = store.url, store.stat, store.close
        self.keys: set[str] = set()

    def get(self, key: str, *, limit: int) -> Fetched:
        found = self._store.get(key, limit=limit)
        self.keys.add(key)
        return found

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        self.keys.add(key)
        return self._store.get_range(key, offset, length)


def keys_read(scene: Scene, name: str) -> list[str]:
    """What such a player reads on the way to the newest build."""
    listening = scene.served = _Listening(scene.store)
    with scene.copy_of(name) as player:
        assert player.install().build.number == NEWEST
    scene.served = scene.store
    return sorted(listening.keys)


@pytest.mark.parametrize("bundled", [True, False], ids=["bundled", "single files"])
@pytest.mark.parametrize("name", ["installed", "newcomer"])
def test_one_byte_of_anything_that_is_read(shared: Scene, name: str, bundled: bool) -> None:
    if not bundled:
        for key in [key for key in shared.good if key.endswith(".bundle")]:
            shared.store.delete(key)
    keys = keys_read(shared, name)
    assert name == "newcomer" or any("/diffs/" in key for key in keys)
    before = tree(INSTALLED) if name == "installed" else {}

    @settings(max_examples=7)
    @given(changes)
    def law(change: Change) -> None:
        for key in keys:
            with shared.copy_of(name) as player:
                untouched = snapshot(player.root)
                overwrite(shared.store, key, changed(shared.good[key], change))
                if tried(player):
                    assert player.tree() == tree(NEWEST), key
                else:
                    assert player.tree() == before, key
                    assert snapshot(player.root) == untouched, key
                overwrite(shared.store, key, shared.good[key])
                assert tried(player), key
                assert player.tree() == tree(NEWEST), key

    try:
        law()
    finally:
        shared.restore()


def changed(data: bytes, change: Change) -> bytes:
    """The data with one byte changed."""
    how, at, byte = change
    return CHANGES[how](data, at % len(data), byte)


def tried(player: PinnedPlayer) -> bool:
    """Whether the player came to the newest build; otherwise that was refused by name."""
    try:
        return player.install().build.number == NEWEST
    except LadingError:
        return False


@pytest.fixture(scope="module")
def tight(shared: Scene) -> Scene:
    """The same with no signature to spare: each that is spoilt is one too few."""
    key = metadata_key(GAME, ROOT, 2)
    before, root = (json.loads(shared.good[each]) for each in (metadata_key(GAME, ROOT, 1), key))
    needed = {keyid for each in (before, root) for keyid in each["signed"]["roles"][ROOT]["keyids"][:2]}
    root["signatures"] = [signature for signature in root["signatures"] if signature["keyid"] in needed]
    overwrite(shared.store, key, compact(root))
    shared.settle()
    return shared


@pytest.mark.parametrize(
    ("role", "key", "how"),
    [
        (TIMESTAMP, timestamp_key(GAME), "flip"),
        (TIMESTAMP, timestamp_key(GAME), "delete"),
        (ROOT, metadata_key(GAME, ROOT, 2), "flip"),
    ],
)
def test_every_byte(tight: Scene, role: str, key: str, how: str) -> None:
    """Of the two files that players read unasked: the pointer, and the root that hands over to new keys."""
    data = tight.good[key]
    try:
        with tight.copy_of("installed") as player:
            for at in range(len(data)):
                assert not accepted(tight, player, role, key, CHANGES[how](data, at, 1)), at
    finally:
        overwrite(tight.store, key, data)


def accepted(scene: Scene, player: PinnedPlayer, role: str, key: str, data: bytes) -> bool:
    """Whether the player takes these bytes for metadata."""
    try:
        check(role, data, Binding("", GAME), key)  # as is asked of every file that arrives
        overwrite(scene.store, key, data)
        games_of(scene.store, player.state, scene.clock, Contact(recorded=scene.pin)).game(GAME)
    except LadingError:
        return False
    return True
