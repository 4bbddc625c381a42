"""Ours going out: events for the operator's own systems, signed, tried again, through the transport.

    POST <url>          content-type: application/json
    x-doorward-event: budget.reached
    x-doorward-delivery: <id>            the same on every try: receivers drop what they have seen
    x-doorward-timestamp: <unix seconds>
    x-doorward-signature: v1=<hex>       HMAC-SHA256 of "<timestamp>.<body>" under the shared secret

A receiver checks the signature, then that the timestamp is recent. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import uuid
from urllib.parse import urlsplit

import msgspec

from doorward.core.clock import Clock
from doorward.core.errors import BadRequest
from doorward.core.exchange import Header, MemoryBody
from doorward.core.secret import Secret
from doorward.upstream.port import Origin, Outgoing, Transport, TransportError

_log = logging.getLogger(__name__)

TRIES = 5
FIRST_WAIT_S = 1.0
"""Doubled after each try."""
ANSWER_S = 10.0


def signature(secret: Secret, timestamp: int, body: bytes) -> str:
    """What a receiver computes as well."""
    signed = hmac.new(secret.reveal(), b"%d.%b" % (timestamp, body), hashlib.sha256)
    return f"v1={signed.hexdigest()}"


class Webhooks:
    """One receiver. Raises `BadRequest` for a URL that cannot be one."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        secret: Secret,
        clock: Clock,
        *,
        allow_private: bool = False,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.password or parts.fragment:
            raise BadRequest("A webhook's URL is https://host/path, without user and password.", param="alert_webhook_url")
        if not secret:
            raise BadRequest("A webhook needs a secret to sign with.", param="alert_webhook_secret")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._origin = Origin(parts.scheme, parts.hostname, port, allow_private)
        self._target = (parts.path or "/").encode("ascii") + (b"?" + parts.query.encode("ascii") if parts.query else b"")
        self._transport = transport
        self._secret = secret
        self._clock = clock
        self._first_wait_s = first_wait_s

    async def send(self, event: str, data: dict[str, object]) -> bool:
        """Deliver; `False` after the last try. Any 2xx is taken; a 4xx other than 408 and 429 is not tried again."""
        delivery = uuid.uuid4().hex
        body = msgspec.json.encode({"event": event, "delivery": delivery, "data": data})
        for number in range(TRIES):
            if number:
                await asyncio.sleep(self._first_wait_s * 2 ** (number - 1))
            status = await self._try(event, delivery, body)
            if status is not None and 200 <= status < 300:
                return True
            if status is not None and 400 <= status < 500 and status not in (408, 429):
                _log.error("the webhook for %s answered %d: it is not tried again", event, status)
                return False
        return False

    async def _try(self, event: str, delivery: str, body: bytes) -> int | None:
        timestamp = int(self._clock.wall())
        headers: list[Header] = [
            (b"content-type", b"application/json"),
            (b"user-agent", b"doorward"),
            (b"x-doorward-event", event.encode()),
            (b"x-doorward-delivery", delivery.encode()),
            (b"x-doorward-timestamp", str(timestamp).encode()),
            (b"x-doorward-signature", signature(self._secret, timestamp, body).encode()),
        ]
        outgoing = Outgoing(self._origin, "POST", self._target, headers, MemoryBody(body), head_s=ANSWER_S, write_s=ANSWER_S)
        try:
            incoming = await self._transport.open(outgoing)
        except TransportError as error:
            _log.warning("the webhook for %s could not be delivered: %s", event, error)
            return None
        incoming.close()
        return incoming.status
