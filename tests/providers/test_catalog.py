"""R16's order of choosing a provider, and R29's choice of a route."""

from __future__ import annotations

from doorward.core.caller import OPERATOR
from doorward.providers.catalog import Catalog, Fallback
from doorward.providers.provider import Account, Provider

OPS = frozenset({OPERATOR})


def provider(id: str, *models: str, auth: str = "api_key", added: int = 0, active: bool = True) -> Provider:
    return Provider(id, id, f"https://{id}.example", auth_strategy=auth, supported_models=models, added=added, is_active=active)


def account(provider_id: str, owner: str = OPERATOR, **traits: object) -> Account:
    return Account(f"acc_{provider_id}_{owner}", provider_id, "a", owner, key_set_at=1.0, **traits)  # type: ignore[arg-type]


def found(catalog: Catalog, model: str, draws_on: frozenset[str] = OPS) -> tuple[str, str] | None:
    answer = catalog.find(model, draws_on)
    return (answer[0].id, answer[1]) if answer else None


def test_exact_beats_prefix_and_the_longest_prefix_wins() -> None:
    catalog = Catalog(
        [provider("a", "gpt-*", added=1), provider("b", "gpt-4*", added=2), provider("c", "gpt-4o", added=0)],
        [account("a"), account("b"), account("c")],
    )
    assert found(catalog, "gpt-4o") == ("c", "gpt-4o")
    assert found(catalog, "GPT-4o-mini") == ("b", "GPT-4o-mini")
    assert found(catalog, "gpt-3.5-turbo") == ("a", "gpt-3.5-turbo")
    assert found(catalog, "llama") is None


def test_among_equals_the_one_added_last() -> None:
    catalog = Catalog([provider("old", "m", added=1), provider("new", "m", added=2)], [account("old"), account("new")])
    assert found(catalog, "m") == ("new", "m")


def test_providers_that_can_serve_come_before_better_matches_that_cannot() -> None:
    catalog = Catalog([provider("exact", "m", added=9), provider("wide", "*", added=1)], [account("wide")])
    assert found(catalog, "m") == ("wide", "m")
    assert found(Catalog([provider("exact", "m"), provider("wide", "*")], []), "m") == ("exact", "m")


def test_provider_slash_model_and_aliases() -> None:
    catalog = Catalog(
        [provider("a", "x"), provider("sim", "sim-*", auth="none")],
        [account("a")],
        {"Fast": "sim/sim-fast", "quick": "x"},
    )
    assert found(catalog, "a/anything-at-all") == ("a", "anything-at-all")
    assert found(catalog, "fast") == ("sim", "sim-fast")
    assert found(catalog, "quick") == ("a", "x")
    assert found(Catalog([provider("hub", "meta/*")], [account("hub")]), "meta/llama") == ("hub", "meta/llama")


def test_accounts_are_those_of_the_caller_alone() -> None:
    catalog = Catalog(
        [provider("a", "m")],
        [account("a"), account("a", "user:1"), account("a", "user:2", is_active=False), account("a", "user:3", quarantined_at=1.0)],
    )
    owners = {
        owner: [a.owner for a in catalog.usable_accounts("a", frozenset({owner}))]
        for owner in (OPERATOR, "user:1", "user:2", "user:3")
    }
    assert owners == {OPERATOR: [OPERATOR], "user:1": ["user:1"], "user:2": [], "user:3": []}


def test_calls_without_a_model() -> None:
    simulator, openai, other = provider("simulator", "sim-*", auth="none"), provider("openai", "gpt-*"), provider("other", "o*")
    nobody: frozenset[str] = frozenset()

    def place(catalog: Catalog, named: str | None = None, draws_on: frozenset[str] = OPS) -> str | None:
        chosen = catalog.without_model(named, draws_on)
        return chosen.id if chosen else None

    assert place(Catalog([simulator, openai, other], [account("other")])) == "other"
    assert place(Catalog([simulator, openai, other], [account("other"), account("openai")])) == "openai"
    assert place(Catalog([simulator, openai, other], []), draws_on=nobody) == "simulator"
    assert place(Catalog([simulator], [])) == "simulator"
    assert place(Catalog([simulator, openai], [account("openai")]), "simulator") == "simulator"
    assert place(Catalog([simulator, openai], []), "nope") is None


def test_the_longest_route_applies_alone() -> None:
    routes = [Fallback("gpt-*", ("a",)), Fallback("gpt-4*", ("b",)), Fallback("gpt-4", ("c",))]
    catalog = Catalog(fallbacks=routes)
    chosen = {model: catalog.fallback_for(model) for model in ("gpt-4", "gpt-4o", "gpt-3", "o1")}
    assert {m: r.models if r else None for m, r in chosen.items()} == {
        "gpt-4": ("c",),
        "gpt-4o": ("b",),
        "gpt-3": ("a",),
        "o1": None,
    }


def test_inactive_providers_are_not_there() -> None:
    assert found(Catalog([provider("a", "m", active=False)], [account("a")]), "m") is None


def test_names_from_clients_do_not_grow_the_memory() -> None:
    catalog = Catalog([provider("a", "m*")], [account("a")])
    for i in range(10_500):
        catalog.find(f"m{i}", OPS)
        catalog.fallback_for(f"m{i}")
    assert len(catalog._found) <= 10_000
    assert len(catalog._routes) <= 10_000
