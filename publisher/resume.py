"""The journal of an interrupted publish: which packs it had stored, so that the next try does not send them again.

Lies in the state folder and only saves time: every pack that it names is looked up in the store, and its chunks are
learnt from the pack's own index.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from chunkstore.columns import NewerFormat
from chunkstore.errors import Corrupt
from chunkstore.packs import NewerPack
from manifest.registry import RegistryWriter
from publisher.known import KnownChunks, placement_of_pack

_PACK = re.compile(r"[0-9a-f]{64}")


class PackJournal:
    """A text file with the id of a pack in each line. Losing it, or a line of it, costs an upload and nothing else.

    So it never stands in the way of a publish: where it cannot be kept, there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, pack: str) -> None:
        """Notes that the pack is stored."""
        with self._lock, suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                file.write(f"{pack}\n")

    def packs(self) -> list[str]:
        """The packs noted so far."""
        try:
            lines = self._path.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return []
        return [line for line in lines if _PACK.fullmatch(line)]

    def clear(self) -> None:
        """Forgets them: the publish is live."""
        with suppress(OSError):
            self._path.unlink()


def learn_packs(
    registry: RegistryWriter, scope: str, journal: PackJournal, there: Mapping[str, int], known: KnownChunks
) -> None:
    """Adds the chunks of the noted packs that are still in the store."""
    for pack in journal.packs():
        if pack not in there:
            continue
        try:
            index = registry.pack_index(scope, pack)
        except (Corrupt, NewerFormat, NewerPack):
            continue
        known.learn(index.ids, placement_of_pack(pack, index))
