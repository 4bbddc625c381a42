"""What operators see: the feed of settled calls, its sinks, and the numbers that are read when somebody asks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doorward import __version__
from doorward.assembly.running import Running
from doorward.edge.metrics import MetricsDoor
from doorward.edge.protocol_head import Limits
from doorward.edge.root import Root
from doorward.edge.side_port import SidePort
from doorward.ledger.budgets import Budgets
from doorward.ledger.ledger import Ledger
from doorward.providers.catalog import Catalog
from doorward.providers.prices import Prices
from doorward.settings import Settings
from doorward.simulator.models import OWN
from doorward.telemetry.call_log import CallLog
from doorward.telemetry.exposition import Family, counter, gauge
from doorward.telemetry.feed import Feed
from doorward.telemetry.metrics import OTHER, Metrics, ModelLabel
from doorward.upstream.health import Health

if TYPE_CHECKING:
    from doorward.telemetry.exporter import Exporter

_REMEMBERED = 4096


@dataclass(slots=True)
class Telemetry:
    feed: Feed
    metrics: Metrics
    call_log: CallLog | None
    exporter: Exporter | None
    """`None`: no collector is set, and OpenTelemetry is not imported."""
    port: SidePort | None = None

    @property
    def dropped(self) -> int:
        """Calls that log or collector have not seen."""
        return self.feed.dropped + sum(sink.dropped for sink in (self.call_log, self.exporter) if sink is not None)


@dataclass(slots=True)
class Gauges:
    """Read at each scrape, from the rooms themselves. The rooms are built after telemetry: `look_at` them then."""

    ledger: Ledger | None = None
    budgets: Budgets | None = None
    health: Health | None = None
    dropped: Callable[[], int] = int

    def families(self) -> Iterable[Family]:
        yield Family("doorward_build_info", "gauge", "The running version.", [((("version", __version__),), 1)])
        yield counter("doorward_telemetry_dropped_total", "Calls that log or collector have not seen.", self.dropped())
        if self.ledger is not None:
            yield gauge("doorward_open_calls", "Calls that are open now.", self.ledger.open_calls)
            yield gauge("doorward_book_rows_waiting", "Settled calls that are not in the database yet.", self.ledger.book.waiting)
            yield gauge("doorward_journal_lag_seconds", "Age of the oldest of them.", self.ledger.book.lag_s)
            yield counter(
                "doorward_book_refused_rows_total", "Rows that the database will not take.", self.ledger.book.refused_rows
            )
        if self.budgets is not None:
            yield counter("doorward_hold_exceeded_total", "Bills above their hold.", self.budgets.hold_exceeded_total)
        if self.health is not None:
            yield from _health(self.health)


def _health(health: Health) -> Iterable[Family]:
    seen = health.snapshot()
    states = dict.fromkeys(("closed", "open", "half_open"), 0)
    in_flight = 0
    for route in seen["routes"]:
        states[route["breaker"]] += 1
        in_flight += route["in_flight"]
    yield Family(
        "doorward_breakers", "gauge", "Routes (account and model) by breaker.", [((("state", s),), n) for s, n in states.items()]
    )
    yield gauge("doorward_upstream_calls", "Upstream calls in flight.", in_flight)
    yield gauge("doorward_resting", "Models that rest because an upstream asked for it.", len(seen["rests"]))
    yield gauge("doorward_quarantined_accounts", "Accounts whose key was refused.", len(seen["quarantined"]))


def model_label(catalog: Callable[[], Catalog], prices: Prices) -> ModelLabel:
    """The catalogue's name of a model, `other` for what it does not know: clients must not invent labels."""
    known: dict[tuple[str | None, str | None], str] = {}

    def look_up(provider_id: str | None, model: str | None) -> str:
        provider = catalog().providers.get(provider_id or "")
        if not model or provider is None:
            return OTHER
        name = model.lower()
        if name in OWN or any(name == listed.lower() for listed in provider.supported_models):
            return name
        found = prices.table.find(provider.prices or provider.id, name)
        return found.id if found is not None else OTHER

    def label(provider_id: str | None, model: str | None) -> str:
        asked = (provider_id, model)
        found = known.get(asked)
        if found is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            found = known[asked] = look_up(provider_id, model)
        return found

    return label


def switch_on(settings: Settings, label: ModelLabel, gauges: Gauges, running: Running) -> Telemetry:
    """Before the ledger, which tells the feed; ended after it."""
    feed, metrics = Feed(), Metrics(label, gauges.families)
    feed.add(metrics)
    call_log = CallLog() if settings.log_level in ("debug", "info") else None
    if call_log is not None:
        feed.add(call_log)
        running.close_later_at_once(call_log.close)
    exporter = _exporter(settings, label)
    if exporter is not None:
        feed.add(exporter)
        running.close_later_at_once(exporter.close)
    running.close_later_at_once(feed.flush)
    running.keep(feed.run(), "telemetry")
    made = Telemetry(feed, metrics, call_log, exporter)
    gauges.dropped = lambda: made.dropped
    return made


def _exporter(settings: Settings, label: ModelLabel) -> Exporter | None:
    if settings.otel_endpoint is None:
        return None
    # Imported where it is used: ten megabytes and a thread that most installations do without
    from doorward.telemetry.exporter import Exporter, headers_of

    given = settings.otel_headers
    headers = headers_of(given.get_secret_value()) if given is not None else {}
    return Exporter(settings.otel_endpoint, headers, label, settings.otel_service_name)


def metrics_door(settings: Settings, telemetry: Telemetry) -> MetricsDoor | None:
    """On the main port; `None`: the metrics have a port of their own."""
    return None if settings.metrics_port is not None else MetricsDoor(_text(telemetry), _token(settings))


async def open_metrics_port(settings: Settings, telemetry: Telemetry, running: Running) -> None:
    if settings.metrics_port is None:
        return
    door = MetricsDoor(_text(telemetry), _token(settings), own_port=True)
    telemetry.port = SidePort(Root([("/metrics", door)]), settings.host, settings.metrics_port, Limits())
    await telemetry.port.open()
    running.close_later(telemetry.port.close)


def _token(settings: Settings) -> bytes | None:
    """Its SHA-256: the token itself is not kept."""
    token = settings.metrics_token
    return None if token is None else hashlib.sha256(token.get_secret_value().encode()).digest()


def _text(telemetry: Telemetry) -> Callable[[], str]:
    def text() -> str:
        telemetry.feed.flush()
        return telemetry.metrics.text()

    return text
