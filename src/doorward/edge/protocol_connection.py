"""A connection's life: times, answers in their order, refusals in OpenAI's shape, and who is told when the client goes.

On uvicorn's httptools protocol. What is arriving decides which time limit runs:

    HEAD     a request's head           head_timeout_s
    BODY     its body                   body_stall_s
    BETWEEN  nothing                    head_timeout_s before the first request, then keep_alive_s
    LINGER   after a refusal: dropped   linger_s

One timer a connection (`Watch`), armed for the next time something can be due and never touched on the
way of an ordinary request. What the client does not read is watched by the same timer (slow_reader_s).
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from doorward.core.errors import DoorwardError, TooSlow, Unavailable
from doorward.core.exchange import header
from doorward.edge.protocol_arriving import Flow
from doorward.edge.protocol_cycle import STOPPING, Cycle
from doorward.edge.protocol_head import Limits
from doorward.edge.protocol_ids import fit_request_id
from doorward.edge.protocol_watch import Watch
from doorward.wire import envelope

BETWEEN, HEAD, BODY, LINGER = range(4)


class Connection(HttpToolsProtocol):
    """One client connection. What arrives on it is read by `DoorProtocol`."""

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
        self._asgi = {"version": self.asgi_version, "spec_version": "2.3"}
        self._dated_for: object = None
        self._dated: list[bytes] = []
        self._state = BETWEEN
        self._running: Cycle | None = None
        self._since_s = 0.0
        self._silent_bytes = 0
        self._stopping = False
        self._refusal: DoorwardError | None = None

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
        # What points back at this connection: without a collector's help it is gone now.
        self.parser = None  # type: ignore[assignment]
        self.cycle = self._running = None

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
        # A head that has gone out promised to keep the connection: its client may send the next request the moment
        # the answer ends. That one is answered too, with `connection: close`.
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def close_if_idle(self, for_s: float = 0.0) -> None:
        """Close if nothing was asked for so many seconds; a request that has come and was not read yet is one."""
        idle = self._running is None and self._state == BETWEEN and self.loop.time() - self._since_s >= for_s
        if idle and not _unread_bytes(self.transport):
            self.transport.close()

    def tell(self) -> None:
        """The drain is over: whoever waits for an answer is told at once, before its call is settled."""
        if self._running is not None:
            self._running.tell(Unavailable(STOPPING, retry_after_s=1))

    # Answers and refusals

    def date_lines(self) -> list[bytes]:
        """Lines of the head that every answer has; the server writes their headers anew once a second."""
        headers = self.server_state.default_headers
        if headers is not self._dated_for:
            self._dated_for = headers
            self._dated = [b"%b: %b\r\n" % item for item in headers]
        return self._dated

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

    def _run(self, cycle: Cycle) -> None:
        self._running = cycle
        task = self.loop.create_task(cycle.run_asgi(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

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
        elif broken is not None and self.pipeline and self.pipeline[0][0] is broken:  # type: ignore[comparison-overlap]
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


def _unread_bytes(transport: asyncio.Transport) -> int:
    """What the kernel holds for us: it came after the loop last looked."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return 0
    waiting = fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(waiting, sys.byteorder)
