"""The relay and what is kept about calls: ledger, budgets, limits, the pipeline, adapters."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from doorward.adapters.watch import Adapters
from doorward.assembly.ground import Ground
from doorward.assembly.running import Running
from doorward.assembly.telemetry import Gauges, Telemetry, model_label, open_metrics_port, switch_on
from doorward.core.clock import Clock
from doorward.core.money import nanos_of_usd
from doorward.identity.custody import no_account
from doorward.ledger.alerts import Alerts
from doorward.ledger.budgets import Budgets
from doorward.ledger.holds import Bounds
from doorward.ledger.ledger import Ledger
from doorward.objects.ownership import Ownership
from doorward.providers.prices import Prices, overrides_of
from doorward.providers.route import TimeLimits
from doorward.relay.account_limits import AccountLimits
from doorward.relay.admission import Admission
from doorward.relay.attempt import Sender
from doorward.relay.balance import Balance
from doorward.relay.binding import Binding
from doorward.relay.content_log import ContentLog
from doorward.relay.failover import Failover
from doorward.relay.idempotency import Idempotency
from doorward.relay.limits import Limits
from doorward.relay.listing import FileList
from doorward.relay.local_share import LocalShare
from doorward.relay.meter import Meter
from doorward.relay.model_fetch import ModelFetch
from doorward.relay.models import ModelList
from doorward.relay.pipeline import Pipeline
from doorward.relay.proxy import Proxy
from doorward.relay.quarantine import Quarantine
from doorward.relay.response_cache import ResponseCache
from doorward.relay.router import Router
from doorward.relay.shared_calls import SharedCalls
from doorward.settings import Settings, environment
from doorward.shared.cache import Cache
from doorward.shared.counters import Counters
from doorward.shared.memory import MemoryCounters
from doorward.shared.memory_cache import MemoryCache
from doorward.store.budgets import BudgetRows
from doorward.store.calls import Calls
from doorward.store.leases import Leases
from doorward.store.objects import Objects
from doorward.store.prices import PriceOverrides
from doorward.store.processes import Processes
from doorward.telemetry.trace_context import outgoing
from doorward.upstream.breaker import BreakerLimits
from doorward.upstream.credentials import Credentials
from doorward.upstream.health import Health

REDIS_WAIT_S = 0.5
"""The longest that a call waits for Redis before the process goes on alone."""


@dataclass(frozen=True, slots=True)
class Traffic:
    ledger: Ledger
    budgets: Budgets
    health: Health
    fetch: ModelFetch
    pipeline: Pipeline
    adapters: Adapters
    proxy: Proxy
    telemetry: Telemetry


async def open_road(settings: Settings, clock: Clock, start_id: str, ground: Ground, running: Running) -> Traffic:
    """Raises `PricesError` (a failure to load prices never makes calls free) and what a bad configuration file says."""
    prices = Prices.load(overrides=overrides_of(settings.price_overrides), clock=clock)
    journal = settings.data_dir / "journal"
    gauges = Gauges()
    telemetry = switch_on(settings, model_label(ground.catalogue.now, prices), gauges, running)
    feed, shelf = telemetry.feed, Calls(ground.store)
    ledger = Ledger(journal, start_id, shelf, prices, clock, sync_s=settings.journal_sync_s, witness=feed)
    await ledger.start()
    running.close_later(ledger.stop)
    budgets = _budgets(settings, clock, start_id, ground, prices, ledger)
    await budgets.start()
    running.close_later(budgets.stop)

    trace = outgoing if telemetry.exporter is not None else None
    sender = Sender(ground.transports, Credentials(ground.vault), clock, trace)
    router = Router(ground.catalogue.now, lambda caller: no_account(settings.custody, caller), _time_limits(settings))
    health = Health(clock, BreakerLimits(open_s=settings.breaker_open_s, most_open_s=2 * settings.breaker_open_s))
    meter = Meter(prices, clock)
    share = LocalShare(Processes(ground.store, start_id, journal).count, settings.refresh_s)
    await share.look()
    running.keep(share.run(), "local share")
    counters, cache = _shared(settings, clock, running, share)
    limits = Limits(counters, lambda: ground.catalogue.now().limits)
    running.keep(limits.run(), "seats")
    failover = Failover(
        sender,
        Balance(health),
        health,
        meter,
        prices.facts,
        clock,
        AccountLimits(limits),
        retry_wait_s=settings.retry_wait_s,
        gate_s=settings.gate_s,
    )
    idempotency = Idempotency(ground.store, ground.vault, running_s=settings.total_s + settings.retry_wait_s)
    running.keep(idempotency.run(), "kept answers")
    content_log = ContentLog(ground.store, ground.vault)
    running.keep(content_log.run(), "call contents")
    running.keep(content_log.sweep_on(), "old call contents")
    ownership = Ownership(Objects(ground.store))
    fetch = ModelFetch(sender, clock)
    running.keep(Quarantine(ground.accounts, ground.catalogue, health, fetch, clock).run(), "quarantine")
    admission = Admission(
        clock,
        max_open=settings.max_open_calls,
        max_waiting=settings.max_waiting_calls,
        wait_s=settings.admission_wait_s,
        memory_bytes=settings.memory_bytes,
    )
    running.keep(admission.run(), "admission")
    pipeline = Pipeline(
        admission=admission,
        router=router,
        ledger=ledger,
        limits=limits,
        budgets=budgets,
        response_cache=ResponseCache(cache, on=settings.cache, ttl_s=settings.cache_ttl_s),
        shared_calls=SharedCalls(idempotency),
        failover=failover,
        ownership=ownership,
        binding=Binding(ownership),
        content_log=content_log,
        models=ModelList(ground.catalogue.now, fetch.models, fetch.known, clock),
        files=FileList(ownership, router, failover),
    )

    private = settings.allow_private_upstreams
    files = [file for file in (settings.config, settings.adapters) if file is not None]
    adapters = Adapters(files, environment(), allow_private=private)
    adapters.start()
    running.keep(adapters.run(), "adapters")
    proxy = Proxy(
        ground.transport,
        admission,
        ledger,
        limits,
        budgets,
        meter,
        clock,
        allow_private=private,
        retry_wait_s=settings.retry_wait_s,
    )
    gauges.ledger, gauges.budgets, gauges.health = ledger, budgets, health
    await open_metrics_port(settings, telemetry, running)
    return Traffic(ledger, budgets, health, fetch, pipeline, adapters, proxy, telemetry)


def _budgets(settings: Settings, clock: Clock, start_id: str, ground: Ground, prices: Prices, ledger: Ledger) -> Budgets:
    rows, journal = BudgetRows(ground.store), settings.data_dir / "journal"
    cap, assumed = settings.spend_cap_usd, settings.assume_price_usd
    return Budgets(
        rows,
        Leases(ground.store),
        prices,
        start_id,
        # a journal directory belongs to one machine; a process has ended when no file there bears its name
        home=f"{platform.node()}:{journal.absolute()}",
        is_gone=lambda process: not any(journal.glob(f"{process}-*")),
        spend_cap_nanos=None if cap is None else nanos_of_usd(cap),
        bounds=Bounds(settings.max_output_tokens, None if assumed is None else nanos_of_usd(assumed)),
        alerts=Alerts(rows, ground.webhooks),
        overrides=PriceOverrides(ground.store),
        journal=ledger,
        clock=clock,
        refresh_s=settings.refresh_s,
    )


def _shared(settings: Settings, clock: Clock, running: Running, share: LocalShare) -> tuple[Counters, Cache]:
    """What several processes count and keep together, where there is a Redis; else each its share of limits, and its own cache."""
    if settings.redis_url is None:
        return MemoryCounters(clock, parts=share), MemoryCache(clock, settings.cache_bytes)
    # Imported where it is used: the client of a service that most installations do not run
    from doorward.shared.away import Away
    from doorward.shared.redis import RedisCounters, connect
    from doorward.shared.redis_cache import RedisCache

    redis = connect(settings.redis_url)
    running.close_later(redis.aclose)
    away = Away(clock, wait_s=REDIS_WAIT_S)
    return RedisCounters(redis, clock, away=away, parts=share), RedisCache(redis, clock, away=away)


def _time_limits(settings: Settings) -> TimeLimits:
    s = settings
    return TimeLimits(s.connect_s, s.first_event_streamed_s, s.first_event_whole_s, s.idle_s, s.total_s)
