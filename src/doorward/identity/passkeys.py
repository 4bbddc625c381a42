"""Passkeys (WebAuthn): registration and sign-in, user verification required, several per user.

A ceremony is two requests: `begin` hands out a challenge, kept as a ticket (hashed, single use,
five minutes); `finish` takes it and checks the authenticator's answer against it, the RP id and
the origin, which come from settings and never from a Host header. `webauthn` is imported on first
use: it costs 12 MB that an installation without passkeys never needs.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from doorward.audit.chain import Audit
from doorward.core.caller import Caller
from doorward.core.errors import BadRequest, Conflict, NotFound, Unauthenticated
from doorward.identity.site import Site
from doorward.store.engine import Store
from doorward.store.passkeys import PasskeyRow, PasskeyRows
from doorward.store.tickets import Ticket, Tickets
from doorward.store.users import User, UserRows

REGISTER, SIGN_IN = "passkey-register", "passkey-sign-in"
LASTS_S = 300.0
MOST_A_USER = 20
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{16,700}")
REFUSED = "This passkey was not accepted. Try again, or sign in another way."


class Passkeys:
    def __init__(self, store: Store, site: Site, audit: Audit) -> None:
        self._store = store
        self._site = site
        self._audit = audit
        self._rows = PasskeyRows(store)
        self._users = UserRows(store)
        self._tickets = Tickets(store)

    async def of_user(self, user_id: str) -> list[PasskeyRow]:
        return await self._rows.of_user(user_id)

    async def begin_registration(self, user: User) -> dict[str, Any]:
        """-> the options for `navigator.credentials.create`, as JSON."""
        import webauthn
        from webauthn.helpers import structs

        self._require_possible()
        mine = await self._rows.of_user(user.id)
        if len(mine) >= MOST_A_USER:
            raise Conflict(f"You have {MOST_A_USER} passkeys, the most there can be. Remove one first.")
        challenge = await self._tickets.make(REGISTER, {}, lasts_s=LASTS_S, user_id=user.id)
        options = webauthn.generate_registration_options(
            rp_id=self._site.host,
            rp_name="Doorward",
            user_id=user.id.encode(),
            user_name=user.email,
            challenge=_bytes(challenge),
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=_bytes(row.id)) for row in mine],
        )
        return _json(webauthn.options_to_json(options))

    async def finish_registration(self, caller: Caller, name: str, credential: dict[str, Any], *, from_addr: str = "") -> str:
        """-> the new passkey's id. Raises `BadRequest` for a used or foreign challenge and a wrong answer."""
        import webauthn

        self._require_possible()
        challenge, ticket = await self._taken(REGISTER, credential)
        if caller.user_id is None or ticket.user_id != caller.user_id:
            raise BadRequest(REFUSED)
        try:
            made = webauthn.verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._site.host,
                expected_origin=self._site.origin,
                require_user_verification=True,
            )
        except Exception as cause:  # whatever a hostile answer breaks in the parser is one refusal
            raise BadRequest(REFUSED) from cause
        passkey_id = _text(made.credential_id)
        async with self._store.writing() as connection:
            await self._rows.add(
                passkey_id, caller.user_id, name, made.credential_public_key, made.sign_count, made.credential_backed_up, connection
            )
            target = f"user:{caller.user_id}"
            await self._audit.append(caller, "passkey.add", target, from_addr=from_addr, details={"name": name}, within=connection)
        return passkey_id

    async def begin_sign_in(self) -> dict[str, Any]:
        """-> the options for `navigator.credentials.get`. No user is named: the browser offers what it has."""
        import webauthn
        from webauthn.helpers import structs

        self._require_possible()
        challenge = await self._tickets.make(SIGN_IN, {}, lasts_s=LASTS_S)
        options = webauthn.generate_authentication_options(
            rp_id=self._site.host, challenge=_bytes(challenge), user_verification=structs.UserVerificationRequirement.REQUIRED
        )
        return _json(webauthn.options_to_json(options))

    async def finish_sign_in(self, credential: dict[str, Any]) -> User:
        """Whose passkey answered. Raises `Unauthenticated`, with one text for every reason."""
        import webauthn

        self._require_possible()
        challenge, _ = await self._taken(SIGN_IN, credential)
        row = await self._rows.by_id(str(credential.get("id", ""))[:1400])
        user = await self._users.by_id(row.user_id) if row is not None else None
        if row is None or user is None:
            raise Unauthenticated(REFUSED)
        try:
            proved = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._site.host,
                expected_origin=self._site.origin,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        except Exception as cause:  # as above
            raise Unauthenticated(REFUSED) from cause
        async with self._store.writing() as connection:
            if not await self._rows.used(row.id, row.sign_count, proved.new_sign_count, connection):
                raise Unauthenticated(REFUSED)
        return user

    async def remove(self, passkey_id: str, caller: Caller, *, from_addr: str = "") -> None:
        """Only the caller's own. The last way in stays: a user without a password keeps one passkey."""
        user = await self._users.by_id(caller.user_id or "")
        if user is None:
            raise NotFound("There is no such passkey.")
        mine = await self._rows.of_user(user.id)
        if passkey_id in {row.id for row in mine} and len(mine) == 1 and user.password_hash is None:
            raise Conflict("This passkey is your only way in. Set a password or add another passkey first.")
        async with self._store.writing() as connection:
            if not await self._rows.remove(passkey_id, user.id, connection):
                raise NotFound("There is no such passkey.")
            await self._audit.append(caller, "passkey.remove", f"user:{user.id}", from_addr=from_addr, within=connection)

    async def _taken(self, kind: str, credential: dict[str, Any]) -> tuple[bytes, Ticket]:
        """The challenge that the answer names, used up: a second answer to it is refused whatever it says."""
        challenge = _challenge_of(credential)
        ticket = await self._tickets.take(kind, challenge) if challenge is not None else None
        if challenge is None or ticket is None:
            raise BadRequest("This passkey ceremony was used or is older than five minutes. Start it again.")
        return _bytes(challenge), ticket

    def _require_possible(self) -> None:
        if not self._site.passkeys_work:
            raise BadRequest("Passkeys need https or localhost. Use a password; add a passkey later.")


def _challenge_of(credential: dict[str, Any]) -> str | None:
    try:
        client_data = json.loads(_bytes(credential["response"]["clientDataJSON"]))
        challenge = client_data["challenge"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return challenge if isinstance(challenge, str) and _BASE64URL.fullmatch(challenge) else None


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as cause:
        raise BadRequest(REFUSED) from cause


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _json(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text)
    return value
