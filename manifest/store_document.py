"""`lading.json`: what makes a folder or bucket a store, and the name of the registry in it. Not signed, not secret."""

from __future__ import annotations

from dataclasses import dataclass

from chunkstore.errors import Refused
from chunkstore.ids import hex_to_digest
from chunkstore.store import KeyMissing, ObjectReader, ObjectStore
from manifest.documents import believed, canonical_json, found_at, natural, parse_json
from manifest.keys import STORE

FORMAT = 1
MAX_STORE_DOCUMENT = 4096


@dataclass(frozen=True, slots=True)
class StoreDocument:
    """The name that a registry gave itself when it was made. In a `static` store no server signs: its publisher
    renews the signatures.
    """

    registry: str
    static: bool = False


def init_store(store: ObjectStore, registry_id: bytes, *, static: bool = False) -> bool:
    """Writes `lading.json` into a store; False if it is a store already."""
    words = {"static": True} if static else {}
    return store.put(STORE, canonical_json({"format": FORMAT, "registry": registry_id.hex(), **words}))


def is_store(store: ObjectReader) -> bool:
    """Whether `lading.json` is there."""
    try:
        read_store_document(store)
    except NotAStore:
        return False
    return True


def read_store_document(store: ObjectReader) -> StoreDocument:
    """What `lading.json` says. Raises `NotAStore`, `NewerStore`, `BadDocument`."""
    try:
        data = store.get(STORE, limit=MAX_STORE_DOCUMENT).data
    except KeyMissing as error:
        raise NotAStore("this is not a Lading store: it has no lading.json", where=store.url) from error
    with found_at(f"{store.url}/{STORE}"):
        document = parse_json(data, "store document")
        found = natural(document, "format")
        if found > FORMAT:
            raise NewerStore(f"the store has format {found}; this version knows up to {FORMAT}", where=store.url)
        registry = believed(hex_to_digest, document.get("registry"), "registry id").hex()
        return StoreDocument(registry, document.get("static") is True)


class NotAStore(Refused):
    """A folder or URL is not a store."""

    code = "not-a-store"
    default_cause = "The path is mistyped, or the store was never made."
    default_next = "Check the path, or make a store with `lading init STORE`."


class NewerStore(Refused):
    """The store was made by a newer version."""

    code = "newer-store"
    default_cause = "A newer version of Lading made this store."
    default_next = "Install a newer version of Lading; nothing was changed."
