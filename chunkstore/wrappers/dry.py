"""A store that only pretends to write, for showing what a command would do."""

from __future__ import annotations

from chunkstore.ids import digest_of
from chunkstore.store import Buffer
from chunkstore.wrappers.forward import ForwardingStore


class DryStore(ForwardingStore):
    """Reads come from `inner`; what is written is dropped, and reads do not find it."""

    def put(self, key: str, data: Buffer) -> bool:
        """Does nothing, and answers as if the object had been absent."""
        return True

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        """Does nothing, and answers as if the object had been the expected one."""
        return digest_of(data).hex()

    def delete(self, key: str) -> None:
        """Does nothing."""
