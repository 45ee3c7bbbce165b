"""A clock that only a test moves."""

from __future__ import annotations


class FakeClock:
    """Time stands still until `sleep` or `advance` moves both its clocks."""

    def __init__(self, now: float = 1_764_000_000.0) -> None:
        self._now = now
        self._elapsed = 0.0

    def now(self) -> float:
        return self._now + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._elapsed += seconds
