"""Routes, aliases and limits as people set them: checked here once, for the control plane and the command line.

What makes no sense is refused when it is set, with the reason (R29): whoever sets it is there to read it; whoever
calls later is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from doorward.core.caller import NO_LIMITS, KeyLimits
from doorward.core.errors import Conflict, NotFound, Unprocessable
from doorward.edge.bounds import check_bounds
from doorward.edge.provider_form import models as checked_models
from doorward.providers.catalog import Catalog
from doorward.store.accounts import Accounts
from doorward.store.budgets import BudgetRows
from doorward.store.call_limits import CallLimits
from doorward.store.engine import Store
from doorward.store.providers import Providers
from doorward.store.routes import Aliases, RouteRule, Routes

MOST_FALLBACKS = 8
SOONEST_S = 0.1


class Signposts:
    """`total_s`: what a whole call may take; no time limit of a route can be longer."""

    def __init__(self, store: Store, total_s: float) -> None:
        self._providers = Providers(store)
        self._accounts = Accounts(store)
        self._users = BudgetRows(store)
        self._routes = Routes(store)
        self._aliases = Aliases(store)
        self._limits = CallLimits(store)
        self._total_s = total_s

    async def routes(self) -> list[RouteRule]:
        return await self._routes.all()

    async def set_route(self, wish: RouteRule, *, force: bool = False) -> RouteRule:
        """Add, or replace the route with the same `match`. `force`: models may be unknown. Raises `Unprocessable`."""
        match = _pattern(wish.match, "match")
        fallbacks = tuple(dict.fromkeys(name.strip() for name in wish.fallbacks if name.strip()))
        if not fallbacks:
            raise Unprocessable("A route needs at least one fallback model.", param="fallbacks")
        if len(fallbacks) > MOST_FALLBACKS:
            raise Unprocessable(f"A route has at most {MOST_FALLBACKS} fallback models.", param="fallbacks")
        catalog = await self._catalog()
        for name in fallbacks:
            _model(name, "fallbacks")
            self._not_itself(catalog, match, name)
            if not force and catalog.find(name, frozenset()) is None:
                raise _unknown(name, "fallbacks")
        if not force and not match.endswith("*") and catalog.find(match, frozenset()) is None:
            raise _unknown(match, "match")
        rule = RouteRule(
            match,
            fallbacks,
            self._time(wish.first_event_timeout_s, "first_event_timeout_s"),
            self._time(wish.idle_timeout_s, "idle_timeout_s"),
            wish.rescue,
        )
        await self._routes.set(rule)
        return rule

    async def remove_route(self, match: str) -> None:
        if not await self._routes.remove(match):
            raise NotFound("There is no such route. doorward route list shows them.")

    async def aliases(self) -> dict[str, str]:
        return await self._aliases.all()

    async def set_alias(self, name: str, model: str, *, force: bool = False) -> None:
        """Calls for `name` go to `model`. Raises `Unprocessable` or `Conflict`."""
        _model(name, "name")
        _model(model, "model")
        if name.lower() == model.lower():
            raise Unprocessable("A model cannot be another name of itself.", param="model")
        catalog = await self._catalog()
        if name.partition("/")[0] in catalog.providers and "/" in name:
            raise Unprocessable("This name begins with a provider's id, so it would never be looked up.", param="name")
        others = {other: target for other, target in catalog.aliases.items() if other != name.lower()}
        if model.lower() in others:
            raise Conflict(f"{model} is another name itself. Name the model that it stands for.", param="model")
        if name.lower() in {target.lower() for target in others.values()}:
            raise Conflict(f"Another name stands for {name} already; names are not followed twice.", param="name")
        if not force and catalog.find(model, frozenset()) is None:
            raise _unknown(model, "model")
        await self._aliases.set(name, model)

    async def remove_alias(self, name: str) -> None:
        if not await self._aliases.remove(name):
            raise NotFound("There is no such name. doorward model list shows them.")

    async def limits(self) -> dict[str, KeyLimits]:
        return await self._limits.all()

    async def set_limits(self, subject: str, bounds: KeyLimits) -> str:
        """Limits of ``user:EMAIL``, ``user:ID`` or ``account:ID``, in place of what stood there -> the subject by id."""
        check_bounds(bounds)
        if bounds == NO_LIMITS:
            raise Unprocessable("No limit was named. To lift them all, remove them.", param="rpm")
        resolved = await self._resolve(subject)
        await self._limits.set(resolved, bounds)
        return resolved

    async def remove_limits(self, subject: str) -> str:
        resolved = subject if subject.startswith("account:") else await self._resolve(subject)
        if not await self._limits.remove(resolved):
            raise NotFound("There are no limits of this user or account.", param="subject")
        return resolved

    async def _resolve(self, subject: str) -> str:
        kind, _, name = subject.partition(":")
        if kind == "account" and name:
            if await self._accounts.get(name) is None:
                raise NotFound("There is no such account. doorward account list shows them.", param="subject")
            return subject
        if kind != "user" or not name:
            raise Unprocessable("Limits are of user:EMAIL or account:ID; a client key's own are set with it.", param="subject")
        found = await self._users.user_id(name)
        if found is None:
            raise NotFound("There is no such user. doorward user list shows them.", param="subject")
        return f"user:{found}"

    async def _catalog(self) -> Catalog:
        return Catalog(await self._providers.all(), await self._accounts.all(), await self._aliases.all())

    @staticmethod
    def _not_itself(catalog: Catalog, match: str, fallback: str) -> None:
        there, here = catalog.find(fallback, frozenset()), catalog.find(match, frozenset())
        same = there is not None and here is not None and (there[0].id, there[1]) == (here[0].id, here[1])
        if fallback.lower() == match.lower() or (same and not match.endswith("*")):
            raise Unprocessable("A model cannot be its own fallback.", param="fallbacks")

    def _time(self, value_s: float | None, param: str) -> float | None:
        if value_s is None:
            return None
        if not math.isfinite(value_s) or value_s < SOONEST_S:
            raise Unprocessable(f"A time limit is at least {SOONEST_S} s.", param=param)
        if value_s > self._total_s:
            longest = f"A whole call may take {self._total_s:g} s (DOORWARD_TOTAL_S)"
            raise Unprocessable(f"{longest}, so a longer limit would never be reached.", param=param)
        return value_s


def _pattern(text: str, param: str) -> str:
    try:
        return checked_models([text.strip()])[0]
    except Unprocessable:
        raise Unprocessable("A route is for a model like gpt-4o, or for a prefix like gpt-*.", param=param) from None


def _model(name: str, param: str) -> None:
    named: Sequence[str] = checked_models([name]) if not name.endswith("*") else ()
    if not named:
        raise Unprocessable("This is one model's name, without a star.", param=param)


def _unknown(name: str, param: str) -> Unprocessable:
    return Unprocessable(f"No provider has the model {name}. Add one that does, or insist with force (--force).", param=param)
