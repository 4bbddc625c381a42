"""`/v1/apis/http/<adapter>/<path>` for programs, and `/api/v1/apis/http/…` for pages: one handler, as bare ASGI.

Order matters: who calls, then whether that caller has such an adapter, then the path, then the body. An
adapter that is not there and one that this caller may not use are the same 404, which lists nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from doorward.adapters import target
from doorward.adapters.adapter import Adapter
from doorward.adapters.watch import Adapters
from doorward.core.caller import Caller
from doorward.core.errors import BodyTooLarge, MethodNotAllowed, NotFound
from doorward.core.exchange import Asks, Body, Headers
from doorward.edge.answering import Answering, answered
from doorward.edge.body import Receive, declared_size
from doorward.edge.doorway import Doorway, asks_of, is_form
from doorward.edge.incoming_body import IncomingBody
from doorward.edge.origin import SAFE, check_own
from doorward.edge.protocol_cycle import CYCLE
from doorward.identity.custody import require_call
from doorward.relay.metering import Metering, Meterings
from doorward.relay.proxy import Call, Proxy

PAGES = b"/api/v1/"
PROGRAM_DOOR, PAGE_DOOR = "/v1/apis/http/", "/api/v1/apis/http/"


class AdapterDoor:
    def __init__(self, adapters: Adapters, proxy: Proxy, meterings: Meterings, doorway: Doorway) -> None:
        self._adapters = adapters
        self._proxy = proxy
        self._meterings = meterings
        self._doorway = doorway

    def __call__(self, scope: Mapping[str, Any], receive: Receive, send: object) -> Awaitable[None]:
        answer = Answering(scope[CYCLE])
        return answered(scope, answer, self._answer(scope, receive, answer))

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, answer: Answering) -> None:
        method: str = scope["method"]
        headers: Headers = scope["headers"]
        query: bytes = scope["query_string"]
        # The bytes as they came: what was decoded once could be read differently by whoever decodes next.
        raw_path: bytes = scope["raw_path"]
        peer = self._doorway.peers.address(scope["client"], headers)
        caller = await self._admit(method, raw_path, headers, peer)
        name, path = target.split(raw_path)
        adapter = self._find(name, caller)
        if method not in adapter.methods:
            allowed = ", ".join(sorted(adapter.methods)) if adapter.lists_methods else "every method but TRACE and CONNECT"
            raise MethodNotAllowed(f"{method} is not allowed here. Allowed: {allowed}.")
        built = target.build(adapter, path, query)
        metering = self._meterings.of(adapter, method, built)
        body, asks = await self._body(adapter, metering, scope["doorward.named"], receive)
        exchange = self._doorway.exchange(scope, answer, f"{PROGRAM_DOOR}{name}", b"", body, asks, peer)
        call = Call(adapter, built, metering, exchange)
        await answer.pass_on(self._proxy.open(call, caller), self._doorway.vigil, caller)

    async def _admit(self, method: str, raw_path: bytes, headers: Headers, peer: str) -> Caller:
        """A page's request comes with a session or a key, and from our own pages whatever its method (R23)."""
        is_page, doorway = raw_path.startswith(PAGES), self._doorway
        caller = await doorway.credentials.resolve(headers, sessions=is_page, from_addr=peer)
        require_call(doorway.custody, caller)
        by_session = caller.session_id is not None
        if by_session or caller.is_anonymous:
            check_own(headers, doorway.site, needs_proof=by_session and method not in SAFE)
        return caller

    def _find(self, name: str, caller: Caller) -> Adapter:
        adapter = self._adapters.find(name)
        if adapter is None or not adapter.admits(caller):
            raise NotFound("There is no adapter of that name that you may use.", code="adapter_not_found")
        return adapter

    async def _body(self, adapter: Adapter, metering: Metering, head: Mapping[bytes, bytes], receive: Receive) -> tuple[Body, Asks]:
        limits, size, content_type = self._doorway.limits, declared_size(head.get(b"content-length")), head.get(b"content-type")
        most = min(adapter.max_request_bytes, limits.max_file_bytes)
        if metering.reads_body and not is_form(content_type):
            most = min(most, limits.max_json_bytes)
        elif size is not None and size > limits.spool_bytes and not metering.reads_body:
            if size > most:
                raise BodyTooLarge(f"The request body is larger than {most:,} bytes, the most that adapter {adapter.name} takes.")
            return IncomingBody(receive, size), Asks()
        body = await self._doorway.body(receive, size, most)
        return body, await asks_of(content_type, body) if metering.reads_body else Asks()
