"""`/v1/apis/http/<adapter>/<path>` for programs, and `/api/v1/apis/http/…` for pages: one handler, as bare ASGI.

Order matters: who calls, then whether that caller has such an adapter, then the path, then the body. An
adapter that is not there and one that this caller may not use are the same 404, which lists nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doorward.adapters import target
from doorward.adapters.adapter import Adapter
from doorward.adapters.watch import Adapters
from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import BodyTooLarge, MethodNotAllowed, NotFound
from doorward.core.exchange import Asks, Body, Exchange, Headers, header
from doorward.edge.answering import Answering, Send, answered
from doorward.edge.body import Receive, declared_size, read_body
from doorward.edge.data_plane import BodyLimits, ending
from doorward.edge.incoming_body import IncomingBody
from doorward.edge.origin import SAFE, check_own
from doorward.edge.peer import Peers
from doorward.identity.credentials import Credentials
from doorward.identity.custody import Custody, require_call
from doorward.identity.site import Site
from doorward.identity.vigil import Vigil
from doorward.relay.metering import Metering, Meterings
from doorward.relay.proxy import Call, Proxy
from doorward.wire import multipart, openai

PAGES = b"/api/v1/"
PROGRAM_DOOR, PAGE_DOOR = "/v1/apis/http/", "/api/v1/apis/http/"


class AdapterDoor:
    def __init__(
        self,
        adapters: Adapters,
        proxy: Proxy,
        meterings: Meterings,
        credentials: Credentials,
        vigil: Vigil,
        peers: Peers,
        site: Site,
        custody: Custody,
        limits: BodyLimits,
        clock: Clock,
    ) -> None:
        self._adapters = adapters
        self._proxy = proxy
        self._meterings = meterings
        self._credentials = credentials
        self._vigil = vigil
        self._peers = peers
        self._site = site
        self._custody = custody
        self._limits = limits
        self._clock = clock

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        await answered(scope, send, lambda answer: self._answer(scope, receive, answer))

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, answer: Answering) -> None:
        method: str = scope["method"]
        headers: Headers = scope["headers"]
        query: bytes = scope["query_string"]
        # The bytes as they came: what was decoded once could be read differently by whoever decodes next.
        raw_path: bytes = scope["raw_path"]
        peer = self._peers.address(scope["client"], headers)
        caller = await self._admit(method, raw_path, headers, peer)
        name, path = target.split(raw_path)
        adapter = self._find(name, caller)
        if method not in adapter.methods:
            allowed = ", ".join(sorted(adapter.methods)) if adapter.lists_methods else "every method but TRACE and CONNECT"
            raise MethodNotAllowed(f"{method} is not allowed here. Allowed: {allowed}.")
        built = target.build(adapter, path, query)
        metering = self._meterings.of(adapter, method, built)
        body, asks = await self._body(adapter, metering, headers, receive)
        exchange = Exchange(
            answer.request_id,
            method,
            f"{PROGRAM_DOOR}{name}",
            b"",
            headers,
            body,
            asks,
            peer,
            self._clock.monotonic(),
            scope["doorward.gone"],
        )
        call = Call(adapter, built, metering, exchange)
        await answer.pass_on(self._proxy.open(call, caller), self._vigil.over(caller, ending(answer)))

    async def _admit(self, method: str, raw_path: bytes, headers: Headers, peer: str) -> Caller:
        """A page's request comes with a session or a key, and from our own pages whatever its method (R23)."""
        is_page = raw_path.startswith(PAGES)
        caller = await self._credentials.resolve(headers, sessions=is_page, from_addr=peer)
        require_call(self._custody, caller)
        by_session = caller.session_id is not None
        if by_session or caller.is_anonymous:
            check_own(headers, self._site, needs_proof=by_session and method not in SAFE)
        return caller

    def _find(self, name: str, caller: Caller) -> Adapter:
        adapter = self._adapters.find(name)
        if adapter is None or not adapter.admits(caller):
            raise NotFound("There is no adapter of that name that you may use.", code="adapter_not_found")
        return adapter

    async def _body(self, adapter: Adapter, metering: Metering, headers: Headers, receive: Receive) -> tuple[Body, Asks]:
        limits = self._limits
        size = declared_size(headers)
        most = min(adapter.max_request_bytes, limits.max_file_bytes)
        content_type = (header(headers, b"content-type") or b"").lower()
        is_json = metering.reads_body and not content_type.startswith(b"multipart/form-data")
        if is_json:
            most = min(most, limits.max_json_bytes)
        elif size is not None and size > limits.spool_bytes and not metering.reads_body:
            if size > most:
                raise BodyTooLarge(f"The request body is larger than {most:,} bytes, the most that adapter {adapter.name} takes.")
            return IncomingBody(receive, size), Asks()
        body = await read_body(receive, headers, most, limits.spool_bytes, limits.spool_dir)
        if body.size == 0 or not metering.reads_body:
            return body, Asks()
        if not is_json:
            return body, await multipart.read_asks(header(headers, b"content-type") or b"", body)
        data = body.data
        if data is None:
            data = b"".join([chunk async for chunk in body.chunks()])
        return body, openai.read_asks(data) if data else Asks()
