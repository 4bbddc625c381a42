"""`/api/v1/me/openai-key` and `/api/v1/openai-key`: a key goes in, a truth value comes out (R2, R5, R6, R7)."""

from __future__ import annotations

from fastapi import Response

from doorward.core.caller import OPERATOR, Caller
from doorward.core.errors import Forbidden
from doorward.edge.control_plane.caller import Calling, HasParts
from doorward.edge.control_plane.declare import JSON_CAP_BYTES, declared, router
from doorward.edge.control_plane.desk import FromAddr, HasDesk, HasSlot
from doorward.edge.control_plane.fields import Answer, Body, SecretIn
from doorward.identity.custody import ONE_KEY, OWN_KEYS, POLICIES, user_owner

routes = router("openai-key")


class KeyIn(Body):
    key: SecretIn


class Configured(Answer):
    configured: bool


@routes.put("/api/v1/me/openai-key", status_code=204)
@declared(auth="either", scope="me", body_cap_bytes=JSON_CAP_BYTES, modes=OWN_KEYS, audits_itself=True)
async def set_my_key(parts: HasParts, slot: HasSlot, caller: Calling, wish: KeyIn, from_addr: FromAddr) -> Response:
    """Store my OpenAI key, in place of the one before. It serves from the next call on."""
    await slot.fill(_mine(caller), wish.key, caller, from_addr)
    await parts.changed()
    return Response(status_code=204)


@routes.get("/api/v1/me/openai-key")
@declared(auth="either", scope="me", modes=OWN_KEYS)
async def is_my_key_set(slot: HasSlot, caller: Calling) -> Configured:
    """Whether a key of mine is stored. Nothing can show the key."""
    return Configured(configured=await slot.is_filled(_mine(caller)))


@routes.delete("/api/v1/me/openai-key", status_code=204)
@declared(auth="either", scope="me", modes=OWN_KEYS, audits_itself=True)
async def clear_my_key(parts: HasParts, slot: HasSlot, caller: Calling, from_addr: FromAddr) -> Response:
    """Forget my OpenAI key. My next call needs a new one."""
    await slot.empty(_mine(caller), caller, from_addr)
    await parts.changed()
    return Response(status_code=204)


@routes.put("/api/v1/openai-key", status_code=204)
@declared(auth="either", body_cap_bytes=JSON_CAP_BYTES, modes=ONE_KEY, audits_itself=True)
async def set_key(parts: HasParts, desk: HasDesk, slot: HasSlot, caller: Calling, wish: KeyIn, from_addr: FromAddr) -> Response:
    """Store the OpenAI key that everybody shares: by an admin, or in custody anonymous by anyone."""
    if not POLICIES[desk.custody].anyone_sets_key and not caller.is_admin:
        raise Forbidden("Unauthorized: Only admins can set the OpenAI API key")
    await slot.fill(OPERATOR, wish.key, caller, from_addr)
    await parts.changed()
    return Response(status_code=204)


@routes.get("/api/v1/openai-key")
@declared(auth="public", modes=ONE_KEY)
async def is_key_set(slot: HasSlot) -> Configured:
    """Whether the shared key is stored. Nothing can show the key."""
    return Configured(configured=await slot.is_filled(OPERATOR))


def _mine(caller: Caller) -> str:
    """The slot of the authenticated user; an operator's key stands for no user."""
    if caller.user_id is None:
        raise Forbidden("This key belongs to the operator, not to a user. Use POST /api/v1/accounts.")
    return user_owner(caller.user_id)
