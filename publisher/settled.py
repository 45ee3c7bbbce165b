"""What the first publish of a depot settled for good: its chunk size and its platform."""

from __future__ import annotations

from dataclasses import replace

from chunkstore.cutting import DEFAULT, CutParameters, parameters_for
from chunkstore.errors import Refused
from manifest.documents import Build, DepotRef, GameState
from publisher.settings import DepotConfig


def depot_before(state: GameState, parent: Build | None, name: str) -> DepotRef | None:
    """What the depot was in the build that this one follows, else in the newest build that has it."""
    builds = [*([parent] if parent else []), *(state.builds[number] for number in sorted(state.builds, reverse=True))]
    return next((build.depots[name] for build in builds if name in build.depots), None)


def cut_of(depot: DepotConfig, before: CutParameters | None) -> CutParameters:
    """The depot's cutter parameters. Raises `CutterFixed`."""
    wanted = depot.chunk_average
    if before is None:
        return parameters_for(wanted) if wanted else DEFAULT
    if wanted and wanted != before.average:
        raise CutterFixed(f"depot {depot.name} is cut at an average of {before.average} bytes, not {wanted}")
    return before


def reference_of(depot: DepotConfig, before: DepotRef | None) -> DepotRef:
    """The fields of the depot's reference that do not come from its manifest. Raises `PlatformFixed`."""
    if before is None:
        return DepotRef("", 0, 0, 0, 0, depot.platform or "any", depot.language, depot.optional)
    if depot.platform not in (None, before.platform):
        raise PlatformFixed(f"depot {depot.name} is for the platform {before.platform}, not {depot.platform}")
    return replace(before, language=depot.language, optional=depot.optional)


class CutterFixed(Refused):
    """Chunk sizes never change silently within a depot: nothing would deduplicate across the change."""

    code = "cutter-fixed"
    default_cause = "The first publish of a depot settles its chunk size."
    default_next = "Leave the chunk size out, or publish to a new depot."


class PlatformFixed(Refused):
    """A depot's platform is settled by its first publish."""

    code = "platform-fixed"
    default_cause = "The first publish of a depot settles its platform."
    default_next = "Leave --platform out, or publish to a new depot."
