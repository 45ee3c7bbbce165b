"""Bytes, in thousands as disks and networks are sold, and counts as people read them."""

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


def counted(number: int, noun: str) -> str:
    """`1 pack`, `2 packs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
