"""Model and caller -> where the call may go. Pure: it reads one snapshot and decides nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from doorward.core.caller import Caller
from doorward.core.errors import BadRequest, DoorwardError, Forbidden, NotFound, UnknownModel
from doorward.core.exchange import Exchange
from doorward.objects.ownership import Bound
from doorward.providers.catalog import REMEMBERED, Catalog, matches
from doorward.providers.provider import Account, Provider
from doorward.providers.route import Plan, Route, TimeLimits
from doorward.wire.endpoints import Endpoint


class Router:
    def __init__(
        self,
        catalog: Callable[[], Catalog],
        no_account: Callable[[Caller], DoorwardError],
        limits: TimeLimits,
    ) -> None:
        self._catalog = catalog
        self._no_account = no_account
        self._limits = limits
        self._remembered: dict[tuple[str, frozenset[str], tuple[str, ...] | None], Route] = {}
        self._snapshot: Catalog | None = None
        """The one that `_remembered` was found in."""

    def resolve(self, exchange: Exchange, caller: Caller, endpoint: Endpoint, bound: Bound | None = None) -> Route:
        """Raises `UnknownModel`, `Forbidden`, `BadRequest`, or what custody says where no key is set."""
        catalog = self._catalog()
        asked = exchange.asks.model
        if asked is not None and caller.models is not None and not any(matches(pattern, asked) for pattern in caller.models):
            raise Forbidden(f"This key may not use the model {asked!r}. Allowed: {', '.join(caller.models)}.", param="model")
        if bound is not None:
            return self._pinned(catalog, bound, asked, caller)
        if asked is None:
            return self._without_model(catalog, exchange, caller, endpoint)
        if catalog is not self._snapshot:
            self._snapshot = catalog
            self._remembered = {}
        wanted = (asked, caller.draws_on, caller.models)
        route = self._remembered.get(wanted)
        if route is None:
            route = self._found(catalog, asked, caller)
            if len(self._remembered) < REMEMBERED:
                self._remembered[wanted] = route
        return route

    def _found(self, catalog: Catalog, asked: str, caller: Caller) -> Route:
        found = catalog.find(asked, caller.draws_on)
        if found is None:
            raise UnknownModel(
                f"The model {asked!r} does not exist here: no provider lists it. GET /v1/models shows what this key may use.",
                param="model",
            )
        provider, model = found
        plans = self._plans(catalog, provider, model, caller)
        if not plans:
            raise self._no_account(caller)
        return self._with_fallback(catalog, asked, model, plans, caller)

    def _with_fallback(self, catalog: Catalog, asked: str, model: str, plans: tuple[Plan, ...], caller: Caller) -> Route:
        why = f"{model} at {plans[0].provider.id}"
        rule = catalog.fallback_for(asked) or (catalog.fallback_for(model) if model != asked else None)
        if rule is None:
            return Route(asked, plans, limits=self._limits, why=why)
        for name in rule.models:
            other = catalog.find(name, caller.draws_on)
            # A key's allow-list holds for fallbacks too; a model never falls back to itself.
            if other is None or (other[1] == model and other[0].id == plans[0].provider.id):
                continue
            if caller.models is None or any(matches(pattern, name) for pattern in caller.models):
                plans += self._plans(catalog, other[0], other[1], caller)
        limits = self._limits
        if rule.first_event_timeout_s is not None:
            whole = rule.first_event_timeout_s
            limits = replace(limits, first_event_streamed_s=whole, first_event_whole_s=whole)
        if rule.idle_timeout_s is not None:
            limits = replace(limits, idle_s=rule.idle_timeout_s)
        has_fallback = any(plan.model != model or plan.provider.id != plans[0].provider.id for plan in plans)
        return Route(asked, plans, rule.rescue, has_fallback, limits, why=f"{why}, by route {rule.match}")

    def _without_model(self, catalog: Catalog, exchange: Exchange, caller: Caller, endpoint: Endpoint) -> Route:
        if (
            endpoint.bills != "free"
            and endpoint.objects == "none"
            and exchange.method == "POST"
            and endpoint.kind not in ("moderation", "image")
        ):
            raise BadRequest("You must say which model: the request has no `model`.", param="model")
        header = exchange.header(b"x-doorward-provider")
        named = header.decode("latin-1") if header is not None else None
        provider = catalog.without_model(named, caller.draws_on)
        if provider is None:
            raise NotFound(f"There is no provider {named!r}." if named else "There is no provider to send this to.")
        plans = self._plans(catalog, provider, None, caller)
        if not plans:
            raise self._no_account(caller)
        return Route(None, plans, limits=self._limits, why=f"no model named, so {provider.id}")

    def _pinned(self, catalog: Catalog, bound: Bound, asked: str | None, caller: Caller) -> Route:
        provider = catalog.providers.get(bound.provider_id)
        account = catalog.accounts.get(bound.account_id) if bound.account_id else None
        usable = account is not None and account.owner in caller.draws_on and account.is_active
        if provider is None or (provider.needs_key and not usable):
            raise NotFound("The account that holds this object is no longer in use.")
        model = asked.removeprefix(provider.id + "/") if asked else None
        plan = Plan(provider, account if provider.needs_key else None, model)
        return Route(asked, (plan,), limits=self._limits, pinned=True, why=f"bound to {provider.id} by a stored object")

    @staticmethod
    def _plans(catalog: Catalog, provider: Provider, model: str | None, caller: Caller) -> tuple[Plan, ...]:
        if not provider.needs_key:
            return (Plan(provider, None, model),)
        accounts: tuple[Account, ...] = catalog.keyed_accounts(provider.id, caller.draws_on)
        return tuple(Plan(provider, account, model) for account in accounts)
