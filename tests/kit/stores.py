"""All that a store holds, and another store that holds the same."""

from __future__ import annotations

from pathlib import Path

from chunkstore.clock import Clock
from chunkstore.store import ObjectStore
from chunkstore.stores.memory import MemoryStore


def objects_of(store: ObjectStore) -> dict[str, bytes]:
    """The objects of a store by key."""
    return {entry.key: store.get(entry.key, limit=entry.size).data for entry in store.list("")}


def objects_in(folder: Path) -> dict[str, bytes]:
    """The objects of a store in a folder, without opening it as one."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".tmp" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def copy_of(store: ObjectStore, clock: Clock) -> MemoryStore:
    """A store in memory with the same objects, in which time is what `clock` says."""
    return filled(objects_of(store), clock)


def filled(objects: dict[str, bytes], clock: Clock) -> MemoryStore:
    """A store in memory with these objects."""
    store = MemoryStore(clock)
    for key, data in objects.items():
        store.put(key, data)
    return store
