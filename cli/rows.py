"""Builds and channels as the result document shows them and as people read them: one form for every command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.sizes import human
from manifest.documents import Build, Channel, GameState


def build_row(state: GameState, build: Build, *, sealed: bool = False) -> dict[str, Any]:
    """A build among others. One that is `sealed` is a candidate as it would be if it were signed now."""
    depots = build.depots.values()
    return {
        "build": build.number,
        "version": build.version,
        "state": "sealed" if sealed else "withdrawn" if build.withdrawn else "live",
        "published_at": build.published_at,
        "critical": build.critical,
        "channels": sorted(name for name, channel in state.channels.items() if channel.build == build.number),
        "depots": sorted(build.depots),
        "files": sum(ref.files for ref in depots),
        "installed_size": sum(ref.installed_size for ref in depots),
        "rollback_to": build.rollback_to or None,
    }


def depot_rows(build: Build) -> dict[str, dict[str, Any]]:
    """The depots of a build by name."""
    return {
        name: {
            "manifest": ref.manifest,
            "platform": ref.platform,
            "language": ref.language,
            "optional": ref.optional,
            "files": ref.files,
            "chunks": ref.chunks,
            "installed_size": ref.installed_size,
        }
        for name, ref in sorted(build.depots.items())
    }


def channel_row(state: GameState, channel: Channel) -> dict[str, Any]:
    """A channel. The rollout is in percent, as on the command line; no previous or minimum build is null."""
    return {
        "channel": channel.name,
        "build": channel.build,
        "version": state.build(channel.build).version,
        "previous": channel.previous or None,
        "rollout": channel.rollout / 100,
        "minimum": channel.minimum or None,
    }


def build_line(row: Mapping[str, Any]) -> str:
    """A build on one line."""
    marks = [*(f"@{name}" for name in row["channels"]), *(["critical"] if row["critical"] else [])]
    marks += {"sealed": ["not signed yet"], "withdrawn": ["withdrawn"]}.get(row["state"], [])
    size = human(row["installed_size"])
    line = f"#{row['build']:<5} {row['version']:<20} {day(row['published_at'])}  {size:>9}  {' '.join(marks)}"
    return line.rstrip()


def channel_line(row: Mapping[str, Any]) -> str:
    """A channel on one line."""
    parts = [f"{row['channel']:<12} #{row['build']:<5} {row['version']}"]
    if row["rollout"] < 100:
        parts.append(f"for {row['rollout']:g} % of players, the others have #{row['previous']}")
    if row["minimum"]:
        parts.append(f"#{row['minimum']} at least")
    return ", ".join(parts)


def day(seconds: int) -> str:
    """A time in UTC, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def table(pairs: Sequence[tuple[str, str]]) -> str:
    """Labels and values, one below the other."""
    width = max((len(label) for label, _ in pairs), default=0)
    return "\n".join(f"  {label:<{width}}  {value}" for label, value in pairs)
