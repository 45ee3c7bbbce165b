"""The line that says how many attacks were tried and refused."""

from __future__ import annotations

import pytest


def print_count(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the count: an attack is refused when all its variants are."""
    ended = {
        outcome: {
            value
            for report in terminalreporter.stats.get(outcome, [])
            for name, value in _properties(report)
            if name == "attack"
        }
        for outcome in ("passed", "failed", "error")
    }
    tried = set().union(*ended.values())
    if tried:
        refused = tried - ended["failed"] - ended["error"]
        terminalreporter.write_line(f"attacks on metadata and manifests: {len(refused)} of {len(tried)} refused")


def _properties(report: object) -> list[tuple[str, object]]:
    return getattr(report, "user_properties", [])
