"""Walks over one trust folder, and the way around an expiry for who asked for it: the door to ngclient."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chunkstore.errors import Corrupt
from chunkstore.scratch import scratch_folder
from chunkstore.store import ObjectReader
from manifest.trust.fetcher import MetadataFetcher
from manifest.trust.folder import TrustFolder
from manifest.trust.guard import expiry_of, signed_part
from manifest.trust.refusals import MetadataExpired, MetadataMixed
from manifest.trust.roles import ROOT, TIMESTAMP
from manifest.trust.walk import Walk


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk verified, by role, and the version of its root.

    `signed_at` is when the timestamp was signed by its own word, `expires` when the first of the files expires, both in
    seconds since the epoch; `expired_for` is how long that is ago, if the walk was told to accept it.
    """

    files: dict[str, bytes]
    root: int
    signed_at: int
    expires: int
    expired_for: float = 0.0


class Visitor:
    """Whoever walks from one timestamp, as often as more of it is wanted: what was fetched is not asked for again."""

    def __init__(self, folder: TrustFolder, store: ObjectReader, timestamp: bytes) -> None:
        self._folder = folder
        self._timestamp = timestamp
        self._fetcher = MetadataFetcher(lambda key, limit: store.get(key, limit=limit).data, folder.about, timestamp)

    def walk(self, moment: float, bins: Collection[str], *, accept_stale: bool) -> Walked:
        """Verifies what the timestamp leads to, with these bins. Raises `MetadataExpired` and other refusals."""
        try:
            return self._verified(self._folder.metadata, moment, moment, bins)
        except MetadataExpired as error:
            error.data["expires"] = int(self._first_expiry(self._folder.metadata))
            if not accept_stale:
                raise
        with scratch_folder() as copy:
            return self._walk_back(copy / "metadata", moment, bins)

    def _verified(self, metadata: Path, at: float, moment: float, bins: Collection[str]) -> Walked:
        steps = Walk(self._folder.about.binding.game, self._fetcher, metadata, self._folder.root(), at)
        steps.refresh()
        for name in bins:
            steps.open_bin(name)
        files = steps.files()
        signed = {role: json.loads(data)["signed"] for role, data in files.items()}
        if signed[TIMESTAMP] != json.loads(self._timestamp)["signed"]:  # the updater would go on with the one it has
            raise MetadataMixed(f"another timestamp of version {signed[TIMESTAMP]['version']} was seen before")
        expires = min(expiry_of(part) for part in signed.values())
        expired_for = max(0.0, moment - expires)
        return Walked(files, signed[ROOT]["version"], self._fetcher.signed_at, int(expires), expired_for)

    def _walk_back(self, copy: Path, moment: float, bins: Collection[str]) -> Walked:
        """Walks as if it were just before the first expiry, on a copy: signatures, versions, hashes and marks stay."""
        shutil.copytree(self._folder.metadata, copy, symlinks=True)
        before = float("inf")
        while (at := self._first_expiry(copy) - 1) < before:
            before = at
            try:
                return self._verified(copy, at, moment, bins)
            except MetadataExpired:
                continue  # what was read meanwhile expired even earlier
        raise MetadataExpired("some metadata does not say when it expires", where=str(self._folder.path))

    def _first_expiry(self, metadata: Path) -> float:
        """When the first of the files that are known here expires."""
        kept = []
        for path in sorted(metadata.glob("*.json")):
            with suppress(Corrupt):  # the updater has passed over it, too
                kept.append(expiry_of(signed_part(path.read_bytes(), str(path))))
        return min([*kept, *self._fetcher.expiries.values()])
