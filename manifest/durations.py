"""Lengths of time: in words for people, and how far a clock may be off before it is worth one."""

from __future__ import annotations

CLOCK_TOLERANCE = 10 * 60
"""Seconds; less says nothing about a clock but that its owner does not set it every day."""


def duration(seconds: float) -> str:
    """A length of time in words."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}s"
    return f"{seconds:.0f} seconds"
