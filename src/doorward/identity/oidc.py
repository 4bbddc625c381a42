"""Sign-in by an OIDC provider: authorization code with PKCE, state, nonce and `iss`.

    start     -> a redirect there, and a cookie that only this browser has
    finish    code and state come back -> the user
    logout    -> where to go so that the provider forgets, too

State is a ticket (hashed, once, ten minutes) that names the cookie's digest; PKCE verifier and
nonce are derived from the cookie, so nothing that could finish a sign-in lies in the database or
passes through the provider. Users are linked on (issuer, subject), never on an e-mail address, which
somebody else may hold at another provider.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from doorward.audit.chain import Audit
from doorward.core.caller import Caller, Role
from doorward.core.clock import Clock
from doorward.core.errors import BadRequest, Conflict, Forbidden, Unauthenticated
from doorward.core.secret import Secret
from doorward.identity.id_token import REFUSED, UnknownKey, verified
from doorward.identity.issuer import Issuer, Published
from doorward.identity.site import Site
from doorward.identity.users import Users, normal_email
from doorward.store.engine import Store
from doorward.store.tickets import Tickets
from doorward.store.users import User, UserRows

KIND = "oidc"
LASTS_S = 600.0
CALLBACK = "/api/v1/session/oidc/callback"


@dataclass(frozen=True, slots=True)
class RoleMap:
    """`claim` decides the role at every sign-in; `None`: it does not, and new users are users."""

    claim: str | None = None
    admin_values: frozenset[str] = frozenset({"admin"})

    def role(self, claims: Mapping[str, Any]) -> Role | None:
        if self.claim is None:
            return None
        said = claims.get(self.claim)
        values = said if isinstance(said, list) else [said]
        return "admin" if any(isinstance(value, str) and value in self.admin_values for value in values) else "user"


@dataclass(frozen=True, slots=True)
class Finished:
    user: User
    return_to: str


@dataclass(frozen=True, slots=True)
class SignUp:
    """Who becomes a user at their first sign-in. By default nobody: a provider may let in the whole world."""

    anyone: bool = False
    domains: frozenset[str] = frozenset()
    """Of verified e-mail addresses, in lower case."""

    @classmethod
    def of(cls, anyone: bool, domains: str) -> SignUp:
        return cls(anyone, frozenset(name.strip().lower().removeprefix("@") for name in domains.split(",") if name.strip()))

    def admits(self, email: object, verified: object) -> bool:
        """`verified` must be said for a domain: an address that anybody may write into a profile proves nothing."""
        if self.anyone:
            return True
        return isinstance(email, str) and "@" in email and verified is True and email.rpartition("@")[2].lower() in self.domains


class Oidc:
    """One provider."""

    def __init__(
        self,
        issuer: Issuer,
        store: Store,
        users: Users,
        audit: Audit,
        site: Site,
        clock: Clock,
        *,
        roles: RoleMap | None = None,
        sign_up: SignUp | None = None,
    ) -> None:
        self._issuer = issuer
        self._store = store
        self._rows = UserRows(store)
        self._tickets = Tickets(store)
        self._users = users
        self._audit = audit
        self._site = site
        self._clock = clock
        self._roles = roles or RoleMap()
        self._sign_up = sign_up or SignUp()

    @property
    def name(self) -> str:
        return self._issuer.client.name

    @property
    def cookie_name(self) -> bytes:
        return self._site.cookie_name + b"-oidc"

    def set_cookie(self, value: str) -> str:
        """Lax, so that it comes back with the provider's redirect."""
        secure = "; Secure" if self._site.is_https else ""
        lasts_s = int(LASTS_S) if value else 0
        return f"{self.cookie_name.decode()}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{secure}"

    async def start(self, return_to: str = "/", *, link_to: Caller | None = None) -> tuple[str, str]:
        """-> (where to send the browser, the cookie's value). `link_to`: add this way in to a signed-in user."""
        published = await self._issuer.published()
        browser = secrets.token_urlsafe(32)
        payload = {"browser": _derived("browser", browser), "return_to": own_path(return_to)}
        user_id = link_to.user_id if link_to is not None else None
        state = await self._tickets.make(KIND, payload, lasts_s=LASTS_S, user_id=user_id)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(_derived("verifier", browser).encode()).digest()).rstrip(b"=")
        query = {
            "response_type": "code",
            "client_id": self._issuer.client.client_id,
            "redirect_uri": self._site.url(CALLBACK),
            "scope": "openid email profile",
            "state": state,
            "nonce": _derived("nonce", browser),
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        separator = "&" if urlsplit(published.authorization_endpoint).query else "?"
        return published.authorization_endpoint + separator + urlencode(query), browser

    async def finish(
        self, query: Mapping[str, str], browser: bytes | None, caller: Caller | None, *, from_addr: str = ""
    ) -> Finished:
        """`query`: the redirect's; `caller`: who is signed in in this browser now, for linking.

        Raises `BadRequest` (forged or used state), `Unauthenticated` (token), `Forbidden`, `Conflict`, `UpstreamFailed`.
        """
        ticket = await self._tickets.take(KIND, query.get("state", ""))
        secret = browser.decode("latin-1") if browser else ""
        if ticket is None or not hmac.compare_digest(ticket.payload["browser"], _derived("browser", secret)):
            raise BadRequest("This sign-in was not started in this browser, or is older than ten minutes. Start it again.")
        published = await self._issuer.published()
        self._check_issuer(query, published)
        if "error" in query or not query.get("code"):
            raise Forbidden(f"{self.name} did not sign you in. Start again, or sign in another way.")
        claims = await self._claims(query["code"], secret)
        if ticket.user_id is not None:
            if caller is None or caller.user_id != ticket.user_id:
                raise BadRequest("You were signed out meanwhile. Sign in, then link again.")
            user = await self._link(claims, caller, from_addr)
        else:
            user = await self._known_or_new(claims, from_addr)
        return Finished(user, ticket.payload["return_to"])

    async def logout_url(self) -> str | None:
        """The provider's own sign-out, which comes back to our pages; `None`: it publishes none."""
        published = await self._issuer.published()
        if published.end_session_endpoint is None:
            return None
        query = {"client_id": self._issuer.client.client_id, "post_logout_redirect_uri": self._site.url("/")}
        separator = "&" if urlsplit(published.end_session_endpoint).query else "?"
        return published.end_session_endpoint + separator + urlencode(query)

    def _check_issuer(self, query: Mapping[str, str], published: Published) -> None:
        said = query.get("iss")
        if said is None and not published.says_issuer:
            return
        if said != self._issuer.client.issuer:
            raise BadRequest("The answer comes from another identity provider than the one that was asked. Start again.")

    async def _claims(self, code: str, browser: str) -> dict[str, Any]:
        """The ID token's claims, and what userinfo adds about the same subject."""
        answer = await self._issuer.redeem(code, _derived("verifier", browser), self._site.url(CALLBACK))
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            raise Unauthenticated(REFUSED)
        claims = await self._verified(token, _derived("nonce", browser))
        wanted = {"email", *([self._roles.claim] if self._roles.claim else [])}
        if isinstance(access, str) and access.isascii() and not wanted <= claims.keys():
            more = await self._issuer.userinfo(Secret(access))
            if more and more.get("sub") != claims["sub"]:
                raise Unauthenticated(REFUSED)
            claims = {**more, **claims}
        return claims

    async def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        client = self._issuer.client
        expected = {"issuer": client.issuer, "client_id": client.client_id, "nonce": nonce}
        try:
            return verified(token, await self._issuer.keys(), **expected, now=self._clock.wall())
        except UnknownKey:  # the provider may have rotated its keys
            newer = await self._issuer.keys(newer=True)
        try:
            return verified(token, newer, **expected, now=self._clock.wall())
        except UnknownKey as cause:
            raise Unauthenticated(REFUSED) from cause

    async def _known_or_new(self, claims: Mapping[str, Any], from_addr: str) -> User:
        issuer, subject, role = claims["iss"], claims["sub"], self._roles.role(claims)
        user = await self._rows.by_external(issuer, subject)
        if user is not None:
            return await self._with_role(user, role, from_addr)
        email = claims.get("email")
        if not self._sign_up.admits(email, claims.get("email_verified")):
            raise Forbidden("You have no account here yet. Ask an admin for an invitation.", code="no_account")
        # some providers never say `email_verified`; one that says no means it
        if not isinstance(email, str) or claims.get("email_verified", True) is not True:
            raise Forbidden(f"{self.name} gave no verified e-mail address for you. Ask your admin.", code="email_not_verified")
        async with self._store.writing() as connection:
            await self._rows.lock_admins(connection)
            # two first sign-ins at once: the second finds the first's row
            user = await self._rows.by_external(issuer, subject, connection)
            if user is not None:
                return user
            if await self._rows.by_email(normal_email(email), connection) is not None:
                raise Conflict(
                    f"A user with your e-mail is already there. Sign in the usual way, then link {self.name} in Settings.",
                    code="link_first",
                )
            user = await self._users.add_within(
                normal_email(email), role or "user", None, connection, actor=None, from_addr=from_addr
            )
            await self._rows.link(issuer, subject, user.id, connection)
        return user

    async def _with_role(self, user: User, role: Role | None, from_addr: str) -> User:
        if role is None or role == user.role:
            return user
        try:
            return await self._users.set_role(user.id, role, actor="oidc", from_addr=from_addr)
        except Conflict:  # the last admin stays one, whatever the provider says
            return user

    async def _link(self, claims: Mapping[str, Any], caller: Caller, from_addr: str) -> User:
        async with self._store.writing() as connection:
            await self._rows.lock_admins(connection)
            owner = await self._rows.by_external(claims["iss"], claims["sub"], connection)
            user = await self._rows.by_id(caller.user_id or "", connection)
            if user is None:
                raise Unauthenticated(REFUSED)
            if owner not in (None, user):
                raise Conflict(f"This {self.name} account belongs to another user here.")
            if owner is None:
                await self._rows.link(claims["iss"], claims["sub"], user.id, connection)
                await self._audit.append(caller, "user.link", f"user:{user.id}", from_addr=from_addr, within=connection)
        return user


def own_path(return_to: str) -> str:
    """A path of our own pages; anything that could lead elsewhere becomes ``/``."""
    parts = urlsplit(return_to)
    plain = return_to.startswith("/") and not return_to.startswith("//") and "\\" not in return_to and return_to.isprintable()
    return return_to if plain and not parts.scheme and not parts.netloc and len(return_to) <= 500 else "/"


def _derived(what: str, browser: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(browser.encode(), what.encode(), "sha256")).rstrip(b"=").decode()
