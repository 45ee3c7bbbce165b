"""Bytes as people read them."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def human(size: int) -> str:
    """`size` in the largest unit in which it is at least one: `0 B`, `1023 B`, `1.5 KiB`, `213 MiB`."""
    value, unit = float(size), _UNITS[0]
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"
