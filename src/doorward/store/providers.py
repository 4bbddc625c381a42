"""Provider rows (R16). Rows that people insert by SQL are read like our own."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from sqlalchemy import Row, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.errors import Conflict, NotFound
from doorward.providers.provider import Provider
from doorward.store import lists
from doorward.store.engine import Store
from doorward.store.tables.doors import accounts, providers


class ProviderFields(TypedDict, total=False):
    """What may be changed."""

    name: str
    base_url: str
    auth_type: str
    auth_strategy: str
    supported_models: tuple[str, ...]
    is_active: bool
    allow_private: bool
    prices: str | None
    is_draining: bool


class Providers:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> list[Provider]:
        """In the order of adding."""
        async with self._store.reading() as connection:
            rows = await connection.execute(select(providers).order_by(providers.c.added))
            return [_provider(row) for row in rows]

    async def get(self, provider_id: str) -> Provider | None:
        async with self._store.reading() as connection:
            row = (await connection.execute(select(providers).where(providers.c.id == provider_id))).one_or_none()
            return _provider(row) if row else None

    async def add(self, provider: Provider, within: AsyncConnection | None = None) -> Provider:
        """Store it; `added` is the database's. Raises `Conflict` when the id is taken."""
        values = _columns(
            name=provider.name,
            base_url=provider.base_url,
            auth_type=provider.auth_type,
            auth_strategy=provider.auth_strategy,
            supported_models=provider.supported_models,
            is_active=provider.is_active,
            allow_private=provider.allow_private,
            prices=provider.prices,
        )
        async with self._store.writing(within) as connection:
            try:
                statement = providers.insert().values(id=provider.id, **values).returning(providers)
                row = (await connection.execute(statement)).one()
            except IntegrityError:
                raise Conflict(f"There is a provider {provider.id!r} already. Choose another id, or change that one") from None
            self._store.touched(f"provider:{provider.id}")
            return _provider(row)

    async def change(self, provider_id: str, within: AsyncConnection | None = None, **fields: Unpack[ProviderFields]) -> Provider:
        async with self._store.writing(within) as connection:
            statement = (
                update(providers)
                .where(providers.c.id == provider_id)
                .values(id=provider_id, **_columns(**fields))
                .returning(providers)
            )
            row = (await connection.execute(statement)).one_or_none()
            if row is None:
                raise _unknown(provider_id)
            self._store.touched(f"provider:{provider_id}")
            return _provider(row)

    async def remove(self, provider_id: str, within: AsyncConnection | None = None) -> None:
        """Raises `Conflict` while accounts stand on it: their keys must be deleted by somebody who means it."""
        async with self._store.writing(within) as connection:
            held = (await connection.execute(select(accounts.c.id).where(accounts.c.provider_id == provider_id).limit(1))).first()
            if held:
                raise Conflict(f"Provider {provider_id!r} still has accounts. Delete them first, or deactivate the provider")
            result = await connection.execute(delete(providers).where(providers.c.id == provider_id))
            if result.rowcount == 0:
                raise _unknown(provider_id)
            self._store.touched(f"provider:{provider_id}")


def _unknown(provider_id: str) -> NotFound:
    return NotFound(f"There is no provider {provider_id!r}")


def _columns(**fields: Unpack[ProviderFields]) -> dict[str, Any]:
    values: dict[str, Any] = {**fields}
    if "supported_models" in fields:
        values["supported_models"] = lists.written(fields["supported_models"])
    if "base_url" in fields:
        values["base_url"] = trimmed(fields["base_url"])
    return values


def trimmed(base_url: str) -> str:
    """A base URL may be given with ``/v1`` or without; the paths of calls bring their own."""
    return base_url.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def _provider(row: Row[Any]) -> Provider:
    return Provider(
        id=row.id,
        name=row.name,
        base_url=trimmed(row.base_url),
        auth_type=row.auth_type,
        auth_strategy=row.auth_strategy,
        supported_models=lists.read(row.supported_models),
        is_active=row.is_active,
        allow_private=row.allow_private,
        prices=row.prices,
        added=row.added,
        is_draining=row.is_draining,
    )
