"""One build as people read it, and what a signature would make of one that waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.rows import day, table
from cli.sizes import counted, human
from delta.changes import Changes
from manifest.documents import GameState
from publisher.candidates import Candidate
from publisher.commit import parent_build

_KINDS = ("added", "removed", "changed", "moved")
_HEADINGS = {"live": "", "withdrawn": ": withdrawn", "sealed": ": sealed, and not signed yet"}


def plan_row(state: GameState, candidate: Candidate, changes: Changes) -> dict[str, Any]:
    """What the row of a candidate says besides that of a build."""
    parent = parent_build(state, candidate.release)
    return {
        "depot": candidate.depot,
        "channel": candidate.release.channel,
        "parent": parent.number if parent else None,
        "changes": {kind: len(getattr(changes, kind)) for kind in _KINDS},
    }


def build_page(row: Mapping[str, Any]) -> str:
    """The row of a build, as `lading build show` prints it."""
    heading = f"{row['game']} {row['version']}, build #{row['build']}{_HEADINGS[row['state']]}"
    lines = _plan_lines(row) if row["state"] == "sealed" else _live_lines(row)
    if row["critical"]:
        lines.append(("critical", "yes"))
    lines.append(("back to", f"#{row['rollback_to']} at most" if row["rollback_to"] else "any build"))
    for name, depot in row["depots"].items():
        size = f"{counted(depot['files'], 'file')}, {human(depot['installed_size'])}"
        lines.append((f"depot {name}", f"{depot['platform']}, {size}"))
    return "\n".join([heading, table(lines), row["notes"]]).rstrip("\n")


def _live_lines(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("published", day(row["published_at"])), ("channels", ", ".join(row["channels"]) or "none")]


def _plan_lines(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("sealed", day(row["published_at"])),
        ("for", f"channel {row['channel']}" if row["channel"] else "no channel"),
        ("parent", f"#{row['parent']}" if row["parent"] else "none"),
        ("brings", f"depot {row['depot']}, manifest {row['depots'][row['depot']]['manifest']}"),
        ("files", ", ".join(f"{count} {kind}" for kind, count in row["changes"].items())),
    ]
