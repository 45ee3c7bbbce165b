"""What an installed folder remembers of itself, in `.lading/`: nothing in it is trusted, losing it costs a scan.

`install.json` (registry, game, channel, depots, tags, build, install id) · `manifests/<id>` (payloads) · `files` (the
stat of each file as it was written, so that unchanged files need not be read again) · `lock` · `staging/` and `journal`
while at work.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chunkstore.columns import BadPayload, Column, NewerFormat, decode_columns, encode_columns
from chunkstore.durable import replace_file
from chunkstore.errors import LadingError, LocalProblem, NotFound
from chunkstore.ids import digest_of
from chunkstore.store import PathUnusable
from client.disk import TreeBusy, exclusive, local_error, make_folder, named_errors, write_durably
from manifest.documents import canonical_json
from manifest.paths import RESERVED_FOLDER

FORMAT = 1
_ID = re.compile(r"[0-9a-f]{64}")
_INSTALL_ID = re.compile(r"[0-9a-f]{32}")
_ROOT = re.compile(r"sha256:[0-9a-f]{64}@[1-9][0-9]{0,8}")
_FILES_SPEC = {
    "sizes": ("<i8", 1),
    "mtimes": ("<i8", 1),
    "ctimes": ("<i8", 1),
    "inodes": ("<u8", 1),
    "flags": ("|u1", 1),
}


@dataclass(frozen=True, slots=True)
class Record:
    """What is installed. `manifests` maps a depot to its manifest's id; `build` is 0 until the first install ends.

    `root` is the pin of the root that the trust in the game began with.
    """

    source: str
    registry: str
    game: str
    scope: str
    channel: str
    install_id: str
    root: str = ""
    build: int = 0
    version: str = ""
    previous: int = 0
    depots: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    manifests: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True, eq=False)
class FileStats:
    """A row per file of the installed manifests together, in path order; `flags` is 1 where the row is known."""

    sizes: Column
    mtimes: Column
    ctimes: Column
    inodes: Column
    flags: Column

    @staticmethod
    def unknown(count: int) -> FileStats:
        """Nothing is known of so many files."""
        zero = np.zeros(count, dtype="<i8")
        return FileStats(zero, zero.copy(), zero.copy(), zero.astype("<u8"), np.zeros(count, dtype="|u1"))


class InstallFolder:
    """The `.lading` folder of one installed tree."""

    def __init__(self, root: Path) -> None:
        self.root = root = Path(os.path.abspath(root))
        self.own = root / RESERVED_FOLDER
        self.staging = self.own / "staging"
        self.journal = self.own / "journal"

    @contextmanager
    def locked(self, *, create: bool = True) -> Iterator[None]:
        """Keeps every other command out. Raises `TreeBusy`. Without `create` an absent folder stays absent.

        Whatever the file system refuses meanwhile leaves with a name. Of a command that is refused before anything was
        remembered nothing is left.
        """
        if not create and not os.path.isdir(self.own):  # unlike the method it never raises
            with named_errors(self.root):
                yield
            return
        made_root = not os.path.isdir(self.root)
        with named_errors(self.own):
            if made_root:
                self.root.parent.mkdir(parents=True, exist_ok=True)
                make_folder(os.fspath(self.root), {os.fspath(self.root.parent)})
            self.own.mkdir(exist_ok=True)
            if self.own.is_symlink():
                raise PathUnusable(f"{RESERVED_FOLDER} is a link; it must lie beside the files", where=str(self.own))
        try:
            with named_errors(self.root), exclusive(self.own / "lock", self.root):
                yield
        except TreeBusy:
            raise
        except LadingError:
            self.vanish(with_root=made_root)
            raise

    def load(self) -> Record:
        """The record. Raises `NotInstalled`, `BadRecord`."""
        try:
            value = json.loads((self.own / "install.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotInstalled("nothing is installed here", where=str(self.root)) from error
        except (ValueError, RecursionError) as error:
            raise BadRecord("the record of the installation is not JSON", where=str(self.root)) from error
        except OSError as error:
            raise local_error(error, self.own / "install.json") from error
        record = record_from_json(value, str(self.root))
        if value.get("digest") != _digest_of(record):
            raise BadRecord("the record of the installation is not as it was written", where=str(self.root))
        return record

    def save(self, record: Record) -> None:
        """Replaces the record, durably."""
        value = {**asdict(record), "digest": _digest_of(record)}
        write_durably(self.own / "install.json", json.dumps(value, indent=1).encode())

    def forget(self) -> None:
        """Removes all that is remembered, the record last."""
        with named_errors(self.own):
            for path in sorted(self.own.iterdir(), key=lambda path: path.name == "install.json"):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name != "lock":
                    path.unlink()

    def vanish(self, *, with_root: bool = True) -> None:
        """Removes the folder if nothing is remembered in it, and the root if nothing else is there."""
        with suppress(OSError):
            if {path.name for path in self.own.iterdir()} <= {"lock"}:
                (self.own / "lock").unlink(missing_ok=True)
                self.own.rmdir()
                if with_root:
                    self.root.rmdir()

    def manifest_payload(self, name: str) -> bytes | None:
        """The payload of a manifest kept here, if its bytes are still the ones of that name."""
        try:
            payload = (self.own / "manifests" / name).read_bytes()
        except OSError:
            return None
        return payload if digest_of(payload).hex() == name else None

    def keep_manifest(self, name: str, payload: bytes) -> None:
        """Keeps a payload, durably."""
        folder = self.own / "manifests"
        with named_errors(folder):
            folder.mkdir(exist_ok=True)
        if self.manifest_payload(name) != payload:
            write_durably(folder / name, payload)

    def forget_manifests(self, keep: set[str]) -> None:
        """Drops the payloads of all others. One that cannot be dropped only takes room."""
        for path in (self.own / "manifests").iterdir():
            if path.name not in keep:
                with suppress(OSError):
                    path.unlink()

    def file_stats(self, count: int, stamp: str) -> FileStats:
        """The stats saved for the manifests that `stamp` names; all unknown if there are none, or others."""
        try:
            data = (self.own / "files").read_bytes()
            header, columns = decode_columns(data, b"LADFST", FORMAT, _FILES_SPEC)
        except (OSError, BadPayload, NewerFormat):
            return FileStats.unknown(count)
        if header.get("of") != stamp or any(len(column) != count for column in columns.values()):
            return FileStats.unknown(count)
        return FileStats(**columns)

    def save_file_stats(self, stats: FileStats, stamp: str) -> None:
        """Saves the stats. They only save time: it need not be durable, and may fail."""
        columns = [(name, getattr(stats, name)) for name in _FILES_SPEC]
        data = encode_columns(b"LADFST", FORMAT, {"of": stamp}, columns)
        with suppress(OSError):
            replace_file(self.own / "files", data, durable=False)


def stamp_of(manifests: Mapping[str, str], tags: tuple[str, ...]) -> str:
    """What a set of saved stats belongs to."""
    return digest_of(json.dumps([sorted(manifests.items()), sorted(tags)]).encode()).hex()


def _digest_of(record: Record) -> str:
    """Against damage, not against malice: a flipped bit must not make it a record of something else."""
    return digest_of(canonical_json(asdict(record))).hex()


def record_from_json(value: Any, where: str) -> Record:
    """A record from its JSON form. Raises `BadRecord`, `NewerRecord`."""
    match value:
        case {"format": int(number)} if number > FORMAT:
            raise NewerRecord("this folder was installed by a newer version of Lading", where=where)
        case {
            "source": str(),
            "registry": str(),
            "game": str(),
            "scope": str(),
            "channel": str(),
            "install_id": str(install_id),
            "root": str(root),
            "build": int(build),
            "version": str(),
            "previous": int(),
            "depots": [*depots],
            "tags": [*tags],
            "manifests": {**manifests},
            "format": int(),
        } if (
            _INSTALL_ID.fullmatch(install_id)
            and (not root or _ROOT.fullmatch(root))
            and build >= 0
            and all(isinstance(name, str) for name in (*depots, *tags))
            and all(isinstance(name, str) and _ID.fullmatch(name) for name in manifests.values())
        ):
            known = {name: value[name] for name in Record.__dataclass_fields__}
            return Record(**{**known, "depots": tuple(depots), "tags": tuple(tags)})
    raise BadRecord("the record of the installation is malformed", where=where)


class NotInstalled(NotFound):
    """The folder holds no installation."""

    code = "not-installed"
    default_cause = "The path is mistyped, or the game was never installed here."
    default_next = "Install with `lading install GAME --into DIR --store STORE`."


class BadRecord(LocalProblem):
    """`.lading/install.json` is damaged."""

    code = "bad-record"
    default_cause = "The file was edited or damaged."
    default_next = "Install again into the same folder: files that are intact are kept."


class NewerRecord(LocalProblem):
    """The folder belongs to a newer version."""

    code = "newer-record"
    default_cause = "A newer version of Lading installed this folder."
    default_next = "Install a newer version of Lading."
