"""What every call would say again is said once in a while, with how often it was meant."""

from __future__ import annotations

from typing import Any

from tests.clock import FakeClock

from doorward.telemetry.rarely import Rarely


class Said:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def error(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))


def test_one_line_in_a_while_with_a_count() -> None:
    said, clock = Said(), FakeClock()
    rarely = Rarely(said, clock, every_s=30)  # type: ignore[arg-type]  # a log that remembers
    for number in range(1000):
        rarely.error("disk", call=number)
    rarely.error("other")
    clock.at += 31
    rarely.error("disk", call=1000)
    assert said.lines == [
        ("disk", {"call": 0, "times": 1}),
        ("other", {"times": 1}),
        ("disk", {"call": 1000, "times": 1000}),
    ]
