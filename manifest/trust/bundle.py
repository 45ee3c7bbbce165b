"""The bundle: snapshot, targets, builds and channels as of one snapshot in one object, so that an update asks once.

It is not signed and nobody relies on it: each file in it is verified like one that came alone, and what it lacks is
asked for singly. The payload is one line of JSON, `[[name, size], …]`, and then the files; the object is its container.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from chunkstore.compression import BadCompression, compress, decompress_within
from chunkstore.errors import Corrupt

MAX_BUNDLE = 8 * 1024 * 1024
"""Bytes of a bundle's payload; its container is not larger by more than zstd's worst case."""

MAX_CONTAINER = MAX_BUNDLE + (MAX_BUNDLE >> 8) + 512


def encode_bundle(files: Mapping[str, bytes]) -> bytes:
    """The object that holds these files."""
    index = json.dumps([[name, len(data)] for name, data in files.items()], separators=(",", ":"))
    return compress(b"\n".join([index.encode(), b"".join(files.values())]))


def decode_bundle(data: bytes) -> dict[str, bytes]:
    """The files in a bundle. Raises `BadBundle`."""
    try:
        index, _, content = decompress_within(data, limit=MAX_BUNDLE).partition(b"\n")
        rows = json.loads(index)
    except (BadCompression, ValueError, RecursionError) as error:
        raise BadBundle(f"the bundle cannot be read: {error}") from error
    files: dict[str, bytes] = {}
    at = 0
    for row in rows if isinstance(rows, list) else [None]:
        match row:
            case [str(name), int(size)] if 0 <= size <= len(content) - at:
                files[name] = content[at : at + size]
                at += size
            case _:
                raise BadBundle("the index of the bundle is malformed")
    return files


class BadBundle(Corrupt):
    """A bundle breaks its format. Readers go on with the single files."""

    code = "bad-bundle"
    default_cause = "The object is damaged."
    default_next = "Publish anything for the game, or run `lading store refresh`: it writes a new one."
