"""A clock that tests set."""

from __future__ import annotations


class FakeClock:
    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def monotonic(self) -> float:
        return self.at

    def wall(self) -> float:
        return 1_800_000_000.0 + self.at
