"""Names of content: BLAKE3-256 of uncompressed bytes (chunks, manifests) or of whole objects (packs, diffs).

A digest is 32 raw bytes inside the program and 64 lower-case hexadecimal digits in keys, documents and JSON.
"""

from __future__ import annotations

import re

from blake3 import blake3

from chunkstore.errors import Refused
from chunkstore.store import Buffer

DIGEST_SIZE = 32
_HEX = re.compile(r"[0-9a-f]{64}")


def digest_of(data: Buffer) -> bytes:
    """BLAKE3-256 of `data`, computed on the calling thread with the GIL released."""
    return blake3(data, max_threads=1).digest()


def hex_to_digest(text: str, what: str = "id") -> bytes:
    """The 32 bytes that `text` names. Raises `BadId` unless it is 64 lower-case hexadecimal digits."""
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise BadId(f"not a valid {what}: {text!r:.80}")
    return bytes.fromhex(text)


class BadId(Refused):
    """A text that should name content does not have the form of an id."""

    code = "bad-id"
    default_cause = "An id is 64 lower-case hexadecimal digits."
    default_next = "Check the id for a typing or copying error."
