"""One snapshot of what is upstream: providers, accounts, aliases, fallback routes. Pure.

Rows live in the database; `relay/catalogue.py` reads them again every few seconds and swaps the
snapshot. Because a snapshot never changes, answers are remembered inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from doorward.core.caller import KeyLimits
from doorward.providers.provider import Account, Provider

SIMULATOR = "simulator"
OPENAI = "openai"
REMEMBERED = 10_000
"""Answers kept per snapshot: model names come from clients, so they are bounded."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """A route as the operator set it: what to try when `match` does not answer (R29)."""

    match: str
    """An exact model, or a prefix ending in ``*``."""
    models: tuple[str, ...]
    first_event_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    rescue: bool = False


def matches(pattern: str, model: str) -> bool:
    """`gpt-*` matches a prefix, anything else the whole id; case does not count."""
    pattern, model = pattern.lower(), model.lower()
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern


class Catalog:
    def __init__(
        self,
        providers: Iterable[Provider] = (),
        accounts: Iterable[Account] = (),
        aliases: Mapping[str, str] | None = None,
        fallbacks: Iterable[Fallback] = (),
        limits: Mapping[str, KeyLimits] | None = None,
    ) -> None:
        self.providers = {provider.id: provider for provider in providers if provider.is_active}
        self.accounts = {account.id: account for account in accounts}
        self.aliases = {name.lower(): model for name, model in (aliases or {}).items()}
        self.fallbacks = tuple(fallbacks)
        self.limits = dict(limits or {})
        """Of users and accounts: ``user:<id>``, ``account:<id>``."""
        self._usable: dict[tuple[str, frozenset[str]], tuple[Account, ...]] = {}
        self._found: dict[tuple[str, frozenset[str]], tuple[Provider, str] | None] = {}
        self._routes: dict[str, Fallback | None] = {}

    def usable_accounts(self, provider_id: str, draws_on: frozenset[str]) -> tuple[Account, ...]:
        """Active accounts with a key, which the upstream does not refuse, that a caller drawing on these owners may use."""
        wanted = (provider_id, draws_on)
        found = self._usable.get(wanted)
        if found is None:
            found = tuple(account for account in self.keyed_accounts(provider_id, draws_on) if account.is_usable)
            if len(self._usable) < REMEMBERED:
                self._usable[wanted] = found
        return found

    def keyed_accounts(self, provider_id: str, draws_on: frozenset[str]) -> tuple[Account, ...]:
        """The same with those whose key was refused: a caller is told of that, and not that no key is set."""
        return tuple(
            account
            for account in self.accounts.values()
            if account.provider_id == provider_id and account.owner in draws_on and account.is_active and account.key_set_at
        )

    def serves(self, provider: Provider, draws_on: frozenset[str]) -> bool:
        return not provider.needs_key or bool(self.usable_accounts(provider.id, draws_on))

    def find(self, asked: str, draws_on: frozenset[str]) -> tuple[Provider, str] | None:
        """The model as a client wrote it -> (provider, the model's name there), by the order of R16."""
        wanted = (asked, draws_on)
        if wanted in self._found:
            return self._found[wanted]
        found = self._find(asked, draws_on)
        if len(self._found) < REMEMBERED:
            self._found[wanted] = found
        return found

    def _find(self, asked: str, draws_on: frozenset[str]) -> tuple[Provider, str] | None:
        model = asked
        if (named := self._prefixed(model)) is not None:
            return named
        if (alias := self.aliases.get(model.lower())) is not None:
            model = alias
            if (named := self._prefixed(model)) is not None:
                return named
        everyone = tuple(self.providers.values())
        served = tuple(provider for provider in everyone if self.serves(provider, draws_on))
        provider = _best(model, served) or _best(model, everyone)
        return (provider, model) if provider else None

    def _prefixed(self, model: str) -> tuple[Provider, str] | None:
        """`provider/model`. A slash that follows no provider's id belongs to the model's own name."""
        name, slash, rest = model.partition("/")
        provider = self.providers.get(name) if slash and rest else None
        return (provider, rest) if provider else None

    def without_model(self, named: str | None, draws_on: frozenset[str]) -> Provider | None:
        """Where a call goes that names no model and no known object (R16)."""
        if named is not None:
            return self.providers.get(named)
        own = [p for p in self.providers.values() if p.id != SIMULATOR and self.usable_accounts(p.id, draws_on)]
        if len(own) == 1:
            return own[0]
        openai = self.providers.get(OPENAI)
        if openai is not None and (own or not self._only_simulator(draws_on)):
            return openai
        return self.providers.get(SIMULATOR) or openai

    def _only_simulator(self, draws_on: frozenset[str]) -> bool:
        """No provider but the simulator could serve this caller at all."""
        return not any(p.id != SIMULATOR and self.serves(p, draws_on) for p in self.providers.values())

    def fallback_for(self, model: str) -> Fallback | None:
        """The longest matching route, alone (R29); an exact one is longer than any prefix."""
        if model not in self._routes:
            candidates = [route for route in self.fallbacks if matches(route.match, model)]
            best = max(candidates, key=lambda route: (not route.match.endswith("*"), len(route.match)), default=None)
            if len(self._routes) >= REMEMBERED:
                return best
            self._routes[model] = best
        return self._routes[model]


def _best(model: str, providers: tuple[Provider, ...]) -> Provider | None:
    """Exact id first, then the longest prefix; among equals the one added last."""
    best: tuple[int, int, int] | None = None
    chosen: Provider | None = None
    for provider in providers:
        for pattern in provider.supported_models:
            if matches(pattern, model):
                rank = (0 if pattern.endswith("*") else 1, len(pattern), provider.added)
                if best is None or rank >= best:
                    best, chosen = rank, provider
    return chosen
