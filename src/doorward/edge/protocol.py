"""The HTTP parser's side of the door: limits on heads and times, refusals in OpenAI's shape, who has gone.

On uvicorn's httptools protocol, of which the whole reading side is replaced:

    HEAD     a request's head is arriving            head_timeout_s, max_head_bytes, max_head_fields
    BODY     its body is arriving                    body_stall_s
    BETWEEN  nothing is arriving                     head_timeout_s before the first request, then keep_alive_s
    LINGER   a refusal was written; input is dropped linger_s

One timer a connection, armed for the next time something can be due and never touched on the way of an
ordinary request. What the client does not read is watched by the same timer (slow_reader_s).
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from doorward.core.errors import BadRequest, DoorwardError, HeadTooLarge, TooSlow
from doorward.core.exchange import Gone, header
from doorward.edge.protocol_cycle import Cycle, Flow
from doorward.edge.protocol_head import Limits, refusal, wants_websocket, without_upgrade
from doorward.edge.protocol_ids import fit_request_id
from doorward.edge.protocol_watch import Watch
from doorward.wire import envelope

__all__ = ["DoorProtocol", "Limits", "protocol_class"]

BETWEEN, HEAD, BODY, LINGER = range(4)

_MAX_LINGER_BYTES = 2**20


class NotImplementedHere(BadRequest):
    """A protocol change that is not offered."""

    status, code = 501, "not_implemented"


class _Refused(Exception):
    """Leaves the parser's callbacks; the error itself is kept on the protocol."""


class DoorProtocol(HttpToolsProtocol):
    """One connection. `limits` is set by `protocol_class`."""

    limits = Limits()

    cycle: Cycle | None  # type: ignore[assignment]  # the request that arrived last; ours is a subclass
    flow: Flow

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # Without uvicorn's leniency: what follows a last request ("Connection: close") is refused, not served.
        self.parser = httptools.HttpRequestParser(self)
        self.headers = []
        self.url = b""
        self._state = BETWEEN
        self._running: Cycle | None = None
        self._since_s = 0.0
        self._head_seen = False
        self._head_bytes = 0
        self._field_bytes = 0
        self._progress = False
        self._silent_bytes = 0
        self._upgrading = False
        self._stopping = False
        self._refusal: DoorwardError | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        self.connections.add(self)
        self.transport = transport
        self.flow = Flow(transport, self.loop)
        self.server = get_local_addr(transport)
        self.client = get_remote_addr(transport)
        self.scheme = "https" if is_ssl(transport) else "http"
        self._since_s = self.loop.time()
        self._watch = Watch(transport, self.loop, self.limits.slow_reader_s, self._left_s, self._expire)
        self._watch.within(self.limits.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        self._watch.stop()
        self._leave()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        self.parser = None  # type: ignore[assignment]  # as uvicorn does: breaks the cycle between the two

    def eof_received(self) -> None:
        # A client that shuts its sending side is taken as gone: a connection that merely drains would
        # otherwise tell nobody until its last byte is written.
        self._leave()

    def _leave(self) -> None:
        if self._running is not None:
            self._running.leave()
        while self.pipeline:
            queued, _ = self.pipeline.pop()
            queued.leave()  # type: ignore[attr-defined]  # every cycle in our pipeline is ours

    def shutdown(self) -> None:
        """The server stops: what is open is answered and then closed. Idle connections: `close_if_idle`."""
        self._stopping = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def close_if_idle(self) -> None:
        if self._running is None and self._state == BETWEEN:
            self.transport.close()

    # Bytes in

    def data_received(self, data: bytes) -> None:
        if self._state == LINGER:
            self._silent_bytes += len(data)
            if self._silent_bytes > _MAX_LINGER_BYTES and self._running is None:
                self.transport.abort()
            return
        self._progress = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or BadRequest(f"The request is not valid HTTP/1.1: {_reason(error)}."))
            return
        if self._state == HEAD:
            self._watch_head(len(data))
        elif self._state == BODY:
            self._watch_body(len(data))

    def _watch_head(self, length: int) -> None:
        """A head is not complete yet: count its bytes, start its clock once."""
        if not self._head_seen:
            self._head_seen = True
            self._since_s = self.loop.time()
            self._watch.within(self.limits.head_timeout_s)
            # Where another request ended in the same bytes, how many of them are this head's is not known.
            length = 0 if self._progress else length
        self._head_bytes += length
        if self._head_bytes > self.limits.max_head_bytes:
            self._refuse(self._too_large())

    def _watch_body(self, length: int) -> None:
        """Body bytes restart the clock; chunk extensions and trailers, of which nothing comes through, do not."""
        if self._progress:
            self._silent_bytes = 0
            self._since_s = self.loop.time()
            self._watch.within(self.limits.body_stall_s)
            return
        self._silent_bytes += length
        if self._silent_bytes > self.limits.max_head_bytes:
            self._refuse(self._too_large())

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        self._upgrading = False
        if wants_websocket(self.headers):
            self._refuse(NotImplementedHere("WebSockets are not served on this path yet; call it over HTTP."))
            return
        method = self.parser.get_method()
        head = without_upgrade(method, self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(head + rest)

    # The parser's callbacks

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._state = HEAD
        self._field_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        # llhttp reports trailers here too: they are counted like a head and dropped, never added to it.
        self._field_bytes += len(name) + len(value) + 4
        if len(self.headers) >= self.limits.max_head_fields or self._field_bytes > self.limits.max_head_bytes:
            self._give_up(self._too_large())
        if self._state == BODY:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = parser.get_http_version()
        method = parser.get_method().decode("ascii")
        self._head_seen = False
        self._head_bytes = 0
        if self._field_bytes + len(self.url) > self.limits.max_head_bytes:
            self._give_up(self._too_large())
        if refused := refusal(method, self.url, version, self.headers):
            self._give_up(refused)
        if parser.should_upgrade():
            self._upgrading = True
            return
        if len(self.pipeline) >= self.limits.max_pipelined:
            self._give_up(BadRequest("Too many requests were sent ahead of their answers on one connection."))
        self._state = BODY
        self._silent_bytes = 0
        self._field_bytes = 0
        self._since_s = self.loop.time()
        self._start(method, version, parser.should_keep_alive() and version == "1.1" and not self._stopping)

    def _start(self, method: str, version: str, keep_alive: bool) -> None:
        raw_path, _, query = self.url.partition(b"?")
        path = raw_path.decode("ascii")
        gone = Gone()
        request_id = fit_request_id(header(self.headers, b"x-request-id"))
        scope: Any = self.scope
        scope["method"] = method
        scope["http_version"] = version
        scope["path"] = self.root_path + (unquote(path) if "%" in path else path)
        scope["raw_path"] = self.root_path.encode("ascii") + raw_path
        scope["query_string"] = query
        scope["doorward.gone"] = gone
        scope["doorward.request_id"] = request_id
        cycle = self.cycle = Cycle(
            gone=gone,
            request_id=request_id,
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        if self._running is None:
            self._run(cycle)
        else:
            # Reading goes on, unlike in uvicorn: a paused connection cannot tell that its client has gone.
            self.pipeline.appendleft((cycle, self.app))

    def _run(self, cycle: Cycle) -> None:
        self._running = cycle
        self._start_asgi_task(cycle, self.app)

    def on_body(self, body: bytes) -> None:
        self._progress = True
        if self.cycle is not None and not self.cycle.disconnected:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self._progress = True
        self._state = BETWEEN
        self.headers = []
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    # Answers and refusals

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._running = None
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, _ = self.pipeline.pop()
            self._run(cycle)  # type: ignore[arg-type]  # every cycle in our pipeline is ours
        elif self._refusal is not None:
            self._write_refusal(self._refusal)
        elif self._state != HEAD:
            self._since_s = self.loop.time()

    def _too_large(self) -> HeadTooLarge:
        return HeadTooLarge(f"The request head is over {self.limits.max_head_bytes} bytes or {self.limits.max_head_fields} fields.")

    def _give_up(self, error: DoorwardError) -> None:
        self._refusal = error
        raise _Refused

    def _refuse(self, error: DoorwardError) -> None:
        """End this connection with `error`, after the answers to what was asked before it."""
        self._refusal = error
        broken = self.cycle if self._state == BODY else None
        self._state = LINGER
        self._silent_bytes = 0
        if broken is not None and broken.response_complete:
            self.transport.close()
            return
        if broken is not None and broken is self._running:
            started = broken.response_started
            broken.leave()
            self._running = None
            if started:
                self.transport.abort()
                return
        elif broken is not None and self.pipeline and self.pipeline[0][0] is broken:
            self.pipeline.popleft()
            broken.leave()
        if self._running is None:
            self._write_refusal(error)

    def _write_refusal(self, error: DoorwardError) -> None:
        request_id = fit_request_id(header(self.headers, b"x-request-id"))
        headers, content = envelope.answer(error, request_id)
        lines = [STATUS_LINE[error.status]]
        for name, value in (*self.server_state.default_headers, *headers, (b"connection", b"close")):
            lines += (name, b": ", value, b"\r\n")
        self.transport.write(b"".join((*lines, b"\r\n", content)))
        self._since_s = self.loop.time()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._watch.within(self.limits.linger_s)

    # Time

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch.writing_paused()

    def _unset_keepalive_if_required(self) -> None:
        """uvicorn's own keep-alive timer is never armed: the watch does its work."""

    def _left_s(self) -> float:
        """Seconds until what the connection waits for is overdue."""
        limits = self.limits
        waited_s = self.loop.time() - self._since_s
        if self._state == HEAD:
            return limits.head_timeout_s - waited_s
        if self._state == BODY and self._running is None:
            return limits.head_timeout_s - waited_s  # answered before the body was whole; the rest is dropped for a while
        if self._state == BODY:
            if self.flow.read_paused:
                return limits.body_stall_s
            return limits.body_stall_s - min(waited_s, self.loop.time() - self.flow.resumed_s)
        if self._running is not None:
            return limits.slow_reader_s
        if self._state == LINGER:
            return limits.linger_s - waited_s
        return (limits.head_timeout_s if self.cycle is None else limits.keep_alive_s) - waited_s

    def _expire(self) -> None:
        if self._state == HEAD:
            self._refuse(TooSlow("The request head was not complete in time; send it at once."))
        elif self._state == BODY and self._running is not None:
            self._refuse(TooSlow("The request body stopped arriving; send it without long pauses."))
        else:
            self.transport.close()


def protocol_class(limits: Limits) -> type[DoorProtocol]:
    """The protocol with these limits, as uvicorn's `http=` takes it."""
    return type("DoorProtocol", (DoorProtocol,), {"limits": limits})


def _reason(error: Exception) -> str:
    """llhttp's own words, which are fixed texts and quote nothing that was sent."""
    return str(error) or "it cannot be parsed"
