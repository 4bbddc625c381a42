"""`/api/v1/providers`: who is upstream (R16)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from doorward.core.errors import NotFound
from doorward.edge import provider_form
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.fields import Answer, Body, Deleted, Text
from doorward.providers.provider import Provider
from doorward.store.providers import ProviderFields

routes = router("providers")

Url = Annotated[str, Field(min_length=1, max_length=2000)]
PriceList = Annotated[
    str | None,
    Field(
        pattern="^[a-z0-9][a-z0-9._-]{0,63}$", description="Whose price list applies: a provider's name, or `free`; null: its own."
    ),
]
Models = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=1000)]


class ProviderOut(Answer):
    id: str
    name: str
    base_url: str
    auth_type: str
    auth_strategy: str
    supported_models: list[str]
    is_active: bool
    is_draining: bool
    allow_private: bool
    prices: str | None = Field(description="The price list that applies: a provider's name, `free`, or null for its own.")


class ProviderList(Answer):
    data: list[ProviderOut]


class ProviderIn(Body):
    id: Annotated[str, Field(min_length=1, max_length=64)]
    base_url: Url = Field(description="With `/v1` or without.")
    name: Text | None = None
    auth_strategy: str = Field("api_key", max_length=80, description="`api_key` (= `bearer`), `header:NAME` or `none`.")
    supported_models: Models = Field([], description="Exact ids; an entry ending in `*` is a prefix.")
    is_active: bool = True
    allow_private: bool = Field(False, description="It may be on loopback or a private network.")
    prices: PriceList = None


class ProviderChange(Body):
    """Fields that are left out stay as they are."""

    base_url: Url | None = None
    name: Text | None = None
    auth_strategy: Annotated[str, Field(max_length=80)] | None = None
    supported_models: Models | None = None
    is_active: bool | None = None
    is_draining: bool | None = Field(None, description="For maintenance: open calls end, new ones go elsewhere.")
    allow_private: bool | None = None
    prices: PriceList = None


@routes.get("/api/v1/providers")
@declared(auth="either", scope="admin")
async def list_providers(parts: HasParts) -> ProviderList:
    """All providers, in the order of adding."""
    return ProviderList(data=[_shown(provider) for provider in await parts.providers.all()])


@routes.post("/api/v1/providers", status_code=201)
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def add_provider(parts: HasParts, wish: ProviderIn) -> ProviderOut:
    """Add an upstream that speaks OpenAI's format. Calls are routed to it at once."""
    strategy = provider_form.auth_strategy(wish.auth_strategy)
    provider = Provider(
        id=provider_form.provider_id(wish.id),
        name=wish.name or wish.id,
        base_url=provider_form.base_url(wish.base_url, allow_private=wish.allow_private or parts.allow_private),
        auth_type="none" if strategy == "none" else "api_key",
        auth_strategy=strategy,
        supported_models=provider_form.models(wish.supported_models),
        is_active=wish.is_active,
        allow_private=wish.allow_private,
        prices=wish.prices,
    )
    added = await parts.providers.add(provider)
    await parts.changed()
    return _shown(added)


@routes.get("/api/v1/providers/{provider_id}")
@declared(auth="either", scope="admin")
async def get_provider(parts: HasParts, provider_id: str) -> ProviderOut:
    """One provider."""
    return _shown(await _found(parts, provider_id))


@routes.patch("/api/v1/providers/{provider_id}")
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def change_provider(parts: HasParts, provider_id: str, wish: ProviderChange) -> ProviderOut:
    """Change what is named; the next call is routed by it."""
    before = await _found(parts, provider_id)
    fields = ProviderFields()
    if wish.name is not None:
        fields["name"] = wish.name
    if wish.is_active is not None:
        fields["is_active"] = wish.is_active
    if wish.is_draining is not None:
        fields["is_draining"] = wish.is_draining
    if wish.supported_models is not None:
        fields["supported_models"] = provider_form.models(wish.supported_models)
    if wish.auth_strategy is not None:
        fields["auth_strategy"] = provider_form.auth_strategy(wish.auth_strategy)
        fields["auth_type"] = "none" if wish.auth_strategy == "none" else "api_key"
    if wish.base_url is not None or wish.allow_private is not None:
        private = before.allow_private if wish.allow_private is None else wish.allow_private
        fields["allow_private"] = private
        fields["base_url"] = provider_form.base_url(wish.base_url or before.base_url, allow_private=private or parts.allow_private)
    if "prices" in wish.model_fields_set:
        fields["prices"] = wish.prices
    changed = await parts.providers.change(provider_id, **fields)
    await parts.changed()
    return _shown(changed)


@routes.delete("/api/v1/providers/{provider_id}")
@declared(auth="either", scope="admin")
async def remove_provider(parts: HasParts, provider_id: str) -> Deleted:
    """Remove it; 409 while it has accounts."""
    await parts.providers.remove(provider_id)
    await parts.changed()
    return Deleted(id=provider_id)


async def _found(parts: HasParts, provider_id: str) -> Provider:
    provider = await parts.providers.get(provider_id)
    if provider is None:
        raise NotFound("There is no such provider.")
    return provider


def _shown(provider: Provider) -> ProviderOut:
    return ProviderOut(
        id=provider.id,
        name=provider.name,
        base_url=provider.base_url,
        auth_type=provider.auth_type,
        auth_strategy=provider.auth_strategy,
        supported_models=list(provider.supported_models),
        is_active=provider.is_active,
        is_draining=provider.is_draining,
        allow_private=provider.allow_private,
        prices=provider.prices,
    )
