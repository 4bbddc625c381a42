"""What the pages' shell asks first: which Doorward this is, which models can be chosen, whether the stored key works."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from pydantic import Field

from doorward.core.caller import OPERATOR
from doorward.core.errors import Conflict, Forbidden, Unavailable
from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.desk import HasDesk
from doorward.edge.control_plane.fields import Answer
from doorward.edge.control_plane.handed import Shell
from doorward.edge.control_plane.parts import Parts
from doorward.identity.custody import ONE_KEY, OWN_KEYS, POLICIES, SLOT_PROVIDER, user_owner
from doorward.providers.model_facts import ModelFacts

routes = router("pages")


class ShellOut(Answer):
    version: str
    default_model: str


class UsableModel(Answer):
    id: str
    provider: str
    context_tokens: int | None = Field(description="What it reads and writes together; null: not known.")


class UsableModels(Answer):
    data: list[UsableModel]


class KeyTried(Answer):
    works: bool
    models: int = Field(description="How many models OpenAI lists for the key.")
    says: str


def _shell(parts: HasParts) -> Shell:
    if parts.shell is None:
        raise Unavailable("This server was built without pages.")
    return parts.shell


HasShell = Annotated[Shell, Depends(_shell)]


@routes.get("/api/v1/shell")
@declared(auth="public")
async def which_doorward(parts: HasParts, shell: HasShell) -> ShellOut:
    """Nothing that a visitor may not know."""
    return ShellOut(version=parts.version, default_model=shell.default_model)


@routes.get("/api/v1/models")
@declared(auth="either", scope="call")
async def usable_models(shell: HasShell, caller: Calling) -> UsableModels:
    """The models that the caller can use, with the provider that each would reach. `/v1/models` is the same for programs."""
    facts = ModelFacts.load()
    usable = await shell.models(caller)
    listed = [UsableModel(id=model, provider=provider, context_tokens=facts.of(model).window) for model, provider in usable]
    return UsableModels(data=listed)


@routes.post("/api/v1/me/openai-key/test")
@declared(auth="either", scope="me", modes=OWN_KEYS, audits_itself=True)
async def test_my_key(parts: HasParts, caller: Calling) -> KeyTried:
    """Ask OpenAI for its models with my stored key. Costs nothing."""
    if caller.user_id is None:
        raise Forbidden("This key belongs to the operator, not to a user. Use POST /api/v1/accounts/{account_id}/test.")
    return await _tried(parts, user_owner(caller.user_id))


@routes.post("/api/v1/openai-key/test")
@declared(auth="either", modes=ONE_KEY, audits_itself=True)
async def test_key(parts: HasParts, desk: HasDesk, caller: Calling) -> KeyTried:
    """Ask OpenAI for its models with the shared key: by an admin, or in custody anonymous by anyone."""
    if not POLICIES[desk.custody].anyone_sets_key and not caller.is_admin:
        raise Forbidden("Unauthorized")
    return await _tried(parts, OPERATOR)


async def _tried(parts: Parts, owner: str) -> KeyTried:
    mine = await parts.accounts.of_owner(owner, SLOT_PROVIDER)
    usable = [account for account in mine if account.is_active and account.key_set_at is not None]
    if not usable:
        raise Conflict("No key is stored. Save one first.", code="key_not_configured")
    newest = max(usable, key=lambda account: account.key_set_at or 0)
    tried = await parts.try_account(newest.id)
    if tried.status == 401:
        says = "OpenAI refused this key (401). Check it at platform.openai.com, then paste it again."
    else:
        says = f"Works: {len(tried.models)} models." if tried.ok else tried.says
    return KeyTried(works=tried.ok, models=len(tried.models), says=says)
