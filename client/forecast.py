"""What an update from one build to another would change and cost, for an installation of all that both builds hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from client.resolve import DepotContent, read_depot
from delta.changes import Changes, compare, forecast
from manifest.documents import Build, DepotMissing
from manifest.placed import read_manifest
from manifest.registry import RegistryReader
from manifest.union import unite


@dataclass(frozen=True, slots=True)
class Forecast:
    """Changes of files, and what is downloaded of packs. `chunks` counts the distinct chunks that are fetched."""

    changes: Changes
    download_bytes: int
    requests: int
    chunks: int


def forecast_update(
    registry: RegistryReader, scope: str, before: Build, after: Build, depots: Sequence[str] = ()
) -> Forecast:
    """The forecast, depot by depot: depots of different platforms may hold different files under one path.

    Raises `DepotMissing`.
    """
    names = sorted(set(depots) or before.depots.keys() | after.depots.keys())
    parts = [_one(registry, scope, before, after, name) for name in names]
    return Forecast(
        changes=Changes(
            added=sorted(path for part in parts for path in part.changes.added),
            removed=sorted(path for part in parts for path in part.changes.removed),
            changed=sorted(path for part in parts for path in part.changes.changed),
            moved=sorted(pair for part in parts for pair in part.changes.moved),
        ),
        download_bytes=sum(part.download_bytes for part in parts),
        requests=sum(part.requests for part in parts),
        chunks=sum(part.chunks for part in parts),
    )


def _one(registry: RegistryReader, scope: str, before: Build, after: Build, name: str) -> Forecast:
    old_ref, new_ref = before.depots.get(name), after.depots.get(name)
    if old_ref is None and new_ref is None:
        raise DepotMissing(f"neither build has a depot {name}")
    if old_ref == new_ref:
        return Forecast(Changes([], [], [], []), 0, 0, 0)
    nothing = unite([]).manifest
    old = nothing if old_ref is None else read_manifest(registry, scope, old_ref)
    if new_ref is None:
        return Forecast(compare(old, nothing), 0, 0, 0)
    new: DepotContent = read_depot(registry, scope, new_ref)
    plan = forecast(old, new.manifest, new.placement)
    fetched = np.unique(new.manifest.chunk_ids[plan.fetches.chunks], axis=0)
    return Forecast(
        changes=compare(old, new.manifest),
        download_bytes=plan.price.download_bytes,
        requests=plan.price.requests,
        chunks=len(fetched),
    )
