"""One walk over one trust folder, and the way around an expiry for who asked for it: the door to ngclient."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from chunkstore.store import ObjectReader
from manifest.trust.fetcher import MetadataFetcher
from manifest.trust.folder import TrustFolder
from manifest.trust.guard import expiry_of
from manifest.trust.roles import ROOT
from manifest.trust.walk import MetadataExpired, MetadataMissing, Walk

__all__ = ["MetadataExpired", "MetadataMissing", "Walked", "walk"]


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


def walk(
    folder: TrustFolder,
    store: ObjectReader,
    timestamp: bytes,
    moment: float,
    bins: Collection[str],
    *,
    accept_stale: bool,
) -> Walked:
    """Verifies the metadata that `timestamp` leads to, with these bins. Raises `MetadataExpired` and other refusals."""
    binding = folder.about.binding
    fetcher = MetadataFetcher(lambda key, limit: store.get(key, limit=limit).data, binding, timestamp)

    def verified(where: Path, at: float) -> Walked:
        steps = Walk(binding.game, fetcher, where, folder.root(), at)
        steps.refresh()
        for name in bins:
            steps.open_bin(name)
        files = steps.files()
        signed = {role: json.loads(data)["signed"] for role, data in files.items()}
        expires = min(expiry_of(part) for part in signed.values())
        return Walked(files, signed[ROOT]["version"], fetcher.signed_at, int(expires), max(0.0, moment - expires))

    try:
        return verified(folder.metadata, moment)
    except MetadataExpired as error:
        error.data["expires"] = _first_expiry(folder.metadata, fetcher)
        if not accept_stale:
            raise
    with TemporaryDirectory() as copy:
        return _walk_back(folder, Path(copy) / "metadata", fetcher, verified)


def _walk_back(
    folder: TrustFolder, copy: Path, fetcher: MetadataFetcher, verified: Callable[[Path, float], Walked]
) -> Walked:
    """Walks as if it were just before the first expiry, on a copy: signatures, versions, hashes and marks stay."""
    shutil.copytree(folder.metadata, copy, symlinks=True)
    before = float("inf")
    while (moment := _first_expiry(copy, fetcher) - 1) < before:
        before = moment
        try:
            return verified(copy, moment)
        except MetadataExpired:
            continue  # what was read meanwhile expired even earlier
    raise MetadataExpired("some metadata does not say when it expires", where=str(folder.path))


def _first_expiry(metadata: Path, fetcher: MetadataFetcher) -> float:
    """When the first of the files that are known here expires."""
    kept = [expiry_of(json.loads(path.read_bytes())["signed"]) for path in sorted(metadata.glob("*.json"))]
    return min([*kept, *fetcher.expiries.values()])
