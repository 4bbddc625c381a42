"""The composition root: it builds every room, names every implementation, and owns start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import platform
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from doorward import __version__
from doorward.adapters.watch import Adapters
from doorward.core.caller import OPERATOR
from doorward.core.clock import SystemClock
from doorward.core.errors import Unavailable
from doorward.core.money import nanos_of_usd
from doorward.core.secret import Secret
from doorward.edge.adapters import PAGE_DOOR, PROGRAM_DOOR, AdapterDoor
from doorward.edge.client_js import ClientFiles
from doorward.edge.control_plane.money import Money
from doorward.edge.control_plane.parts import Parts
from doorward.edge.control_plane.plane import control_plane
from doorward.edge.custodian import Custodian
from doorward.edge.data_plane import BodyLimits, DataPlane
from doorward.edge.keysmith import Keysmith
from doorward.edge.peer import Peers
from doorward.edge.probes import Probes
from doorward.edge.protocol_head import Limits as ProtocolLimits
from doorward.edge.root import Root
from doorward.edge.server import serve
from doorward.edge.trial import Trial
from doorward.identity.credentials import Credentials
from doorward.identity.custody import no_account
from doorward.identity.site import Site
from doorward.ledger.alerts import Alerts
from doorward.ledger.budgets import Budgets
from doorward.ledger.estimates import Estimates
from doorward.ledger.holds import Bounds
from doorward.ledger.ledger import Ledger
from doorward.ledger.reports import Accounting
from doorward.ledger.treasury import Treasury
from doorward.objects.ownership import Ownership
from doorward.providers.catalog import OPENAI
from doorward.providers.prices import Prices, overrides_of
from doorward.providers.provider import Account
from doorward.providers.route import TimeLimits
from doorward.relay.attempt import Sender
from doorward.relay.balance import Balance
from doorward.relay.binding import Binding
from doorward.relay.catalogue import Catalogue
from doorward.relay.failover import Failover
from doorward.relay.idempotency import Idempotency
from doorward.relay.limits import Limits
from doorward.relay.listing import FileList
from doorward.relay.meter import Meter
from doorward.relay.metering import Meterings
from doorward.relay.model_fetch import ModelFetch
from doorward.relay.models import ModelList
from doorward.relay.pipeline import Pipeline
from doorward.relay.proxy import Proxy
from doorward.relay.response_cache import ResponseCache
from doorward.relay.router import Router
from doorward.relay.shared_calls import SharedCalls
from doorward.settings import Settings, environment
from doorward.shared.cache import Cache
from doorward.shared.counters import Counters
from doorward.shared.memory import MemoryCounters
from doorward.shared.memory_cache import MemoryCache
from doorward.simulator.app import Simulator
from doorward.simulator.faults import Behaviour
from doorward.simulator.in_process import SimulatorTransport
from doorward.store.accounts import Accounts
from doorward.store.budgets import BudgetRows
from doorward.store.calls import Calls
from doorward.store.client_keys import ClientKeys
from doorward.store.engine import Store
from doorward.store.leases import Leases
from doorward.store.objects import Objects
from doorward.store.prices import PriceOverrides
from doorward.store.providers import Providers
from doorward.telemetry.logs import configure as configure_logs
from doorward.upstream.breaker import BreakerLimits
from doorward.upstream.credentials import Credentials as UpstreamCredentials
from doorward.upstream.health import Health
from doorward.upstream.port import Lost, Silent, Stage, Transport
from doorward.upstream.transport import HttpTransport
from doorward.upstream.webhooks import Webhooks
from doorward.vault.no_dumps import forbid_dumps
from doorward.vault.opening import open_vault
from doorward.vault.vault import Vault

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger("doorward.app")

ENV_LABEL = "env"
"""The account that a key in the environment becomes (R54)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the first start tells people."""

    master_key_created: bool
    master_key_path: Path | None
    openai_from_env: bool
    openai_configured: bool


class App:
    """One process of Doorward. `start` builds the rooms from the ground up; `stop` leaves them in the other order."""

    asgi: Root
    facts: Facts
    pipeline: Pipeline

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.start_id = secrets.token_hex(8)
        self.draining = False
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = contextlib.AsyncExitStack()

    async def start(self) -> None:
        try:
            await self._build()
        except BaseException:
            await self._closing.aclose()
            raise

    async def _build(self) -> None:
        settings, clock = self.settings, self.clock

        # Ground floors: database, vault, the snapshot of what is upstream
        self.store = await Store.open(settings.url)
        self._closing.push_async_callback(self.store.close)
        vault, created = await self._open_vault()
        self.providers, accounts = Providers(self.store), Accounts(self.store)
        self.client_keys = ClientKeys(self.store)
        custodian = self.custodian = Custodian(self.store, self.providers, accounts, vault.deposit(), settings.openai_base_url)
        from_env = await self._accounts_from_environment(custodian, accounts)
        self.catalogue = Catalogue(self.store, settings.refresh_s, settings.openai_base_url, settings.allow_private_upstreams)
        await self.catalogue.start()
        self._closing.push_async_callback(self.catalogue.stop)
        self.facts = Facts(
            created is not None,
            created,
            from_env,
            bool(self.catalogue.now().usable_accounts(OPENAI, frozenset({OPERATOR}))),
        )

        # Who calls, and what is kept about calls
        self.credentials = Credentials(self.client_keys, None, clock, settings.custody, keep_s=settings.key_cache_s)
        self._keep_running(self.credentials.run(), "last uses")
        ownership = Ownership(Objects(self.store))
        prices = Prices.load(overrides=overrides_of(settings.price_overrides), clock=clock)
        self.ledger = self._ledger(prices)
        await self.ledger.start()
        self._closing.push_async_callback(self.ledger.stop)

        # The relay
        transport = HttpTransport()
        self._closing.push_async_callback(transport.close)
        simulator = SimulatorTransport(Simulator(Behaviour(any_model=False)), _lost, _silent)
        transports: dict[str, Transport] = {"https": transport, "http": transport, "simulator": simulator}
        sender = Sender(transports, UpstreamCredentials(vault), clock)
        router = Router(self.catalogue.now, lambda caller: no_account(settings.custody, caller), self._time_limits())
        health = self.health = Health(clock, BreakerLimits(open_s=settings.breaker_open_s, most_open_s=2 * settings.breaker_open_s))
        meter = Meter(prices, clock)
        failover = Failover(sender, Balance(health), health, meter, prices.facts, clock, retry_wait_s=settings.retry_wait_s)
        self.budgets = self._budgets(prices, transport)
        await self.budgets.start()
        self._closing.push_async_callback(self.budgets.stop)
        limits = Limits(self._counters())
        self._keep_running(limits.run(), "seats")
        fetch = ModelFetch(sender, clock)
        idempotency = Idempotency(self.store, vault, running_s=settings.total_s + settings.retry_wait_s)
        self._keep_running(idempotency.run(), "kept answers")
        self.pipeline = Pipeline(
            router=router,
            ledger=self.ledger,
            limits=limits,
            budgets=self.budgets,
            response_cache=ResponseCache(self._cache(), on=settings.cache, ttl_s=settings.cache_ttl_s),
            shared_calls=SharedCalls(idempotency),
            failover=failover,
            ownership=ownership,
            binding=Binding(ownership),
            models=ModelList(self.catalogue.now, fetch.models, fetch.known, clock),
            files=FileList(ownership, router, failover),
        )

        # Adapters: any HTTP API behind the same door
        self.adapters = self._adapters_in_force()
        self._keep_running(self.adapters.run(), "adapters")
        proxy = Proxy(
            transport,
            self.ledger,
            limits,
            self.budgets,
            meter,
            clock,
            allow_private=settings.allow_private_upstreams,
            retry_wait_s=settings.retry_wait_s,
        )

        # The front doors
        peers = Peers(settings.trusted_proxies)
        bodies = BodyLimits(settings.max_json_bytes, settings.max_file_bytes, settings.spool_bytes, settings.data_dir / "spool")
        data_plane = DataPlane(self.pipeline, self.credentials, peers, bodies, clock)
        site = Site.of(settings.public_url, settings.port)
        meterings = Meterings(self.catalogue.now)
        adapter_door = AdapterDoor(self.adapters, proxy, meterings, self.credentials, peers, site, bodies, clock)
        parts = Parts(
            providers=self.providers,
            accounts=accounts,
            client_keys=self.client_keys,
            custodian=custodian,
            keysmith=Keysmith(self.store, self.client_keys),
            credentials=self.credentials,
            peers=peers,
            clock=clock,
            changed=self.catalogue.changed,
            try_account=Trial(self.catalogue, accounts, fetch, clock).try_account,
            version=__version__,
            accounting=Accounting.over(self.store),
            money=Money(treasury := self._treasury(), self.budgets, Estimates(self.budgets, treasury, self.pipeline.route)),
            allow_private=settings.allow_private_upstreams,
        )
        checks = {"database": self._database_answers, "catalogue": self._catalogue_loaded}
        probes = Probes(checks, lambda: self.draining, notes=self._notes)
        self.asgi = Root(
            [
                ("/v1/", data_plane),
                (PROGRAM_DOOR, adapter_door),
                (PAGE_DOOR, adapter_door),
                ("/api/v1", control_plane(parts)),
                ("/client.", ClientFiles()),
                ("/healthz", probes),
                ("/readyz", probes),
            ],
            self._nothing,
            self._nothing,
        )

    async def stop(self) -> None:
        self.draining = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._closing.aclose()

    async def _open_vault(self) -> tuple[Vault, Path | None]:
        settings = self.settings
        value = settings.master_key
        return await open_vault(
            self.store,
            value=Secret(value.get_secret_value()) if value is not None else None,
            file=settings.master_key_file,
            data_dir=settings.data_dir,
            clock=self.clock,
            cache_s=settings.key_cache_s,
        )

    async def _accounts_from_environment(self, custodian: Custodian, accounts: Accounts) -> bool:
        """`OPENAI_API_KEY` and `ANTHROPIC_API_KEY` become the operator's accounts `env`; a new value replaces the old."""
        settings = self.settings
        for provider_id, key in ((OPENAI, settings.openai_api_key), ("anthropic", settings.anthropic_api_key)):
            if key is None:
                continue
            secret = Secret(key.get_secret_value())
            existing = {account.label: account for account in await accounts.of_owner(OPERATOR, provider_id)}
            known: Account | None = existing.get(ENV_LABEL)
            organization = settings.openai_org_id if provider_id == OPENAI else None
            if known is None:
                await custodian.take_in(provider_id, ENV_LABEL, secret, {"organization": organization})
            else:
                await custodian.replace_key(known.id, secret, {"organization": organization})
        return settings.openai_api_key is not None

    def _ledger(self, prices: Prices) -> Ledger:
        settings = self.settings
        return Ledger(
            settings.data_dir / "journal", self.start_id, Calls(self.store), prices, self.clock, sync_s=settings.journal_sync_s
        )

    def _budgets(self, prices: Prices, transport: Transport) -> Budgets:
        settings, journal = self.settings, self.settings.data_dir / "journal"
        rows, webhook = BudgetRows(self.store), None
        if settings.alert_webhook_url is not None:
            secret = Secret(settings.alert_webhook_secret.get_secret_value() if settings.alert_webhook_secret else "")
            private = settings.allow_private_upstreams
            webhook = Webhooks(transport, settings.alert_webhook_url, secret, self.clock, allow_private=private)
        assumed = settings.assume_price_usd
        return Budgets(
            rows,
            Leases(self.store),
            prices,
            self.start_id,
            # a journal directory belongs to one machine; a process has ended when no file there bears its name
            home=f"{platform.node()}:{journal.absolute()}",
            is_gone=lambda process: not any(journal.glob(f"{process}-*")),
            spend_cap_nanos=None if settings.spend_cap_usd is None else nanos_of_usd(settings.spend_cap_usd),
            bounds=Bounds(settings.max_output_tokens, None if assumed is None else nanos_of_usd(assumed)),
            alerts=Alerts(rows, webhook),
            overrides=PriceOverrides(self.store),
            journal=self.ledger,
            clock=self.clock,
            refresh_s=settings.refresh_s,
        )

    def _treasury(self) -> Treasury:
        cap = self.settings.spend_cap_usd
        fixed = None if cap is None else nanos_of_usd(cap)
        return Treasury(BudgetRows(self.store), PriceOverrides(self.store), self.clock, fixed_nanos=fixed)

    def _counters(self) -> Counters:
        if self.settings.redis_url is None:
            return MemoryCounters(self.clock)
        from doorward.shared.redis import RedisCounters

        return RedisCounters(self._redis(self.settings.redis_url), self.clock)

    def _cache(self) -> Cache:
        if self.settings.redis_url is None:
            return MemoryCache(self.clock, self.settings.cache_bytes)
        from doorward.shared.redis_cache import RedisCache

        return RedisCache(self._redis(self.settings.redis_url), self.clock)

    def _redis(self, url: str) -> Redis:
        # Imported where it is used: the client of a service that most installations do not run
        from doorward.shared.redis import connect

        redis = connect(url)
        self._closing.push_async_callback(redis.aclose)
        return redis

    def _time_limits(self) -> TimeLimits:
        s = self.settings
        return TimeLimits(s.connect_s, s.first_event_streamed_s, s.first_event_whole_s, s.idle_s, s.total_s)

    def _adapters_in_force(self) -> Adapters:
        """Raises `BadRequest` with every problem of the files."""
        settings = self.settings
        files = [file for file in (settings.config, settings.adapters) if file is not None]
        adapters = Adapters(files, environment(), allow_private=settings.allow_private_upstreams)
        adapters.start()
        return adapters

    def _notes(self) -> dict[str, str]:
        if not self.adapters.problems:
            return {}
        return {"config": "the file was changed and has errors; what was read before is in force; the log has the lines"}

    def _keep_running(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _database_answers(self) -> None:
        async with self.store.reading() as connection:
            await self.store.now_s(connection)

    async def _catalogue_loaded(self) -> None:
        if not self.catalogue.loaded:
            raise Unavailable("The catalogue is not loaded.")

    async def _nothing(self) -> None:
        """The server's own lifespan events: start and stop belong to `run`, which reports their errors better."""


def _lost(message: str, stage: int) -> Exception:
    return Lost(message, Stage(stage))


def _silent(message: str, stage: int) -> Exception:
    return Silent(message, Stage(stage))


def create(settings: Settings) -> App:
    return App(settings)


def run(settings: Settings, tls_cert: Path | None, tls_key: Path | None, on_ready: Callable[[App, int], None]) -> None:
    """Serve until SIGTERM or Ctrl+C. `on_ready` is told the app and the port that was bound.

    Raises what the rooms raise at start (`DoorwardError`s that say what to do) and `OSError` for the address.
    """
    import uvloop

    forbid_dumps()
    configure_logs(settings.log_level)
    uvloop.run(_serve(settings, tls_cert, tls_key, on_ready))


async def _serve(settings: Settings, tls_cert: Path | None, tls_key: Path | None, on_ready: Callable[[App, int], None]) -> None:
    app = App(settings)
    await app.start()
    try:
        await serve(
            app.asgi,
            host=settings.host,
            port=settings.port,
            tls_cert=tls_cert,
            tls_key=tls_key,
            limits=ProtocolLimits(
                max_head_bytes=settings.max_head_bytes,
                max_head_fields=settings.max_head_fields,
                head_timeout_s=settings.head_timeout_s,
                body_stall_s=settings.body_stall_s,
                slow_reader_s=settings.slow_reader_s,
                keep_alive_s=settings.keep_alive_s,
            ),
            drain_s=settings.drain_s,
            on_ready=lambda host, port: on_ready(app, port),
        )
    finally:
        await app.stop()
