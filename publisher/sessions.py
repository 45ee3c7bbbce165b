"""What a machine remembers of a publish between sealing and going live, so that the next command finishes it.

One small file for each game and depot in the state folder. It saves a number and the publisher a look: losing it leaves
a candidate in the store, which `lading build sign` makes live as well. So it never stands in the way of a publish:
where it cannot be kept, there is none.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from chunkstore.durable import replace_file


@dataclass(frozen=True, slots=True)
class Session:
    """A build that was sealed here. `signed_on` is the version of the game that it was signed on top of; 0: not yet."""

    number: int
    signed_on: int = 0


class SessionFile:
    """The session of one game's depot."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Session | None:
        """The session, if there is one that can be read."""
        try:
            value = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        match value:
            case {"number": int(number), "signed_on": int(version)}:
                return Session(number, version)
        return None

    def save(self, session: Session) -> None:
        """Remembers the session, durably."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(asdict(session)).encode())

    def clear(self) -> None:
        """Forgets the session."""
        with suppress(OSError):
            self._path.unlink()
