"""`/api/v1/accounts`: the operator's keys at providers (R17). A key goes in by POST or PATCH, and nothing brings it out (R7)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from doorward.core.caller import OPERATOR
from doorward.core.errors import NotFound
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.fields import Answer, Body, Deleted, HeaderText, SecretIn, Text
from doorward.providers.provider import Account
from doorward.store.accounts import AccountFields, AccountTraits

routes = router("accounts")

Weight = Annotated[int, Field(ge=1, le=1000, description="Share of the load among a provider's accounts.")]


class AuthData(Body):
    """Write-only: no answer of Doorward has a field for it."""

    api_key: SecretIn


class AccountOut(Answer):
    id: str
    provider_id: str
    label: str
    is_active: bool
    configured: bool = Field(description="A key is stored.")
    key_set_at: float | None = Field(description="When it was stored, in unix seconds.")
    weight: int
    quota_owner: str | None
    organization: str | None
    project: str | None
    quarantined_at: float | None = Field(description="Since when the upstream has refused the key, in unix seconds.")
    quarantine_reason: str | None


class AccountList(Answer):
    data: list[AccountOut]


class AccountIn(Body):
    provider_id: Annotated[str, Field(min_length=1, max_length=64)]
    label: Text
    auth_data: AuthData
    is_active: bool = True
    weight: Weight = 1
    quota_owner: Text | None = Field(None, description="Accounts of one organisation share its limits: give them one name.")
    organization: HeaderText | None = Field(None, description="Sent as OpenAI-Organization.")
    project: HeaderText | None = Field(None, description="Sent as OpenAI-Project.")


class AccountChange(Body):
    """Fields that are left out stay as they are; `null` clears quota_owner, organization and project.

    A new `auth_data` replaces the key, from the next call on.
    """

    label: Text | None = None
    auth_data: AuthData | None = None
    is_active: bool | None = None
    weight: Weight | None = None
    quota_owner: Text | None = None
    organization: HeaderText | None = None
    project: HeaderText | None = None


class TriedOut(Answer):
    ok: bool
    status: int | None = Field(description="The upstream's status; null: no answer came.")
    says: str
    models: list[str]
    took_s: float


@routes.get("/api/v1/accounts")
@declared(auth="either", scope="admin")
async def list_accounts(parts: HasParts, provider_id: str | None = None) -> AccountList:
    """The operator's accounts, in the order of adding."""
    return AccountList(data=[_shown(account) for account in await parts.accounts.of_owner(OPERATOR, provider_id)])


@routes.post("/api/v1/accounts", status_code=201)
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def add_account(parts: HasParts, wish: AccountIn) -> AccountOut:
    """Store a key. It is sealed at once and serves from the next call on."""
    account = await parts.custodian.take_in(
        wish.provider_id,
        wish.label,
        wish.auth_data.api_key,
        AccountTraits(
            is_active=wish.is_active,
            weight=wish.weight,
            quota_owner=wish.quota_owner,
            organization=wish.organization,
            project=wish.project,
        ),
    )
    await parts.changed()
    return _shown(account)


@routes.get("/api/v1/accounts/{account_id}")
@declared(auth="either", scope="admin")
async def get_account(parts: HasParts, account_id: str) -> AccountOut:
    """One account."""
    return _shown(await _found(parts, account_id))


@routes.patch("/api/v1/accounts/{account_id}")
@declared(auth="either", scope="admin", body_cap_bytes=JSON_CAP_BYTES)
async def change_account(parts: HasParts, account_id: str, wish: AccountChange) -> AccountOut:
    """Change what is named, and replace the key if one is sent: both or neither."""
    fields = _fields(wish)
    if wish.auth_data is not None:
        account = await parts.custodian.replace_key(account_id, wish.auth_data.api_key, fields, owner=OPERATOR)
    elif fields:
        account = await parts.accounts.change(account_id, OPERATOR, **fields)
    else:
        account = await _found(parts, account_id)
    await parts.changed()
    return _shown(account)


@routes.delete("/api/v1/accounts/{account_id}")
@declared(auth="either", scope="admin")
async def remove_account(parts: HasParts, account_id: str) -> Deleted:
    """Remove the account and its key."""
    await parts.custodian.let_go([account_id], owner=OPERATOR)
    await parts.changed()
    return Deleted(id=account_id)


@routes.post("/api/v1/accounts/{account_id}/test")
@declared(auth="either", scope="admin")
async def test_account(parts: HasParts, account_id: str) -> TriedOut:
    """Ask the provider for its models with this account's key: one call that costs nothing."""
    await _found(parts, account_id)
    tried = await parts.try_account(account_id)
    return TriedOut(ok=tried.ok, status=tried.status, says=tried.says, models=list(tried.models), took_s=round(tried.took_s, 3))


def _fields(wish: AccountChange) -> AccountFields:
    fields = AccountFields()
    if wish.label is not None:
        fields["label"] = wish.label
    if wish.is_active is not None:
        fields["is_active"] = wish.is_active
    if wish.weight is not None:
        fields["weight"] = wish.weight
    if "quota_owner" in wish.model_fields_set:
        fields["quota_owner"] = wish.quota_owner
    if "organization" in wish.model_fields_set:
        fields["organization"] = wish.organization
    if "project" in wish.model_fields_set:
        fields["project"] = wish.project
    return fields


async def _found(parts: HasParts, account_id: str) -> Account:
    account = await parts.accounts.get(account_id, OPERATOR)
    if account is None:
        raise NotFound("There is no such account.")
    return account


def _shown(account: Account) -> AccountOut:
    return AccountOut(
        id=account.id,
        provider_id=account.provider_id,
        label=account.label,
        is_active=account.is_active,
        configured=account.key_set_at is not None,
        key_set_at=account.key_set_at,
        weight=account.weight,
        quota_owner=account.quota_owner,
        organization=account.organization,
        project=account.project,
        quarantined_at=account.quarantined_at,
        quarantine_reason=account.quarantine_reason,
    )
