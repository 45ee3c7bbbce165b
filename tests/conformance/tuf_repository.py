"""A TUF repository of any shape in a folder, and a client under test beside it: what the tests of verification turn.

Nothing is kept in order for whoever uses it: each change is published role by role, right or wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from tests.conformance.tuf_client import main
from tests.kit.clock import FakeClock
from tests.kit.webhost import WebHost

DAY = 24 * 60 * 60
TOP = ("root", "targets", "snapshot", "timestamp")


class Repository:
    """Roles that can be changed at will, as objects of python-tuf; `publish` signs and serves them.

    With `hashes` timestamp and snapshot name the digests of what they list.
    """

    def __init__(self, folder: Path, now: float) -> None:
        self.folder = folder
        self.hashes = False
        expires = datetime.fromtimestamp(now + 30 * DAY, UTC)
        self.now = now
        self.root, self.targets = Root(expires=expires), Targets(expires=expires)
        self.snapshot, self.timestamp = Snapshot(expires=expires), Timestamp(expires=expires)
        self.roles: dict[str, Any] = dict(
            zip(TOP, (self.root, self.targets, self.snapshot, self.timestamp), strict=True)
        )
        self.signers: dict[str, list[CryptoSigner]] = {}
        self._published: dict[str, int] = {}
        for role in TOP:
            self.add_key(role)
        for role in ("targets", "snapshot", "timestamp", "root"):
            self.publish(role)

    def add_key(self, role: str, signer: CryptoSigner | None = None, *, by: str = "root") -> CryptoSigner:
        """One more key of a role, in the role that names its keys."""
        signer = signer or CryptoSigner.generate_ed25519()
        self.roles[by].add_key(signer.public_key, role)
        self.signers.setdefault(role, []).append(signer)
        return signer

    def replace_keys(self, role: str) -> None:
        """New keys in place of all."""
        self.root.roles[role].keyids.clear()
        self.signers[role].clear()
        self.add_key(role)

    def delegate(self, by: str, role: str, paths: Sequence[str] = ("*",), *, terminating: bool = False) -> Targets:
        """One more delegation, after those that are there, with a key of its own."""
        delegator = self.roles[by]
        delegator.delegations = delegator.delegations or Delegations({}, {})
        delegator.delegations.roles[role] = DelegatedRole(role, [], 1, terminating, list(paths))
        self.add_key(role, by=by)
        found: Targets = self.roles.setdefault(role, Targets(expires=self.targets.expires))
        return found

    def add_target(self, path: str, data: bytes, role: str = "targets") -> None:
        """A target file, in the store and in a role."""
        target = TargetFile.from_data(path, data)
        self.roles[role].targets[path] = target
        self.serve_target(path, data)

    def serve_target(self, path: str, data: bytes) -> None:
        """Serves bytes as the target that is signed under this path."""
        signed = next(role.targets[path] for role in self.roles.values() if path in getattr(role, "targets", {}))
        above, slash, name = path.rpartition("/")
        place = self.folder / "targets" / f"{above}{slash}{signed.hashes['sha256']}.{name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def publish(self, *roles: str, version: int | None = None) -> None:
        """Each role in its next version, or another, and what lists it changed; that is to be published after it."""
        for role in roles:
            signed = self.roles[role]
            signed.version = version or self._published.get(role, 0) + 1
            self._published[role] = signed.version
            metadata = Metadata(signed)
            for signer in self.signers[role]:
                metadata.sign(signer, append=True)
            data = metadata.to_bytes()
            self.serve(role, data)
            if role == "snapshot":
                self.timestamp.snapshot_meta = self._meta(role, data)
            elif role not in ("root", "timestamp"):
                self.snapshot.meta[f"{role}.json"] = self._meta(role, data)

    def _meta(self, role: str, data: bytes) -> MetaFile:
        digest = {"sha256": hashlib.sha256(data).hexdigest()}
        return MetaFile(self.roles[role].version, *((len(data), digest) if self.hashes else ()))

    def publish_all(self) -> None:
        """The next version of everything."""
        self.publish(*(role for role in self.roles if role not in TOP), *TOP)

    def serve(self, role: str, data: bytes, *, version: int | None = None) -> None:
        """Serves bytes in the place of a role's metadata."""
        place = self.place(role, version)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def place(self, role: str, version: int | None = None) -> Path:
        """Where a role's metadata is served."""
        number = "" if role == "timestamp" else f"{version or self.roles[role].version}."
        return self.folder / "metadata" / f"{number}{role}.json"

    def expire(self, role: str, days: float) -> None:
        """Lets a role expire so many days from now when it is published next, or before now."""
        self.roles[role].expires = datetime.fromtimestamp(self.now + days * DAY, UTC)


@dataclass
class Client:
    """The client under test, at a time that stands still."""

    folder: Path
    host: WebHost
    clock: FakeClock = field(default_factory=FakeClock)

    def init(self, root: bytes) -> int:
        """The exit code of `init` with this root file."""
        self.folder.mkdir()
        place = self.folder / "given.root"
        place.write_bytes(root)
        return main(["--metadata-dir", str(self.folder / "metadata"), "init", str(place)], self.clock)

    def refresh(self) -> int:
        """The exit code of `refresh`."""
        return main([*self._where(), "refresh"], self.clock)

    def download(self, name: str) -> int:
        """The exit code of `download`."""
        (self.folder / "targets").mkdir(exist_ok=True)
        words = ["--target-name", name, "--target-base-url", f"{self.host.url}/targets"]
        return main([*self._where(), *words, "--target-dir", str(self.folder / "targets"), "download"], self.clock)

    def trusted(self) -> dict[str, int]:
        """The versions that are believed, by role."""
        files = sorted((self.folder / "metadata").glob("*.json"))
        return {file.stem: json.loads(file.read_bytes())["signed"]["version"] for file in files}

    def downloaded(self) -> list[bytes]:
        """The target files that are here."""
        return [file.read_bytes() for file in sorted((self.folder / "targets").iterdir())]

    def asked(self) -> list[str]:
        """The metadata files that were asked for since the last look."""
        names = [asked.key.rpartition("/")[2] for asked in self.host.requests if asked.key.startswith("metadata/")]
        self.host.requests.clear()
        return [name.removesuffix(".json") for name in names]

    def _where(self) -> list[str]:
        return ["--metadata-dir", str(self.folder / "metadata"), "--metadata-url", f"{self.host.url}/metadata"]
