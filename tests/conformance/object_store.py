"""The `ObjectStore` port as tests. An adapter joins by a class with the `medium` fixture.

`ObjectReaderSuite` holds what a store that can only be read must do, `ObjectStoreSuite` the rest. The medium gives raw
access beside the port, so that what is put and what is got are never each other's only witness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Barrier
from typing import TypeVar

import pytest

from chunkstore.ids import digest_of
from chunkstore.store import Conflict, KeyMissing, ObjectStore, ObjectTooLarge, ShortObject

_T = TypeVar("_T")

ANY_LIMIT = 1 << 30
BAD_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    "a b",
    "a\\b",
    "ä",
    "a\n",
    "c:d",
    "x" * 256,
    "a/" * 500,
]


@dataclass(frozen=True)
class Medium:
    """What an adapter's store stands on. `open` makes one more store over the same objects, like a second process."""

    open: Callable[[], ObjectStore]
    write: Callable[[str, bytes], None]
    read: Callable[[str], bytes | None]


def at_once(count: int, work: Callable[[int], _T]) -> list[_T]:
    """The results of `work(0)` … `work(count - 1)`, all started at the same moment."""
    barrier = Barrier(count)

    def run(number: int) -> _T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def _put(stores: list[ObjectStore], key: str, bodies: list[bytes], number: int) -> bool:
    return stores[number].put(key, bodies[number])


class ObjectReaderSuite:
    """Every adapter."""

    @pytest.fixture
    def medium(self) -> Medium:
        raise NotImplementedError("an adapter's class gives its medium")

    @pytest.fixture
    def store(self, medium: Medium) -> Iterator[ObjectStore]:
        store = medium.open()
        yield store
        store.close()

    def test_get_gives_the_bytes_that_lie_there(self, medium: Medium, store: ObjectStore) -> None:
        data = bytes(range(256)) * 5
        medium.write("s/g/packs/ab/one", data)
        assert store.get("s/g/packs/ab/one", limit=len(data)).data == data

    def test_get_beyond_the_limit_is_refused(self, medium: Medium, store: ObjectStore) -> None:
        medium.write("k", b"12345")
        with pytest.raises(ObjectTooLarge):
            store.get("k", limit=4)

    def test_an_empty_object_is_an_object(self, medium: Medium, store: ObjectStore) -> None:
        medium.write("empty", b"")
        assert store.get("empty", limit=0).data == b""
        assert store.stat("empty").size == 0
        with pytest.raises(ShortObject):
            store.get_range("empty", 0, 1)

    @pytest.mark.parametrize(("offset", "length"), [(0, 1), (0, 10), (3, 4), (9, 1), (1, 9)])
    def test_a_range_is_exact(self, medium: Medium, store: ObjectStore, offset: int, length: int) -> None:
        medium.write("k", b"0123456789")
        assert store.get_range("k", offset, length) == b"0123456789"[offset : offset + length]

    @pytest.mark.parametrize(("offset", "length"), [(0, 11), (9, 2), (10, 1), (1000, 1)])
    def test_a_range_past_the_end_is_short(self, medium: Medium, store: ObjectStore, offset: int, length: int) -> None:
        medium.write("k", b"0123456789")
        with pytest.raises(ShortObject):
            store.get_range("k", offset, length)

    @pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 0), (0, -1)])
    def test_no_range_is_misuse(self, medium: Medium, store: ObjectStore, offset: int, length: int) -> None:
        medium.write("k", b"0123456789")
        with pytest.raises(ValueError, match="not a range"):
            store.get_range("k", offset, length)

    def test_a_range_of_megabytes(self, medium: Medium, store: ObjectStore) -> None:
        data = bytes(range(251)) * 12_000
        medium.write("pack", data)
        assert store.get_range("pack", 1, len(data) - 2) == data[1:-1]

    def test_absent_is_missing_and_nothing_else(self, medium: Medium, store: ObjectStore) -> None:
        medium.write("a/b", b"x")
        for key in ("b", "a/c", "a/b.json", "z/z/z"):
            with pytest.raises(KeyMissing):
                store.get(key, limit=ANY_LIMIT)
            with pytest.raises(KeyMissing):
                store.get_range(key, 0, 1)
            with pytest.raises(KeyMissing):
                store.stat(key)

    def test_stat_and_get_agree(self, medium: Medium, store: ObjectStore) -> None:
        medium.write("k", b"abc")
        found = store.stat("k")
        assert found.size == 3
        assert found.etag == store.get("k", limit=ANY_LIMIT).etag
        assert found.modified > 1_600_000_000

    def test_the_tag_follows_the_bytes(self, medium: Medium, store: ObjectStore) -> None:
        medium.write("one", b"abc")
        medium.write("two", b"abd")
        assert store.get("one", limit=9).etag != store.get("two", limit=9).etag

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_bad_keys_are_misuse(self, store: ObjectStore, key: str) -> None:
        for use in (lambda: store.get(key, limit=1), lambda: store.get_range(key, 0, 1), lambda: store.stat(key)):
            with pytest.raises(ValueError, match="not an object key"):
                use()

    def test_many_threads_read_their_own_ranges(self, medium: Medium, store: ObjectStore) -> None:
        data = b"".join(number.to_bytes(4, "big") for number in range(20_000))
        medium.write("pack", data)

        def read(thread: int) -> bool:
            spans = [(offset, 401) for offset in range(thread * 100, 60_000, 4_999)]
            return all(store.get_range("pack", start, size) == data[start : start + size] for start, size in spans)

        assert all(at_once(8, read))

    def test_it_says_where_it_is(self, store: ObjectStore) -> None:
        assert ":" in store.url


class ObjectStoreSuite(ObjectReaderSuite):
    """Adapters that can also write."""

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_put_stores_the_bytes(self, medium: Medium, store: ObjectStore, kind: type) -> None:
        data = bytes(range(256)) * 9
        assert store.put("s/g/packs/cd/two", kind(data)) is True
        assert medium.read("s/g/packs/cd/two") == data

    def test_put_of_nothing(self, medium: Medium, store: ObjectStore) -> None:
        assert store.put("empty", b"") is True
        assert medium.read("empty") == b""

    def test_put_leaves_what_is_there(self, medium: Medium, store: ObjectStore) -> None:
        medium.write("k", b"first")
        assert store.put("k", b"second") is False
        assert medium.read("k") == b"first"

    def test_another_store_sees_what_was_put(self, medium: Medium, store: ObjectStore) -> None:
        store.put("a/b/c", b"abc")
        other = medium.open()
        assert other.get("a/b/c", limit=3).data == b"abc"
        assert [entry.key for entry in other.list("")] == ["a/b/c"]
        other.close()

    def test_of_racing_puts_one_wins_whole(self, medium: Medium) -> None:
        stores = [medium.open() for _ in range(8)]
        for turn in range(10):
            bodies = [bytes([number]) * 70_000 for number in range(8)]
            key = f"new/folder{turn}/k"
            created = at_once(8, partial(_put, stores, key, bodies))
            assert created.count(True) == 1
            assert medium.read(key) == bodies[created.index(True)]

    def test_replace_of_the_expected(self, medium: Medium, store: ObjectStore) -> None:
        first = store.replace("heads/k", b"one", match=None)
        assert store.get("heads/k", limit=9).etag == first
        second = store.replace("heads/k", bytearray(b"two"), match=first)
        assert second != first
        assert store.stat("heads/k").etag == second
        assert medium.read("heads/k") == b"two"

    def test_replace_of_the_unexpected_changes_nothing(self, medium: Medium, store: ObjectStore) -> None:
        tag = store.replace("k", b"one", match=None)
        for match in (None, digest_of(b"other").hex()):
            with pytest.raises(Conflict):
                store.replace("k", b"two", match=match)
        with pytest.raises(Conflict):
            store.replace("absent", b"two", match=tag)
        assert medium.read("k") == b"one"
        assert medium.read("absent") is None

    def test_replace_goes_on_from_put(self, medium: Medium, store: ObjectStore) -> None:
        store.put("k", b"one")
        store.replace("k", b"two", match=store.get("k", limit=9).etag)
        assert medium.read("k") == b"two"

    @pytest.mark.parametrize("present", [True, False])
    def test_of_racing_replaces_one_wins(self, medium: Medium, present: bool) -> None:
        stores = [medium.open() for _ in range(8)]
        match = stores[0].replace("k", b"start", match=None) if present else None

        def race(number: int) -> bool:
            try:
                stores[number].replace("k", bytes([number]) * 999, match=match)
            except Conflict:
                return False
            return True

        won = at_once(8, race)
        assert won.count(True) == 1
        assert medium.read("k") == bytes([won.index(True)]) * 999

    def test_readers_see_whole_objects_while_they_change(self, medium: Medium) -> None:
        stores = [medium.open() for _ in range(4)]
        tag = stores[0].replace("k", b"\0" * 20_000, match=None)

        def use(number: int) -> bool:
            if number:
                return all(len(set(stores[number].get("k", limit=20_000).data)) == 1 for _ in range(100))
            last = tag
            for value in range(1, 30):
                last = stores[0].replace("k", bytes([value]) * (20_000 - value), match=last)
            return True

        assert all(at_once(4, use))

    def test_delete_twice(self, medium: Medium, store: ObjectStore) -> None:
        medium.write("a/k", b"x")
        medium.write("a/l", b"y")
        store.delete("a/k")
        store.delete("a/k")
        store.delete("never/was")
        assert medium.read("a/k") is None
        assert [entry.key for entry in store.list("")] == ["a/l"]
        assert store.put("a/k", b"again") is True

    def test_list_is_in_key_order(self, medium: Medium, store: ObjectStore) -> None:
        keys = ["a-b", "a.b", "a/b", "a/b-", "a0", "aa/z", "B/1", "b/1/2", "b/1-2", "b/10"]
        for number, key in enumerate(keys):
            medium.write(key, b"." * number)
        found = list(store.list(""))
        assert [entry.key for entry in found] == sorted(keys)
        assert {entry.key: entry.size for entry in found} == {key: number for number, key in enumerate(keys)}
        assert all(entry.modified > 1_600_000_000 for entry in found)

    @pytest.mark.parametrize(
        ("prefix", "keys"),
        [
            ("p/", ["p/aa", "p/ab", "p/b/c"]),
            ("p/a", ["p/aa", "p/ab"]),
            ("p/b", ["p/b/c"]),
            ("p/b/", ["p/b/c"]),
            ("p/b/c", ["p/b/c"]),
            ("p", ["p/aa", "p/ab", "p/b/c", "pp"]),
            ("q", []),
            ("q/r/s", []),
        ],
    )
    def test_list_of_a_prefix(self, medium: Medium, store: ObjectStore, prefix: str, keys: list[str]) -> None:
        for key in ("o", "p/aa", "p/ab", "p/b/c", "pp"):
            medium.write(key, b"x")
        assert [entry.key for entry in store.list(prefix)] == keys

    def test_list_of_more_than_a_page(self, medium: Medium, store: ObjectStore) -> None:
        """2,500 objects are three pages of S3."""
        keys = [f"packs/{number % 7:02d}/{number:05d}" for number in range(2_500)]
        for key in keys:
            medium.write(key, b"")
        assert [entry.key for entry in store.list("packs/")] == sorted(keys)

    def test_a_fresh_store_is_empty(self, store: ObjectStore) -> None:
        assert list(store.list("")) == []
        with pytest.raises(KeyMissing):
            store.get("lading.json", limit=100)

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_bad_keys_are_not_written(self, store: ObjectStore, key: str) -> None:
        for use in (
            lambda: store.put(key, b""),
            lambda: store.replace(key, b"", match=None),
            lambda: store.delete(key),
        ):
            with pytest.raises(ValueError, match="not an object key"):
                use()
        assert list(store.list("")) == []
