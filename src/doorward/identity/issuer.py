"""What an OIDC provider publishes, and what it says when asked: discovery, signing keys, the token endpoint.

Everything goes out through `upstream.port.Transport` (one egress, I14): no redirect is followed,
addresses are checked, answers are read up to a bound.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from doorward.core.clock import Clock
from doorward.core.errors import UpstreamFailed
from doorward.core.exchange import EMPTY, Body, Header, MemoryBody
from doorward.core.secret import Secret
from doorward.upstream.port import Origin, Outgoing, Transport, TransportError

KEEP_S = 3600.0
REFETCH_S = 10.0
"""An unknown key id makes us look again, but not more often than this."""
MOST_BYTES = 1024 * 1024
LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Client:
    """How Doorward is registered at the provider. `name` is on the sign-in button."""

    issuer: str
    client_id: str
    client_secret: Secret | None
    name: str = "OIDC"
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """The provider's discovery document, the fields that are used."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    says_issuer: bool
    """Its redirects carry `iss` (RFC 9207), so one without is refused."""
    takes_basic: bool


class Issuer:
    def __init__(self, client: Client, transport: Transport, clock: Clock) -> None:
        self.client = client
        self._transport = transport
        self._monotonic = clock.monotonic
        self._published: tuple[Published, float] | None = None
        self._keys: tuple[dict[str, Any], float] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def published(self) -> Published:
        """Kept for an hour. Raises `UpstreamFailed` when the provider cannot be reached or contradicts itself."""
        async with self._one_at_a_time:
            if self._published is not None and self._monotonic() - self._published[1] < KEEP_S:
                return self._published[0]
            found = await self._ask("GET", self.client.issuer.rstrip("/") + "/.well-known/openid-configuration")
            published = self._checked(found)
            self._published = (published, self._monotonic())
            return published

    async def keys(self, *, newer: bool = False) -> dict[str, Any]:
        """The provider's JWK set. `newer`: a token names a key that is not in it, so look again."""
        published = await self.published()
        async with self._one_at_a_time:
            age_s = self._monotonic() - self._keys[1] if self._keys is not None else KEEP_S
            if self._keys is not None and age_s < (REFETCH_S if newer else KEEP_S):
                return self._keys[0]
            found = await self._ask("GET", published.jwks_uri)
            self._keys = (found, self._monotonic())
            return found

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
        """Code -> the token endpoint's answer."""
        published = await self.published()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        headers: list[Header] = [(b"content-type", b"application/x-www-form-urlencoded")]
        secret = self.client.client_secret
        if secret is None:
            form["client_id"] = self.client.client_id
        elif published.takes_basic:
            pair = f"{quote_plus(self.client.client_id)}:{quote_plus(secret.reveal())}"
            headers.append((b"authorization", b"Basic " + base64.b64encode(pair.encode())))
        else:
            form |= {"client_id": self.client.client_id, "client_secret": secret.reveal().decode()}
        return await self._ask("POST", published.token_endpoint, headers, MemoryBody(urlencode(form).encode()))

    async def userinfo(self, access_token: Secret) -> dict[str, Any]:
        """What the provider tells about the user beside the ID token; `{}` if it has no such endpoint."""
        published = await self.published()
        if published.userinfo_endpoint is None:
            return {}
        return await self._ask("GET", published.userinfo_endpoint, [(b"authorization", b"Bearer " + access_token.reveal())])

    def _checked(self, found: Mapping[str, Any]) -> Published:
        if found.get("issuer") != self.client.issuer:
            raise UpstreamFailed(f"{self.client.name} names another issuer than DOORWARD_OIDC_ISSUER. Set it exactly as published.")
        methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        ends = found.get("end_session_endpoint")
        has_userinfo = found.get("userinfo_endpoint") is not None
        return Published(
            authorization_endpoint=self._endpoint(found, "authorization_endpoint"),
            token_endpoint=self._endpoint(found, "token_endpoint"),
            jwks_uri=self._endpoint(found, "jwks_uri"),
            userinfo_endpoint=self._endpoint(found, "userinfo_endpoint") if has_userinfo else None,
            end_session_endpoint=ends if isinstance(ends, str) else None,
            says_issuer=found.get("authorization_response_iss_parameter_supported") is True,
            takes_basic=isinstance(methods, list) and "client_secret_basic" in methods,
        )

    def _endpoint(self, found: Mapping[str, Any], name: str) -> str:
        url = found.get(name)
        if not isinstance(url, str) or not (
            url.startswith("https://") or (self.client.allow_private and url.startswith("http://"))
        ):
            raise UpstreamFailed(f"{self.client.name} publishes no usable {name}.")
        return url

    async def _ask(self, method: str, url: str, headers: list[Header] | None = None, body: Body = EMPTY) -> dict[str, Any]:
        try:
            async with asyncio.timeout(LIMIT_S):
                status, content = await self._open(method, url, headers or [], body)
            answer = json.loads(content)
        except (TransportError, TimeoutError, ValueError, RecursionError) as cause:
            raise UpstreamFailed(f"{self.client.name} cannot be reached. Try again, or sign in another way.") from cause
        if status != 200 or not isinstance(answer, dict):
            raise UpstreamFailed(
                f"{self.client.name} refused with status {status}. Try again, or ask your admin to check its set-up."
            )
        return answer

    async def _open(self, method: str, url: str, headers: list[Header], body: Body) -> tuple[int, bytes]:
        parts = urlsplit(url)
        if (
            parts.scheme not in ("https", "http")
            or not parts.hostname
            or (parts.scheme == "http" and not self.client.allow_private)
        ):
            raise ValueError("not a web address over TLS")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        outgoing = Outgoing(
            origin=Origin(parts.scheme, parts.hostname, port, self.client.allow_private),
            method=method,
            target=target.encode(),
            headers=[(b"accept", b"application/json"), (b"accept-encoding", b"identity"), *headers],
            body=body,
            head_s=LIMIT_S,
        )
        incoming = await self._transport.open(outgoing)
        try:
            content = bytearray()
            while piece := await incoming.read(LIMIT_S):
                content += piece
                if len(content) > MOST_BYTES:
                    raise ValueError("the answer is too large")
        finally:
            incoming.close()
        return incoming.status, bytes(content)
