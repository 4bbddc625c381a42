"""The door of the app endpoints: `/apps/*`, the same at `/` and `/api` if the operator lets them, and `POST /api/v1/chat`.

FastAPI, but nothing between a stream and its connection: the door cancels a request whose client has
gone, and one whose key or session ended meanwhile, by cancelling the task that serves it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from doorward.apps.apps import Apps
from doorward.apps.ask import AskOf
from doorward.apps.routes.asking import SCOPE_KEY, Asking
from doorward.apps.routes.declared import AppRoute
from doorward.apps.routes.every import APPS, ONE_SHOT
from doorward.core.errors import InvalidApiKey
from doorward.core.exchange import Gone, header
from doorward.edge.control_plane.declare import all_declared, declared, router
from doorward.edge.control_plane.errors import install
from doorward.edge.control_plane.parts import Parts
from doorward.edge.origin import check_own
from doorward.identity.site import Site
from doorward.identity.vigil import Vigil
from doorward.telemetry.logs import named
from doorward.wire import envelope

log = named("doorward.apps")

PREFIX = "/apps"
ROOTS = ("", "/api")


@dataclass(frozen=True, slots=True)
class AppsParts:
    apps: Apps
    ask_of: AskOf
    parts: Parts
    site: Site
    vigil: Vigil
    at_root: bool


class AppsDoor(FastAPI):
    def __init__(self, given: AppsParts) -> None:
        super().__init__(title="Doorward apps", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
        self.state.parts = given.parts
        self._given = given
        install(self)
        for noun in APPS:
            self._mount(noun.all, noun.noun, PREFIX)
            if given.at_root:
                for root in ROOTS:
                    self._mount([route for route in noun.all if route.rooted], noun.noun, root)
        self._mount(ONE_SHOT.all, ONE_SHOT.noun, "/api/v1")
        all_declared(self.router.routes)

    def doors(self) -> list[tuple[str, Callable[[Any, Any, Any], Awaitable[None]]]]:
        """(path prefix, this door) for `Root`."""
        rooted = {route.path for noun in APPS for route in noun.all if route.rooted} if self._given.at_root else set()
        own = [root + path for root in ROOTS for path in sorted(rooted)]
        return [(prefix, self) for prefix in ("/apps/", *(f"/api/v1{route.path}" for route in ONE_SHOT.all), *own)]

    def described(self) -> list[BaseRoute]:
        """What the document lists: every endpoint once, by its own path."""
        own = (f"{PREFIX}/", *(f"/api/v1{route.path}" for route in ONE_SHOT.all))
        return [route for route in self.router.routes if isinstance(route, APIRoute) and route.path.startswith(own)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        gone: Gone = scope["doorward.gone"]
        answer = _Answer(scope["doorward.request_id"], send)
        revoked = False

        def revoke() -> None:
            nonlocal revoked
            revoked = True
            task.cancel()

        with ExitStack() as watched:

            def asking(request: Request) -> Asking:
                made = self._asking(request)
                watched.enter_context(self._given.vigil.over(made.caller, revoke))
                return made

            gone.then(task.cancel)
            try:
                await super().__call__({**scope, SCOPE_KEY: asking}, receive, answer.send)
            except asyncio.CancelledError:
                if not gone.happened and not revoked:
                    raise  # the server is stopping, and tells the client
                task.uncancel()
                if not gone.happened:
                    await answer.revoked()
            except Exception as error:
                # Starlette has answered 500 and raises again for the log: this is the log.
                log.exception("internal_error", request_id=answer.request_id, cause=type(error).__name__)
            finally:
                gone.forget(task.cancel)

    def _asking(self, request: Request) -> Asking:
        scope, given = request.scope, self._given
        headers, caller = scope["headers"], request.state.caller
        peer = given.parts.peers.address(scope.get("client"), headers)
        tags = header(headers, b"x-doorward-tags") or b""
        ask = given.ask_of(caller, scope["doorward.request_id"], peer, scope["doorward.gone"], tags)
        by_session = caller.session_id is not None
        return Asking(given.apps, caller, ask, lambda: check_own(headers, given.site, needs_proof=by_session))

    def _mount(self, listed: Iterable[AppRoute], noun: str, prefix: str) -> None:
        added = router(noun)
        for route in listed:
            marked = declared(
                auth="either",
                scope="admin" if route.admin else "call",
                body_cap_bytes=route.body_cap_bytes,
                metered=route.metered,
                audits_itself=not route.changes,
            )(route.endpoint)
            added.add_api_route(prefix + route.path, marked, methods=[route.method], status_code=route.status, **route.described())
        self.router.routes.extend(added.routes)


class _Answer:
    """Puts the request id on every answer, and knows what can still be said when a request is ended."""

    __slots__ = ("_send", "_started", "_streamed", "request_id")

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id = request_id
        self._send = send
        self._started = self._streamed = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [item for item in message["headers"] if item[0] != b"x-request-id"]
            self._started = True
            self._streamed = any(item[0] == b"content-type" and item[1].startswith(b"text/event-stream") for item in kept)
            own = [(b"x-request-id", self.request_id.encode())]
            if header(kept, b"cache-control") is None:
                own.append((b"cache-control", b"no-store"))
            message["headers"] = [*kept, *own]
        await self._send(message)

    async def revoked(self) -> None:
        error = InvalidApiKey("The right to this call ended while it ran: the key or session was revoked.")
        if not self._started:
            headers, content = envelope.answer(error, self.request_id)
            await self._send({"type": "http.response.start", "status": error.status, "headers": headers})
            await self._send({"type": "http.response.body", "body": content, "more_body": False})
        elif self._streamed:
            await self._send({"type": "http.response.body", "body": envelope.event(error), "more_body": False})
