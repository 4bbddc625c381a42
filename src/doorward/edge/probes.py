"""Health and readiness: `/healthz` (the process answers) and `/readyz` (it can serve a call), as bare ASGI.

`/readyz` asks every check within `limit_s` and answers 200, or 503 with what is missing. While the
server drains it answers 503, so that a load balancer sends new calls elsewhere. Reasons are fixed
sentences of ours: the probes need no credential, so they must tell a stranger nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from doorward.core.errors import DoorwardError, MethodNotAllowed, NotFound
from doorward.core.exchange import Header
from doorward.telemetry.logs import named
from doorward.wire import envelope

Check = Callable[[], Awaitable[None]]
"""Raises when what it checks is not well."""

log = named("doorward.probes")


class Probes:
    def __init__(
        self,
        checks: Mapping[str, Check],
        draining: Callable[[], bool],
        *,
        limit_s: float = 2.0,
        notes: Callable[[], dict[str, str]] = dict,
    ) -> None:
        """`notes`: what is not as it should be and yet no reason to send calls elsewhere; fixed sentences of ours, too."""
        self._checks = dict(checks)
        self._draining = draining
        self._limit_s = limit_s
        self._notes = notes

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        request_id: str = scope["doorward.request_id"]
        try:
            status, shape = await self._answer(scope["method"], scope["path"])
        except DoorwardError as error:
            headers, body = envelope.answer(error, request_id)
            await _send(send, error.status, headers, body)
            return
        body = msgspec.json.encode(shape)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-request-id", request_id.encode()),
        ]
        await _send(send, status, headers, b"" if scope["method"] == "HEAD" else body)

    async def _answer(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        if path not in ("/healthz", "/readyz"):
            raise NotFound("There is nothing at this path. The probes are /healthz and /readyz.", code="unknown_url")
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{method} is not allowed here. Allowed: GET, HEAD.")
        if path == "/healthz":
            return 200, {"status": "ok"}
        if self._draining():
            return 503, {"status": "draining", "checks": {}}
        results = dict(zip(self._checks, await asyncio.gather(*map(self._run, self._checks)), strict=True))
        well = all(result == "ok" for result in results.values())
        shape: dict[str, Any] = {"status": "ready" if well else "not_ready", "checks": results}
        if notes := self._notes():
            shape["notes"] = notes
        return (200 if well else 503), shape

    async def _run(self, name: str) -> str:
        try:
            async with asyncio.timeout(self._limit_s):
                await self._checks[name]()
        except TimeoutError:
            return f"no answer within {self._limit_s:g} s"
        except Exception as error:  # noqa: BLE001  # a failed check of any kind is an answer, not an accident
            log.warning("not_ready", check=name, cause=type(error).__name__)
            return "failed; the log has the cause"
        return "ok"


async def _send(send: Any, status: int, headers: list[Header], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
