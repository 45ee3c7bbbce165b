"""Bytes as people read them, in thousands as disks and networks are sold."""

from __future__ import annotations

_UNITS = ("kB", "MB", "GB", "TB")


def human(count: float) -> str:
    """`count` bytes in the largest unit of which there is at least one: `0 B`, `999 B`, `1.5 kB`, `213.0 MB`."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in _UNITS:
        count /= 1000
        if count < 999.95 or unit == _UNITS[-1]:
            return f"{count:.1f} {unit}"
    raise AssertionError("the last unit takes any count")
