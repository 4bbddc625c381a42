"""What arrives on a connection: parsed, bounded, refused or started as a call.

On uvicorn's httptools protocol, of which the whole reading side is replaced. A head is bounded in bytes and
fields while it arrives (max_head_bytes, max_head_fields), then checked as a whole (`protocol_head.refusal`).
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from doorward.core.errors import BadRequest, DoorwardError, HeadTooLarge
from doorward.core.exchange import Gone, named
from doorward.edge.protocol_connection import BETWEEN, BODY, HEAD, LINGER, Connection
from doorward.edge.protocol_cycle import CYCLE, Cycle
from doorward.edge.protocol_head import Limits, refusal, size_of, wants_websocket, without_upgrade
from doorward.edge.protocol_ids import fit_request_id

__all__ = ["DoorProtocol", "Limits", "protocol_class"]

_MAX_LINGER_BYTES = 2**20


class _Refused(Exception):
    """Leaves the parser's callbacks; the error itself is kept on the connection."""


class DoorProtocol(Connection):
    """The reading side. `limits` is set by `protocol_class`."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_seen = False
        """Part of a head has come, and its clock runs."""
        self._head_bytes = 0
        self._fed_bytes = 0
        """Of the bytes being parsed now."""
        self._progress = False
        """The bytes being parsed brought some body, or the end of a request."""
        self._upgrading = False

    # Bytes in

    def data_received(self, data: bytes) -> None:
        if self._state == LINGER:
            self._silent_bytes += len(data)
            if self._silent_bytes > _MAX_LINGER_BYTES and self._running is None:
                self.transport.abort()
            return
        self._progress = False
        self._fed_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or BadRequest(f"The request is not valid HTTP/1.1: {_reason(error)}."))
            return
        if self._state == HEAD:
            self._head_is_partial()
        elif self._state == BODY:
            self._body_is_partial()

    def _head_is_partial(self) -> None:
        """Count its bytes, start its clock once."""
        if not self._head_seen:
            self._head_seen = True
            self._since_s = self.loop.time()
            self._watch.within(self.limits.head_timeout_s)
            # Where another request ended in the same bytes, how many of them are this head's is not known.
            self._fed_bytes = 0 if self._progress else self._fed_bytes
        self._head_bytes += self._fed_bytes
        if self._head_bytes > self.limits.max_head_bytes:
            self._refuse(self._too_large())

    def _body_is_partial(self) -> None:
        """Body bytes restart the clock; chunk extensions and trailers, of which nothing comes through, do not."""
        self._watch.within(self.limits.body_stall_s)
        if self._progress:
            self._silent_bytes = 0
            self._since_s = self.loop.time()
            return
        self._silent_bytes += self._fed_bytes
        if self._silent_bytes > self.limits.max_head_bytes:
            self._refuse(self._too_large())

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        self._upgrading = False
        if wants_websocket(self.headers):
            self._refuse(BadRequest("WebSockets are not served on this path yet; call it over HTTP.", code="not_implemented"))
            return
        method = self.parser.get_method()
        head = without_upgrade(method, self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(head + rest)

    # The parser's callbacks

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._state = HEAD

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._state == BODY:
            # A trailer: dropped, because joined to the head it would pass for something that was checked with it.
            return
        if len(self.headers) >= self.limits.max_head_fields:
            self._give_up(self._too_large())
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        method = parser.get_method().decode("ascii")
        most = self.limits.max_head_bytes
        if self._head_bytes + self._fed_bytes > most and size_of(self.url, self.headers) > most:
            self._give_up(self._too_large())
        self._head_seen = False
        self._head_bytes = 0
        if refused := refusal(method, self.url, version, self.headers):
            self._give_up(refused)
        if parser.should_upgrade():
            self._upgrading = True
            return
        if len(self.pipeline) >= self.limits.max_pipelined:
            self._give_up(BadRequest("Too many requests were sent ahead of their answers on one connection."))
        self._state = BODY
        self._silent_bytes = 0
        self._since_s = self.loop.time()
        self._start(method, version, parser.should_keep_alive() and version == "1.1" and not self._stopping)

    def _start(self, method: str, version: str, keep_alive: bool) -> None:
        headers = self.headers
        raw_path, _, query = self.url.partition(b"?")
        path = raw_path.decode("ascii")
        gone = Gone()
        first_of = named(headers)
        request_id = fit_request_id(first_of.get(b"x-request-id"))
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": self._asgi,
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "headers": headers,
            "state": self.app_state.copy(),
            "method": method,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "doorward.gone": gone,
            "doorward.named": first_of,
            "doorward.request_id": request_id,
        }
        expects = first_of.get(b"expect", b"").lower() == b"100-continue"
        cycle = self.cycle = scope[CYCLE] = Cycle(self, scope, gone, request_id, keep_alive, expects)
        if self._running is None:
            self._run(cycle)
        else:
            # Reading goes on, unlike in uvicorn: a paused connection cannot tell that its client has gone.
            self.pipeline.appendleft((cycle, self.app))  # type: ignore[arg-type]  # every cycle in our pipeline is ours

    def on_body(self, body: bytes) -> None:
        self._progress = True
        cycle = self.cycle
        if cycle is not None and not cycle.disconnected and not cycle.response_complete:
            cycle.heard(body)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self._progress = True
        self._state = BETWEEN
        self.headers = []
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.heard_all()

    def _too_large(self) -> HeadTooLarge:
        return HeadTooLarge(f"The request head is over {self.limits.max_head_bytes} bytes or {self.limits.max_head_fields} fields.")

    def _give_up(self, error: DoorwardError) -> None:
        self._refusal = error
        raise _Refused


def protocol_class(limits: Limits) -> type[DoorProtocol]:
    """The protocol with these limits, as uvicorn's `http=` takes it."""
    return type("DoorProtocol", (DoorProtocol,), {"limits": limits})


def _reason(error: Exception) -> str:
    """llhttp's own words, which are fixed texts and quote nothing that was sent."""
    return str(error) or "it cannot be parsed"
