"""Which file of a game's metadata is at fault when it cannot be verified: each is compared with what names it.

Believes nothing and proves nothing: whoever can write all files can make them fit. It is for telling an operator what
to restore.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from chunkstore.errors import Corrupt, LadingError, NotFound
from chunkstore.store import KeyMissing, ObjectReader
from manifest.keys import metadata_key, timestamp_key
from manifest.trust.guard import signed_part
from manifest.trust.refusals import BadMetadata
from manifest.trust.roles import LIMITS, ROOT, SNAPSHOT, TIMESTAMP, kind_of


def misfits(store: ObjectReader, game: str) -> Iterator[tuple[str, LadingError]]:
    """The files that are missing, damaged or not what the snapshot or the timestamp names, by key.

    Nothing where all fit, and where there is no timestamp to begin with.
    """
    key = timestamp_key(game)
    try:
        timestamp = signed_part(store.get(key, limit=LIMITS[TIMESTAMP]).data, key)
        named = _named(timestamp, key)
    except KeyMissing:
        return
    except Corrupt as error:
        yield key, error
        return
    roles = [(ROOT, {"version": 1}), *named]
    for role, meta in roles:
        key = metadata_key(game, role, meta["version"])
        try:
            data = store.get(key, limit=LIMITS[kind_of(role)]).data
            signed = signed_part(data, key)
            if role != ROOT and meta["hashes"]["sha256"] != hashlib.sha256(data).hexdigest():
                raise BadMetadata("the file is not the one that was signed", where=key)
            if role == SNAPSHOT:
                roles += _named(signed, key)
        except (Corrupt, NotFound) as error:
            yield key, error


def _named(signed: dict[str, Any], where: str) -> list[tuple[str, dict[str, Any]]]:
    """The roles that a snapshot or timestamp names, with what it says of their files. Raises `BadMetadata`."""
    try:
        rows = [(str(name).removesuffix(".json"), meta) for name, meta in signed["meta"].items()]
        if all(
            type(meta["version"]) is int and meta["hashes"]["sha256"] and kind_of(role) in LIMITS for role, meta in rows
        ):
            return rows
    except (KeyError, TypeError, AttributeError):
        pass
    raise BadMetadata("the metadata does not name its files", where=where)
