"""How long an answer may keep its reader waiting, and what a client is told of one that was lost."""

from __future__ import annotations

from doorward.core.clock import Clock
from doorward.core.errors import UpstreamLost, UpstreamSilent
from doorward.providers.route import TimeLimits
from doorward.upstream.port import Silent, TransportError


def lost(cause: TransportError) -> UpstreamLost | UpstreamSilent:
    """The client's view of an ambiguous loss (R10): the outcome is unknown, so nobody sends it again."""
    if isinstance(cause, Silent):
        return UpstreamSilent(f"The upstream did not answer in time ({cause}). It may have been billed; nothing was sent again.")
    return UpstreamLost(f"The upstream's answer was lost ({cause}). It may have been billed; nothing was sent again.")


class Deadline:
    """Between two pieces `idle_s`, for the first `first_s`, and never beyond `until_s`, the whole call's end (monotonic).

    A piece of a stream is an event: one that comes byte by byte is as late as one that does not come.
    """

    __slots__ = ("_clock", "_due", "_idle_s", "_until")

    def __init__(self, clock: Clock, sent_s: float, until_s: float, limits: TimeLimits, streamed: bool) -> None:
        self._clock = clock
        self._idle_s = limits.idle_s
        self._until = until_s
        self._due = sent_s + (limits.first_event_streamed_s if streamed else limits.first_event_whole_s)

    def left_s(self) -> float:
        return max(0.001, min(self._due, self._until) - self._clock.monotonic())

    def moved(self) -> float:
        """A piece has come and gone on; the next may take `idle_s` from now -> now, monotonic."""
        now = self._clock.monotonic()
        self._due = now + self._idle_s
        return now

    def next_s(self) -> float:
        """`moved`, then `left_s`."""
        now = self._clock.monotonic()
        self._due = now + self._idle_s
        return self._idle_s if self._due < self._until else max(0.001, self._until - now)
