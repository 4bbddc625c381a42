"""`doorward provider`: who is upstream."""

from __future__ import annotations

from typing import Annotated

import typer

from doorward.cli import given
from doorward.cli.house import House, within
from doorward.cli.outcome import WRONG_USE, Failure, Outcome, Table
from doorward.cli.tree import Verb, noun
from doorward.edge import provider_form
from doorward.providers.provider import Provider
from doorward.store.providers import ProviderFields

app = noun("Upstreams: APIs that speak OpenAI's format.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The provider's id.")]
BaseUrl = typer.Option("--base-url", metavar="URL", help="Where it is; with /v1 or without.")
Models = typer.Option("--models", metavar="LIST", help="Prefixes of its models, like 'gpt-,o3'.")
Auth = typer.Option("--auth", metavar="KIND", help="api_key, none, or header:NAME.")
PriceList = typer.Option("--prices", metavar="LIST", help="Whose price list applies, or free; else a list of its own id.")
Private = typer.Option("--allow-private", help="It may be on this machine or a private network.")


@app.command("add", cls=Verb)
def add(
    provider_id: Id,
    base_url: Annotated[str, BaseUrl],
    models: Annotated[str, Models] = "",
    auth: Annotated[str, Auth] = "api_key",
    allow_private: Annotated[bool, Private] = False,
    prices: Annotated[str | None, PriceList] = None,
) -> Outcome:
    """Add an upstream.

    \b
    doorward provider add groq --base-url https://api.groq.com/openai/v1 --models llama-
    doorward provider add local --base-url http://127.0.0.1:11434 --models qwen --auth none --allow-private
    """

    async def work(house: House) -> Outcome:
        strategy = provider_form.auth_strategy(auth)
        private = allow_private or house.settings.allow_private_upstreams
        wish = Provider(
            id=provider_form.provider_id(provider_id),
            name=provider_id,
            base_url=provider_form.base_url(base_url, allow_private=private),
            auth_type="none" if strategy == "none" else "api_key",
            auth_strategy=strategy,
            supported_models=prefixes(models),
            allow_private=allow_private,
            prices=None if prices is None else given.name(prices, "--prices"),
        )
        added = await house.providers.add(wish)
        following = (
            "doorward key create --label first"
            if strategy == "none"
            else f"doorward account add --provider {added.id} --label main"
        )
        return Outcome(shown(added), added.id, f'Provider "{added.id}" added. Next: {following}')

    return within(work)


@app.command("list", cls=Verb)
def list_() -> Outcome:
    """List providers, in the order of adding."""

    async def work(house: House) -> Outcome:
        found = await house.providers.all()
        rows = [(p.id, p.base_url, p.auth_strategy, ",".join(p.supported_models) or "-", state(p)) for p in found]
        table = Table(("ID", "BASE URL", "AUTH", "MODELS", "STATE"), rows, "No providers yet. Add one: doorward provider add")
        return Outcome({"data": [shown(provider) for provider in found]}, table)

    return within(work)


@app.command("set", cls=Verb)
def set_(
    provider_id: Id,
    base_url: Annotated[str | None, BaseUrl] = None,
    models: Annotated[str | None, Models] = None,
    auth: Annotated[str | None, Auth] = None,
    allow_private: Annotated[
        bool | None, typer.Option("--allow-private/--no-allow-private", help="It may be on a private network.")
    ] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether calls are routed to it.")] = None,
) -> Outcome:
    """Change an upstream; what is not named stays.

    \b
    doorward provider set openai --models 'gpt-,o3,o4'
    """

    async def work(house: House) -> Outcome:
        before = await house.provider(provider_id)
        fields = ProviderFields()
        if models is not None:
            fields["supported_models"] = prefixes(models)
        if active is not None:
            fields["is_active"] = active
        if auth is not None:
            fields["auth_strategy"] = provider_form.auth_strategy(auth)
            fields["auth_type"] = "none" if auth == "none" else "api_key"
        if base_url is not None or allow_private is not None:
            private = before.allow_private if allow_private is None else allow_private
            fields["allow_private"] = private
            reachable = private or house.settings.allow_private_upstreams
            fields["base_url"] = provider_form.base_url(base_url or before.base_url, allow_private=reachable)
        if not fields:
            raise Failure(
                "nothing to change was named",
                "All options are optional, but one is needed.",
                "doorward provider set -h",
                "wrong_use",
                WRONG_USE,
            )
        changed = await house.providers.change(provider_id, **fields)
        return Outcome(
            shown(changed),
            said=f'Provider "{provider_id}" changed: {", ".join(sorted(fields))}. A running server uses it within 5 s.',
        )

    return within(work)


@app.command("drain", cls=Verb)
def drain(
    provider_id: Id, undo: Annotated[bool, typer.Option("--undo", help="Maintenance is over: route calls to it again.")] = False
) -> Outcome:
    """Take an upstream out for maintenance: open calls end, new ones go to fallbacks, or are told to come again.

    \b
    doorward provider drain openai
    doorward provider drain openai --undo
    """

    async def work(house: House) -> Outcome:
        await house.provider(provider_id)
        changed = await house.providers.change(provider_id, is_draining=not undo)
        said = "takes calls again" if undo else "gets no new calls; those that are open go on to their end"
        return Outcome(shown(changed), said=f'Provider "{provider_id}" {said}. A running server knows within 5 s.')

    return within(work)


@app.command("remove", cls=Verb)
def remove(provider_id: Id) -> Outcome:
    """Remove an upstream that has no accounts."""

    async def work(house: House) -> Outcome:
        await house.providers.remove(provider_id)
        return Outcome({"id": provider_id, "removed": True}, said=f'Provider "{provider_id}" removed.')

    return within(work)


def prefixes(text: str) -> tuple[str, ...]:
    """`gpt-,o3` -> `("gpt-*", "o3*")`: on the command line every entry is a prefix, with or without its `*`."""
    return provider_form.models([word if word.endswith("*") else f"{word}*" for word in given.words(text)])


def state(provider: Provider) -> str:
    if not provider.is_active:
        return "inactive"
    return "draining" if provider.is_draining else "active"


def shown(provider: Provider) -> dict[str, object]:
    return {
        "id": provider.id,
        "name": provider.name,
        "base_url": provider.base_url,
        "auth_strategy": provider.auth_strategy,
        "supported_models": list(provider.supported_models),
        "is_active": provider.is_active,
        "is_draining": provider.is_draining,
        "allow_private": provider.allow_private,
        "prices": provider.prices,
    }
