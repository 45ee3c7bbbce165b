"""A store under somebody's hands: at a chosen moment of one piece of work something else happens, or all ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chunkstore.store import Buffer, ObjectStore
from chunkstore.wrappers.forward import ForwardingStore


class Killed(BaseException):
    """The process is gone."""


def die() -> None:
    """What happens to a process that is killed."""
    raise Killed


class MeddledStore(ForwardingStore):
    """Something happens just before the so-many-th call that changes anything."""

    def __init__(self, inner: ObjectStore, moment: int, happen: Callable[[], Any]) -> None:
        super().__init__(inner)
        self.left = moment
        self.happen = happen
        self.ended: Any = None

    def put(self, key: str, data: Buffer) -> bool:
        self._count()
        return super().put(key, data)

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        self._count()
        return super().replace(key, data, match=match)

    def delete(self, key: str) -> None:
        self._count()
        super().delete(key)

    def _count(self) -> None:
        self.left -= 1
        if self.left == -1:
            self.ended = self.happen()
