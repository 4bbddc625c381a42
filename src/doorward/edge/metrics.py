"""`/metrics`, Prometheus' page: on a port of its own, or with a bearer token; without either, for this machine only."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from doorward.core.errors import DoorwardError, Forbidden, MethodNotAllowed, NotFound, Unauthenticated
from doorward.core.exchange import Header, Headers, header
from doorward.telemetry.exposition import CONTENT_TYPE
from doorward.wire import envelope

_FORWARDED = frozenset((b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"))


class MetricsDoor:
    """`token`: SHA-256 of what opens the door. `own_port`: this door hangs where only operators reach it.

    Neither: only a client on this machine that nobody stands in front of; a proxy's header says that somebody does.
    """

    def __init__(self, text: Callable[[], str], token: bytes | None, *, own_port: bool = False) -> None:
        self._text = text
        self._token = token
        self._own_port = own_port

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        request_id: str = scope["doorward.request_id"]
        try:
            self._admit(scope)
        except DoorwardError as error:
            status, (headers, body) = error.status, envelope.answer(error, request_id)
        else:
            status, body = 200, self._text().encode()
            headers = self._headers(len(body), request_id)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body, "more_body": False})

    def _admit(self, scope: Mapping[str, Any]) -> None:
        if scope["path"] != "/metrics":
            raise NotFound("There is nothing at this path. The metrics are at /metrics.", code="unknown_url")
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{scope['method']} is not allowed here. Allowed: GET, HEAD.")
        if self._token is not None:
            self._check(self._token, scope["headers"])
        elif not self._own_port and not _is_local(scope):
            raise Forbidden(
                "The metrics are for this machine only. Set DOORWARD_METRICS_PORT or DOORWARD_METRICS_TOKEN to read them elsewhere."
            )

    @staticmethod
    def _check(token: bytes, headers: Headers) -> None:
        kind, _, given = (header(headers, b"authorization") or b"").partition(b" ")
        if kind.lower() != b"bearer" or not hmac.compare_digest(hashlib.sha256(given.strip()).digest(), token):
            raise Unauthenticated("The metrics need the bearer token of DOORWARD_METRICS_TOKEN.")

    @staticmethod
    def _headers(length: int, request_id: str) -> list[Header]:
        return [
            (b"content-type", CONTENT_TYPE),
            (b"content-length", b"%d" % length),
            (b"cache-control", b"no-store"),
            (b"x-request-id", request_id.encode()),
        ]


def _is_local(scope: Mapping[str, Any]) -> bool:
    if any(name in _FORWARDED for name, _ in scope["headers"]):
        return False
    try:
        return ipaddress.ip_address(scope["client"][0] if scope["client"] else "").is_loopback
    except ValueError:
        return False
