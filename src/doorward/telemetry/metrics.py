"""Prometheus' numbers (R40): counters and histograms of settled calls, gauges read when somebody asks.

Labels are endpoint, provider, model and status class; never a key, a user or a request. A model that the catalogue
does not know is `other`, and no metric grows beyond `MOST_SERIES` series, whatever clients invent.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

from doorward.telemetry.exposition import Family, Labels, rendered
from doorward.telemetry.feed import Seen

DURATION_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
MOST_SERIES = 2_000
"""Of one metric; what would be one more is booked under `other`."""
OTHER = "other"

ModelLabel = Callable[[str | None, str | None], str]
"""(provider id, model) -> the catalogue's name for it, or `other`."""
Gauges = Callable[[], Iterable[Family]]


class Histogram:
    """Counts by upper bound. `add` costs a bisection."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATION_BOUNDS_S) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(DURATION_BOUNDS_S, seconds)] += 1
        self.sum += seconds


class Counter:
    """One metric's series by label values. A value beyond the bound is booked under `other` everywhere."""

    __slots__ = ("_labels", "series")

    def __init__(self, *labels: str) -> None:
        self._labels = labels
        self.series: dict[tuple[str, ...], float] = {}

    def add(self, value: float, *at: str) -> None:
        if at not in self.series and len(self.series) >= MOST_SERIES:
            at = (OTHER,) * len(self._labels)
        self.series[at] = self.series.get(at, 0) + value

    def rows(self) -> list[tuple[Labels, float]]:
        return [(tuple(zip(self._labels, at, strict=True)), value) for at, value in sorted(self.series.items())]


def status_class(status: int | None) -> str:
    return f"{status // 100}xx" if status is not None else "none"


class Metrics:
    """A sink of the feed. `gauges` are read at each scrape."""

    def __init__(self, label_of: ModelLabel, gauges: Gauges = tuple) -> None:
        where = ("endpoint", "provider", "model")
        self._label_of = label_of
        self._gauges = gauges
        self._calls = Counter(*where, "status", "outcome")
        self._tokens = Counter(*where, "kind")
        self._cost = Counter(*where, "source")
        self._unknown = Counter(*where)
        self._retries = Counter("endpoint", "provider")
        self._cache = Counter("endpoint", "result")
        self._refusals = Counter("endpoint", "code")
        self._dropped_events = Counter("provider")
        self._durations: dict[tuple[str, ...], Histogram] = {}
        self._first_bytes: dict[tuple[str, ...], Histogram] = {}

    def refused(self, endpoint: str, code: str) -> None:
        self._refusals.add(1, endpoint, code)

    def saw(self, calls: Sequence[Seen]) -> None:
        """Labels are looked up once a batch, which is nearly all of one kind."""
        places: dict[tuple[str, str | None, str | None], tuple[str, str, str]] = {}
        for seen in calls:
            call = seen.settled.call
            if call.outcome == "refused":
                continue  # a sample of what `refused` has counted
            kind = (call.endpoint, call.provider_id, call.model_served or call.model_asked)
            at = places.get(kind)
            if at is None:
                at = places[kind] = (call.endpoint, call.provider_id or "none", self._label_of(*kind[1:]))
            self._saw(seen, at)

    def _saw(self, seen: Seen, at: tuple[str, str, str]) -> None:
        call, provider = seen.settled.call, at[1]
        self._calls.add(1, *at, status_class(call.status), call.outcome)
        for kind, tokens in (
            ("input", call.input_tokens),
            ("cached", call.cached_tokens),
            ("output", call.output_tokens),
            ("reasoning", call.reasoning_tokens),
        ):
            if tokens:
                self._tokens.add(tokens, *at, kind)
        if call.cost_nanos is None:
            self._unknown.add(1, *at)
        elif call.cost_nanos:
            self._cost.add(call.cost_nanos, *at, call.source)
        self._cache.add(1, call.endpoint, call.cache)
        if call.attempts > 1:
            self._retries.add(call.attempts - 1, call.endpoint, provider)
        if seen.dropped_events:
            self._dropped_events.add(seen.dropped_events, provider)
        if call.duration_ms is not None:
            self._in(self._durations, at).add(call.duration_ms / 1000)
        if call.first_byte_ms is not None:
            self._in(self._first_bytes, at).add(call.first_byte_ms / 1000)

    @staticmethod
    def _in(histograms: dict[tuple[str, ...], Histogram], at: tuple[str, ...]) -> Histogram:
        found = histograms.get(at)
        if found is None:
            if len(histograms) >= MOST_SERIES // 10:
                at = (OTHER,) * len(at)
            found = histograms.setdefault(at, Histogram())
        return found

    def text(self) -> str:
        """The whole page, in Prometheus' text format."""
        return rendered([*self._families(), *self._gauges()])

    def _families(self) -> Iterable[Family]:
        for name, help_, counted in (
            ("calls", "Settled calls.", self._calls),
            ("tokens", "Tokens; cached are part of input, reasoning of output.", self._tokens),
            ("cost_nanodollars", "Cost of settled calls, 1e-9 dollars.", self._cost),
            ("unknown_cost_calls", "Calls whose price is not known.", self._unknown),
            ("retries", "Upstream attempts after a call's first.", self._retries),
            ("cache", "Calls by what the response cache did.", self._cache),
            ("refusals", "Calls refused before anything was sent.", self._refusals),
            ("dropped_events", "Malformed stream events not passed on.", self._dropped_events),
        ):
            yield Family(f"doorward_{name}_total", "counter", help_, counted.rows())
        yield from self._histogram("doorward_call_duration_seconds", "A call from its admission to its end.", self._durations)
        yield from self._histogram("doorward_first_byte_seconds", "To the first byte of the answer.", self._first_bytes)

    @staticmethod
    def _histogram(name: str, help_: str, histograms: Mapping[tuple[str, ...], Histogram]) -> Iterable[Family]:
        rows: list[tuple[Labels, float]] = []
        sums: list[tuple[Labels, float]] = []
        counts: list[tuple[Labels, float]] = []
        for at, histogram in sorted(histograms.items()):
            labels = tuple(zip(("endpoint", "provider", "model"), at, strict=True))
            total = 0
            for bound, count in zip((*DURATION_BOUNDS_S, None), histogram.counts, strict=True):
                total += count
                rows.append(((*labels, ("le", "+Inf" if bound is None else f"{bound:g}")), total))
            sums.append((labels, histogram.sum))
            counts.append((labels, total))
        yield Family(name, "histogram", help_, rows, suffix="_bucket")
        yield Family(name, "", "", sums, suffix="_sum")
        yield Family(name, "", "", counts, suffix="_count")
