"""The request path, top to bottom. What is held on the way is released by leaving, in every way a call can end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from doorward.core.caller import Caller
from doorward.core.errors import NotAvailableYet
from doorward.core.exchange import Exchange, Reply
from doorward.ledger.budgets import Budgets
from doorward.ledger.ledger import Ledger
from doorward.objects.ownership import Ownership
from doorward.providers.route import Route
from doorward.relay.admission import Admission
from doorward.relay.binding import Binding
from doorward.relay.content_log import ContentLog
from doorward.relay.failover import Failover
from doorward.relay.limits import Limits
from doorward.relay.listing import FileList
from doorward.relay.models import ModelList
from doorward.relay.response_cache import ResponseCache
from doorward.relay.router import Router
from doorward.relay.shared_calls import SharedCalls
from doorward.wire.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Pipeline:
    admission: Admission
    router: Router
    ledger: Ledger
    limits: Limits
    budgets: Budgets
    response_cache: ResponseCache
    shared_calls: SharedCalls
    failover: Failover
    ownership: Ownership
    binding: Binding
    content_log: ContentLog
    models: ModelList
    files: FileList

    async def route(self, exchange: Exchange, caller: Caller, endpoint: Endpoint) -> Route:
        """Where a call would go, without making it."""
        bound = await self.ownership.bound(caller, exchange.asks.object_ids)
        return self.router.resolve(exchange, caller, endpoint, bound)

    @asynccontextmanager
    async def open(self, exchange: Exchange, caller: Caller, endpoint: Endpoint, ids: Mapping[str, str]) -> AsyncIterator[Reply]:
        """One call of `caller`; the reply must be read inside the block."""
        async with self.admission.place(caller.owner), self.ledger.entry(caller, exchange, endpoint) as entry:
            if endpoint.objects == "later" and not caller.is_admin:
                raise NotAvailableYet(
                    f"{exchange.path} is not open to keys without admin scope yet: its objects cannot be kept apart."
                )
            async with self.limits.slot(caller, exchange, entry) as slot:
                if endpoint.kind == "models":
                    yield slot.show(await self.models.reply(exchange, caller, ids.get("model")))
                    return
                if endpoint.template == "/v1/files" and exchange.method == "GET":
                    yield slot.show(await self.files.reply(exchange, caller, endpoint, entry))
                    return
                bound = await self.ownership.bound(caller, (*ids.values(), *exchange.asks.object_ids))
                route = entry.route = self.router.resolve(exchange, caller, endpoint, bound)
                page = None if caller.content_days is None else await self.content_log.page(caller, exchange, endpoint, entry)
                key = self.response_cache.key(caller, exchange, endpoint, route)
                if (cached := await self.response_cache.find(caller, key, exchange, entry)) is not None:
                    yield slot.show(cached if page is None else page.through(cached))
                    return
                fresh = key is not None and self.response_cache.is_bypassed(exchange)
                sharing = self.shared_calls.through(exchange, caller, entry, key, fresh=fresh)
                async with sharing as joined:
                    if joined is not None:
                        yield slot.show(joined if page is None else page.through(joined))
                        return
                    async with (
                        self.budgets.hold(caller, route, exchange, entry),
                        self.failover.open(route, exchange, endpoint, entry) as reply,
                    ):
                        bound_reply = self.binding.through(reply, exchange, caller, endpoint, entry)
                        said = bound_reply if page is None else page.through(bound_reply)
                        yield slot.show(sharing.tee(self.response_cache.record(said, caller, key)))
