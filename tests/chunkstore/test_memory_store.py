"""The memory store keeps the port's promises; a random walk shows that the folder store behaves as it does."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chunkstore.errors import LadingError
from chunkstore.store import KeyMissing, ObjectStore
from chunkstore.stores.folder import FolderStore
from chunkstore.stores.memory import MemoryStore
from tests.conformance.object_store import ANY_LIMIT, Medium, ObjectStoreSuite
from tests.kit.clock import FakeClock


class TestMemoryStore(ObjectStoreSuite):
    @pytest.fixture
    def medium(self) -> Medium:
        store = MemoryStore(FakeClock())

        def read(key: str) -> bytes | None:
            found = store._objects.get(key)
            return found.data if found else None

        return Medium(open=lambda: store, write=lambda key, data: assert_put(store, key, data), read=read)


def assert_put(store: ObjectStore, key: str, data: bytes) -> None:
    assert store.put(key, data)


KEYS = st.sampled_from(["a", "b/a", "b/b", "b-a", "c/d/e", "c/d/f", "c/g"])
BODIES = st.binary(max_size=40)


def outcome(store: ObjectStore, verb: str, *args: object, **named: object) -> object:
    """What a caller sees: the value, or the class of the error."""
    try:
        return getattr(store, verb)(*args, **named)
    except LadingError as error:
        return type(error)


class FolderAgainstMemory(RuleBasedStateMachine):
    """The same calls on both; every answer must be equal, and so must what is left."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.stores: list[ObjectStore] = [FolderStore(Path(self.folder.name)), MemoryStore(FakeClock(time.time()))]

    def both(self, verb: str, *args: object, **named: object) -> object:
        real, model = (outcome(store, verb, *args, **named) for store in self.stores)
        assert real == model
        return model

    @rule(key=KEYS, data=BODIES)
    def put(self, key: str, data: bytes) -> None:
        self.both("put", key, data)

    @rule(key=KEYS, data=BODIES, current=st.booleans())
    def replace(self, key: str, data: bytes, current: bool) -> None:
        try:
            tag = self.stores[1].stat(key).etag
        except KeyMissing:
            tag = "0" * 64
        self.both("replace", key, data, match=tag if current else None)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.both("delete", key)

    @rule(key=KEYS, limit=st.integers(0, 45))
    def get(self, key: str, limit: int) -> None:
        self.both("get", key, limit=limit)

    @rule(key=KEYS, offset=st.integers(0, 45), length=st.integers(1, 45))
    def get_range(self, key: str, offset: int, length: int) -> None:
        self.both("get_range", key, offset, length)

    @rule()
    def reopen(self) -> None:
        self.stores[0] = FolderStore(Path(self.folder.name))

    @rule(prefix=st.sampled_from(["", "b", "b/", "b-", "c/", "c/d", "c/d/", "x/"]))
    def list_some(self, prefix: str) -> None:
        real, model = ([(entry.key, entry.size) for entry in store.list(prefix)] for store in self.stores)
        assert real == model

    @invariant()
    def hold_the_same(self) -> None:
        real, model = (
            {entry.key: store.get(entry.key, limit=ANY_LIMIT) for entry in store.list("")} for store in self.stores
        )
        assert real == model

    def teardown(self) -> None:
        self.folder.cleanup()


TestFolderAgainstMemory = FolderAgainstMemory.TestCase
TestFolderAgainstMemory.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
