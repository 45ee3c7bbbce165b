"""The registry over a bare store: what is put is got, under its id and nothing else, and publishing mends damage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.columns import NewerFormat
from chunkstore.compression import BadCompression, compress
from chunkstore.errors import Corrupt, LadingError
from chunkstore.ids import digest_of
from chunkstore.store import Conflict, KeyMissing, ObjectTooLarge
from chunkstore.stores.memory import MemoryStore
from manifest.bare import BareRegistry, WrongPayload
from manifest.documents import BadDocument, Build, DepotRef
from manifest.heads import MAX_HEAD, BadHead, DiffRef, Head, encode_head
from manifest.keys import STORE, candidate_key, candidates_prefix, head_key, manifest_key, note_key, pack_key
from manifest.payload import MAX_PAYLOAD, encode_manifest
from manifest.registry import MAX_CANDIDATE, MAX_NOTES
from manifest.store_document import NewerStore, NotAStore, init_store, is_store
from manifest.trust.keyplan import KeyPlan
from tests.kit.builds import SAMPLE_TREE, pack_build
from tests.kit.clock import FakeClock
from tests.kit.game import noise
from tests.kit.signed import registry_of

BUILD = pack_build(SAMPLE_TREE)
PAYLOAD = encode_manifest(BUILD.manifest)
NAME = digest_of(PAYLOAD).hex()
KEY = manifest_key("s", NAME)
HEAD = Head(bytes(32), 100)
REGISTRY_ID = bytes(range(32))


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore(FakeClock())
    init_store(made, REGISTRY_ID)
    return made


def registry_over(store: Any) -> BareRegistry:
    """Nothing here reads what a machine knows of a game."""
    return registry_of(store, Path("nowhere"), FakeClock())


@pytest.fixture
def registry(store: MemoryStore) -> BareRegistry:
    return registry_over(store)


def overwrite(store: MemoryStore, key: str, data: bytes) -> None:
    store.delete(key)
    store.put(key, data)


VERBS: list[tuple[str, str]] = [("put_manifest", "manifest"), ("put_placement", "placement"), ("put_diff", "diff")]


@pytest.mark.parametrize(("put", "get"), VERBS)
def test_a_payload_that_is_put_is_got_under_its_id(registry: BareRegistry, put: str, get: str) -> None:
    name = getattr(registry, put)("s", PAYLOAD)
    assert name == NAME
    assert getattr(registry, get)("s", name, len(PAYLOAD)) == PAYLOAD
    with pytest.raises(KeyMissing):
        getattr(registry, get)("other", name, len(PAYLOAD))


@pytest.mark.parametrize(("put", "get"), VERBS)
def test_kinds_do_not_answer_for_one_another(registry: BareRegistry, put: str, get: str) -> None:
    getattr(registry, put)("s", PAYLOAD)
    for _, other in VERBS:
        if other != get:
            with pytest.raises(KeyMissing):
                getattr(registry, other)("s", NAME, len(PAYLOAD))


WRONG: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "another payload": lambda: compress(noise(len(PAYLOAD), 1)),
    "a shorter payload": lambda: compress(PAYLOAD[:-1]),
    "a longer payload": lambda: compress(PAYLOAD + b"x"),
    "the payload without a container": lambda: PAYLOAD,
    "a container cut short": lambda: compress(PAYLOAD)[:-1],
    "a byte behind the container": lambda: compress(PAYLOAD) + b"x",
    "a web page": lambda: b"<!doctype html><title>404</title>",
    "a bomb": lambda: compress(bytes(50_000_000)),
    "an endless object": lambda: bytes(len(PAYLOAD) + 5000),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_whatever_else_lies_there_is_damage_at_its_place(
    store: MemoryStore, registry: BareRegistry, make: Callable[[], bytes]
) -> None:
    store.put(KEY, make())
    with pytest.raises(Corrupt) as caught:
        registry.manifest("s", NAME, len(PAYLOAD))
    assert isinstance(caught.value, (WrongPayload, BadCompression, ObjectTooLarge))
    assert caught.value.where == KEY


@given(st.data())
def test_a_changed_byte_is_always_refused_or_harmless(draw: st.DataObject) -> None:
    """Of the payload it is refused; in the container it can be a byte that means nothing, and then nothing changed."""
    packed = bytearray(compress(PAYLOAD))
    packed[draw.draw(st.integers(0, len(packed) - 1))] ^= draw.draw(st.integers(1, 255))
    store = MemoryStore(FakeClock())
    store.put(KEY, bytes(packed))
    changed = bytearray(PAYLOAD)
    changed[draw.draw(st.integers(0, len(changed) - 1))] ^= draw.draw(st.integers(1, 255))
    store.put(manifest_key("other", NAME), compress(bytes(changed)))
    with suppress(Corrupt):
        assert registry_over(store).manifest("s", NAME, len(PAYLOAD)) == PAYLOAD
    with pytest.raises(WrongPayload):
        registry_over(store).manifest("other", NAME, len(PAYLOAD))


@pytest.mark.parametrize("size", [0, len(PAYLOAD) - 1, len(PAYLOAD) + 1])
def test_another_size_than_the_document_says_is_refused(registry: BareRegistry, size: int) -> None:
    registry.put_manifest("s", PAYLOAD)
    with pytest.raises((WrongPayload, BadCompression, ObjectTooLarge)):
        registry.manifest("s", NAME, size)


def test_a_size_beyond_all_manifests_is_refused_before_anything_is_asked(registry: BareRegistry) -> None:
    """A document may say 2 to the 53rd bytes; no memory is made ready for them."""
    with pytest.raises(WrongPayload):
        registry.manifest("s", NAME, MAX_PAYLOAD + 1)


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_publishing_again_mends_what_is_damaged(
    store: MemoryStore, registry: BareRegistry, make: Callable[[], bytes]
) -> None:
    store.put(KEY, make())
    assert registry.put_manifest("s", PAYLOAD) == NAME
    assert registry.manifest("s", NAME, len(PAYLOAD)) == PAYLOAD


def test_publishing_again_leaves_alone_what_is_sound(store: MemoryStore, registry: BareRegistry) -> None:
    """Another version's encoder made other bytes of the same payload."""
    container = compress(PAYLOAD, 1)
    store.put(KEY, container)
    registry.put_manifest("s", PAYLOAD)
    assert store.get(KEY, limit=1 << 20).data == container


def test_notes(store: MemoryStore, registry: BareRegistry) -> None:
    text = "Зима ❄\n" * 300
    name = registry.put_notes("s", text)
    assert registry.notes("s", name) == text
    overwrite(store, note_key("s", name), b"spoiled")
    with pytest.raises(WrongPayload) as caught:
        registry.notes("s", name)
    assert caught.value.where == note_key("s", name)
    assert registry.put_notes("s", text) == name
    assert registry.notes("s", name) == text


def test_notes_that_no_reader_takes_are_not_written(store: MemoryStore, registry: BareRegistry) -> None:
    registry.put_notes("s", "x" * MAX_NOTES)
    with pytest.raises(ValueError, match="longer than any reader takes"):
        registry.put_notes("s", "x" * (MAX_NOTES + 1))


def test_packs(registry: BareRegistry) -> None:
    for pack, data in BUILD.packs.items():
        registry.put_pack("s", pack.hex(), data)
    assert registry.packs("s") == {pack.hex(): len(data) for pack, data in BUILD.packs.items()}
    assert registry.packs("other") == {}
    pack, data = next(iter(BUILD.packs.items()))
    assert registry.pack_range("s", pack.hex(), 3, 20) == data[3:23]
    index = registry.pack_index("s", pack.hex())
    assert {name.tobytes() for name in index.ids} <= BUILD.places.keys()
    with pytest.raises(KeyMissing):
        registry.pack_index("s", "ab" * 32)


def test_a_head_changes_from_what_is_there(registry: BareRegistry) -> None:
    with pytest.raises(KeyMissing):
        registry.head("s", NAME)
    registry.change_head("s", NAME, lambda before: HEAD if before is None else before)
    assert registry.head("s", NAME) == HEAD
    ref = DiffRef(bytes(32), 1, bytes(32), 5)
    registry.change_head("s", NAME, lambda before: before.with_diff(ref) if before else HEAD)
    assert registry.head("s", NAME) == HEAD.with_diff(ref)


def test_nothing_is_written_where_nothing_changes(registry: BareRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.change_head("s", NAME, lambda _: HEAD)
    monkeypatch.delattr(MemoryStore, "replace")
    registry.change_head("s", NAME, lambda before: before or HEAD)


def test_who_loses_the_race_for_a_head_tries_again_on_what_won(registry: BareRegistry) -> None:
    refs = [DiffRef(bytes((number,)) * 32, number, bytes(32), 5) for number in range(5)]
    registry.change_head("s", NAME, lambda _: HEAD)

    def add(number: int) -> Callable[[Head | None], Head]:
        def change(before: Head | None) -> Head:
            if number and refs[number - 1] not in (before or HEAD).diffs:
                registry.change_head("s", NAME, add(number - 1))
            return (before or HEAD).with_diff(refs[number])

        return change

    registry.change_head("s", NAME, add(4))
    assert set(registry.head("s", NAME).diffs) == set(refs)


def test_a_race_that_never_ends_is_a_conflict(store: MemoryStore, registry: BareRegistry) -> None:
    rounds = 0

    def always_late(before: Head | None) -> Head:
        nonlocal rounds
        rounds += 1
        overwrite(store, head_key("s", NAME), encode_head(Head(bytes(32), rounds)))
        return Head(bytes(32), rounds + 1000)

    with pytest.raises(Conflict):
        registry.change_head("s", NAME, always_late)
    assert 1 < rounds < 100


@pytest.mark.parametrize("data", [b"", b"<html>", encode_head(HEAD)[:-1], bytes(MAX_HEAD + 1)])
def test_a_damaged_head_is_named_and_publishing_replaces_it(
    store: MemoryStore, registry: BareRegistry, data: bytes
) -> None:
    store.put(head_key("s", NAME), data)
    with pytest.raises((BadHead, ObjectTooLarge)) as caught:
        registry.head("s", NAME)
    assert caught.value.where == head_key("s", NAME)
    registry.change_head("s", NAME, lambda before: HEAD if before is None else before)
    assert registry.head("s", NAME) == HEAD


def test_a_newer_head_is_not_taken_for_damage(store: MemoryStore, registry: BareRegistry) -> None:
    newer = encode_head(HEAD).replace(b"\xa1v\x01", b"\xa1v\x02")
    store.put(head_key("s", NAME), newer)
    with pytest.raises(NewerFormat):
        registry.change_head("s", NAME, lambda _: HEAD)
    assert store.get(head_key("s", NAME), limit=MAX_HEAD).data == newer


def test_games_go_through(store: MemoryStore, tmp_path: Path) -> None:
    registry = registry_of(store, tmp_path, FakeClock())
    made = registry.create("game", "s", KeyPlan())
    build = Build(1, "1.0", {"main": DepotRef("ab" * 32, 10, 1, 1, 5)}, 1000)
    state = registry.commit(made, replace(made, builds={1: build}), lambda: None)
    assert registry.game("game") == state
    assert registry.games() == ["game"]
    assert registry.neighbours("s") == ["game"]
    assert registry.neighbours("game") == []
    assert registry.url == "memory:"


def test_candidates_are_sealed_once(registry: BareRegistry) -> None:
    assert registry.candidates("game") == []
    assert registry.seal("game", 10, b"ten")
    assert registry.seal("game", 9, b"nine")
    assert not registry.seal("game", 10, b"another ten")
    assert registry.candidates("game") == [9, 10]
    assert registry.candidate("game", 10) == b"ten"
    with pytest.raises(KeyMissing):
        registry.candidate("game", 11)
    assert registry.candidates("other") == []


def test_a_candidate_beyond_the_limit_is_not_read(store: MemoryStore, registry: BareRegistry) -> None:
    store.put(candidate_key("game", 1), bytes(MAX_CANDIDATE + 1))
    store.put(f"{candidates_prefix('game')}x", b"no number")
    with pytest.raises(ObjectTooLarge):
        registry.candidate("game", 1)
    assert registry.candidates("game") == [1]


def test_a_store_says_what_it_is(store: MemoryStore) -> None:
    assert is_store(store)
    assert registry_over(store).registry_id == REGISTRY_ID.hex()
    assert not init_store(store, bytes(32))
    assert registry_over(store).registry_id == REGISTRY_ID.hex()


def test_a_folder_that_is_none() -> None:
    other = MemoryStore(FakeClock())
    other.put(pack_key("s", NAME), b"x")
    assert not is_store(other)
    with pytest.raises(NotAStore) as caught:
        _ = registry_over(other).registry_id
    assert caught.value.where == "memory:"


DOCUMENTS: list[tuple[bytes, type[LadingError]]] = [
    (b'{"format":2,"registry":"' + b"ab" * 32 + b'"}', NewerStore),
    (b'{"format":99,"else":"entirely"}', NewerStore),
    (b'{"format":1}', BadDocument),
    (b'{"format":1,"registry":"../x"}', BadDocument),
    (b'{"format":1,"registry":7}', BadDocument),
    (b'{"format":"1","registry":"' + b"ab" * 32 + b'"}', BadDocument),
    (b'{"format":true,"registry":"' + b"ab" * 32 + b'"}', BadDocument),
    (b'{"format":-1,"registry":"' + b"ab" * 32 + b'"}', BadDocument),
    (b"<!doctype html><title>404</title>", BadDocument),
    (b"", BadDocument),
    (bytes(5000), ObjectTooLarge),
]


@pytest.mark.parametrize(("data", "error"), DOCUMENTS)
def test_a_document_of_something_else(store: MemoryStore, data: bytes, error: type[LadingError]) -> None:
    overwrite(store, STORE, data)
    with pytest.raises(error) as caught:
        is_store(store)
    assert caught.value.where.startswith("memory:") or caught.value.where == STORE
    with pytest.raises(error):
        _ = registry_over(store).registry_id


def test_what_is_asked_for_before_it_is_known(store: MemoryStore) -> None:
    """Opening a registry asks for nothing; the first question about it asks once."""
    asked: list[str] = []

    class Counting(MemoryStore):
        def get(self, key: str, *, limit: int) -> Any:
            asked.append(key)
            return store.get(key, limit=limit)

    reader = registry_over(Counting(FakeClock()))
    assert asked == []
    assert reader.registry_id == reader.registry_id
    assert asked == [STORE]
