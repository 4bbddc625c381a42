"""`/v1/models`: what this caller may use.

Upstreams' own lists are kept 10 minutes for each (provider, account); where none can be had, the models known by
name. Providers that a caller has no account on are not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

import msgspec

from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import UnknownModel
from doorward.core.exchange import Exchange, Reply
from doorward.providers.catalog import Catalog, matches
from doorward.providers.provider import Account, Provider

KEPT_S = 600.0
_FAILED_KEPT_S = 30.0
"""After a failure the known models serve this long before the upstream is asked again."""

Fetch = Callable[[Provider, Account | None], Awaitable[list["Model"]]]
Known = Callable[[Provider], Iterable[str]]


class Model(msgspec.Struct):
    """One row of an upstream's list; fields that we do not know are not kept."""

    id: str
    created: int = 0
    owned_by: str = ""
    object: str = "model"


class Listed(msgspec.Struct):
    data: list[Model]
    object: str = "list"


@dataclass(slots=True)
class _Kept:
    models: list[Model]
    until_s: float


class ModelList:
    """`fetch` asks an upstream and may raise anything; `known` names models without asking."""

    def __init__(self, catalog: Callable[[], Catalog], fetch: Fetch, known: Known, clock: Clock) -> None:
        self._catalog = catalog
        self._fetch = fetch
        self._known = known
        self._clock = clock
        self._kept: dict[tuple[str, str | None], _Kept] = {}

    async def reply(self, exchange: Exchange, caller: Caller, asked: str | None) -> Reply:
        models = await self.usable(caller)
        if asked is None:
            return _json(msgspec.json.encode(Listed(models)))
        for model in models:
            if model.id == asked:
                return _json(msgspec.json.encode(model))
        raise UnknownModel(f"The model {asked!r} does not exist here, or this key may not use it.", param="model")

    async def usable(self, caller: Caller) -> list[Model]:
        """Each model once, by the provider that a call naming it would reach; aliases included."""
        catalog = self._catalog()
        served = [provider for provider in catalog.providers.values() if catalog.serves(provider, caller.draws_on)]
        lists = await asyncio.gather(*(self._list(catalog, provider, caller) for provider in served))
        found: dict[str, Model] = {}
        for provider, models in zip(served, lists, strict=True):
            for model in models:
                place = catalog.find(model.id, caller.draws_on)
                if place is not None and place[0].id == provider.id:
                    found.setdefault(model.id, model)
        for alias in catalog.aliases:
            if catalog.find(alias, caller.draws_on) is not None:
                found.setdefault(alias, Model(alias, owned_by="doorward"))
        allowed = caller.models
        return [m for m in found.values() if allowed is None or any(matches(pattern, m.id) for pattern in allowed)]

    async def _list(self, catalog: Catalog, provider: Provider, caller: Caller) -> list[Model]:
        accounts = catalog.usable_accounts(provider.id, caller.draws_on) if provider.needs_key else ()
        account = accounts[0] if accounts else None
        wanted = (provider.id, account.id if account else None)
        kept = self._kept.get(wanted)
        now = self._clock.monotonic()
        if kept is not None and now < kept.until_s:
            return kept.models
        try:
            models = await self._fetch(provider, account)
            until = now + KEPT_S
        except Exception:  # a list is a convenience: whatever failed, the models known by name are an answer  # noqa: BLE001
            models = kept.models if kept is not None else [Model(name, owned_by=provider.id) for name in self._known(provider)]
            until = now + _FAILED_KEPT_S
        if len(self._kept) > 10_000:  # one entry for each user's account: bounded
            self._kept.clear()
        self._kept[wanted] = _Kept(models, until)
        return models


def _json(body: bytes) -> Reply:
    async def chunks() -> AsyncIterator[bytes]:
        yield body

    return Reply(200, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))], chunks(), whole=True)
