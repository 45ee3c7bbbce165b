"""`trust/<first root>/` in the state folder: what one user's machine keeps of one game's metadata.

`root.json` is the root file that the first contact pinned, `about.json` says whose it is, `seen.json` holds the marks,
`metadata/` belongs to python-tuf. Used by one process at a time, under `lock`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from chunkstore.durable import exclusive, replace_file
from chunkstore.errors import Corrupt, LocalProblem
from chunkstore.oserrors import leaf_for, named_at
from manifest.documents import canonical_json, parse_json
from manifest.trust.pins import RootPin
from manifest.trust.roles import DAY, TIMESTAMP, Binding
from manifest.trust.seen import MAX_SEEN, Seen, decode_seen, encode_seen


@dataclass(frozen=True, slots=True)
class About:
    """Whose metadata a trust folder holds. `registry_key` is the pin that vouched for it, if one did."""

    pin: RootPin
    binding: Binding
    registry_key: str = ""


class TrustFolder:
    """The folder of one first root."""

    def __init__(self, path: Path, about: About) -> None:
        self.path = path
        self.about = about
        self.metadata = path / "metadata"

    @staticmethod
    def open(trust: Path, digest: str) -> TrustFolder | None:
        """The folder of this first root below `trust`, if it was made."""
        path = trust / digest
        try:
            value = parse_json((path / "about.json").read_bytes(), "trust folder")
            about = About(
                RootPin(digest, value["version"]), Binding(value["registry"], value["game"]), value["registry_key"]
            )
        except (OSError, Corrupt, KeyError):
            return None
        return TrustFolder(path, about)

    @staticmethod
    def of(trust: Path, game: str, pin: RootPin) -> TrustFolder | None:
        """The folder of this first root, if it was made for this game."""
        found = TrustFolder.open(trust, pin.digest)
        return found if found is not None and found.about.binding.game == game else None

    @staticmethod
    def make(trust: Path, root: bytes, about: About, *, floor: int = 0) -> TrustFolder:
        """The folder for a root file that is trusted from now on; marks that are there stay."""
        folder = TrustFolder(trust / about.pin.digest, about)
        with named_at(folder.path):
            os.makedirs(folder.metadata, mode=0o700, exist_ok=True)
            with exclusive(str(folder.path / "lock")):
                replace_file(folder.path / "root.json", root)
                if floor:
                    folder.save(replace(folder.seen(), floor=floor))
                value = {
                    "version": about.pin.version,
                    "registry": about.binding.registry,
                    "game": about.binding.game,
                    "registry_key": about.registry_key,
                }
                replace_file(folder.path / "about.json", canonical_json(value))
        return folder

    @staticmethod
    def all(trust: Path) -> list[TrustFolder]:
        """Every folder below `trust`, sorted by digest."""
        try:
            names = sorted(os.listdir(trust))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise leaf_for(error, trust) from error
        return [folder for name in names if (folder := TrustFolder.open(trust, name))]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out. What the file system refuses meanwhile leaves with a name."""
        with named_at(self.path), exclusive(str(self.path / "lock")):
            yield

    def root(self) -> bytes:
        """The pinned root file. Raises `TrustDamaged`."""
        try:
            data = (self.path / "root.json").read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise leaf_for(error, self.path) from error
        if hashlib.sha256(data).hexdigest() != self.about.pin.digest:
            raise TrustDamaged("the pinned root file is not the one that was pinned", where=str(self.path))
        return data

    def seen(self) -> Seen:
        """The marks; none where they are lost or damaged."""
        try:
            with open(self.path / "seen.json", "rb") as file:
                return decode_seen(file.read(MAX_SEEN))
        except (FileNotFoundError, ValueError):
            return Seen()
        except OSError as error:
            raise leaf_for(error, self.path) from error

    def save(self, seen: Seen) -> None:
        """Keeps the marks, durably."""
        replace_file(self.path / "seen.json", encode_seen(seen))

    def recall(self, seen: Seen, timestamp: bytes, moment: float) -> dict[str, bytes] | None:
        """What the last walk verified, if `timestamp` says that it still holds at `moment`; a walk is due every day."""
        same = seen.files.get(TIMESTAMP) == hashlib.sha256(timestamp).hexdigest()
        if not same or moment >= seen.expires or not seen.walked_at <= moment < seen.walked_at + DAY:
            return None
        files = {}
        for role, digest in seen.files.items():
            try:
                files[role] = (self.metadata / f"{role}.json").read_bytes()
            except OSError:
                return None
            if hashlib.sha256(files[role]).hexdigest() != digest:
                return None
        return files


def digests_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file."""
    return {role: hashlib.sha256(data).hexdigest() for role, data in files.items()}


class TrustDamaged(LocalProblem):
    """What this machine keeps of a game's trust is damaged."""

    code = "trust-damaged"
    default_cause = "A file in the state folder was edited or damaged."
    default_next = "Remove the folder; the next command reads the root again and compares it with the pin."
