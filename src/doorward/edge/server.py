"""Listening, serving and stopping, on uvicorn's server with uvloop and our protocol.

Stopping (SIGTERM, SIGINT): the sockets close; idle connections stay a moment longer, because a request may already be on its
way on them; open calls may finish for `drain_s`; then all clients are told in one go, streams with an error event, and the
calls are cancelled and settle. A second signal skips the wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, Literal

import uvicorn
import uvloop

from doorward.edge.protocol import DoorProtocol, protocol_class
from doorward.edge.protocol_head import Limits

__all__ = ["CannotListen", "Limits", "PortInUse", "run", "serve"]

_log = logging.getLogger("doorward.edge")

IDLE_GRACE_S = 1.0
"""How long idle connections outlive the listening socket, and an answer whose head promised to keep them."""
CANCEL_GRACE_S = 5.0
"""How long cancelled calls may take to settle; their clients have been told before."""
FLUSH_GRACE_S = 1.0
"""How long the last bytes may take to leave."""
GC_THRESHOLDS = (50_000, 20, 50)
"""With everything of the start frozen, few objects of a request survive: collecting rarely keeps p99 low."""

OnReady = Callable[[str, int], object]


class CannotListen(Exception):
    """The server cannot start listening. `message` is for the operator, with what to do."""

    def __init__(self, message: str, host: str, port: int) -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.port = port


class PortInUse(CannotListen):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"Port {port} on {host} is in use; stop what listens there or choose another with --port.", host, port)


class Unusable(CannotListen):
    """The certificate or its key cannot be used."""


async def serve(
    app: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    limits: Limits | None = None,
    drain_s: float = 30.0,
    on_ready: OnReady | None = None,
    on_stop: Callable[[], object] = lambda: None,
    stop: asyncio.Event | None = None,
    lifespan: Literal["auto", "on", "off"] = "auto",
) -> None:
    """Serve an ASGI app until SIGTERM, SIGINT or `stop`. `on_ready` gets what was really bound; the drain begins with `on_stop`.

    Raises `PortInUse`, `Unusable` or `CannotListen` before anything is served.
    """
    limits = limits or Limits()
    context = _tls(tls_cert, tls_key, host, port)
    listening = listener(host, port)
    config = uvicorn.Config(
        app,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # the peer is worked out by one reader of ours, from `trusted_proxies`
        server_header=False,
        date_header=True,
    )
    server = _Server(config, listening, context, limits, drain_s, on_ready, on_stop)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listening.close)
        if stop is not None:
            await stack.enter_async_context(_stopped_by(server, stop))
        await server.serve()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def listener(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises `PortInUse` or `CannotListen`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(address[:2], family=family, backlog=2048, reuse_port=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from None
        raise CannotListen(f"Cannot listen on {host} port {port}: {error.strerror or error}.", host, port) from None
    # Connections inherit it. uvloop sets it on each by itself; asyncio does not on sockets made like this, and then the
    # second piece of a stream waits 40 ms for the client's system to acknowledge the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _tls(cert: Path | None, key: Path | None, host: str, port: int) -> ssl.SSLContext | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise Unusable("TLS needs both --tls-cert and --tls-key.", host, port)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise Unusable(
            f"The TLS certificate {cert} with key {key} cannot be used: {error.strerror or error}.", host, port
        ) from None
    return context


@contextlib.asynccontextmanager
async def _stopped_by(server: _Server, stop: asyncio.Event) -> AsyncIterator[None]:
    async def wait() -> None:
        await stop.wait()
        server.should_exit = True

    task = asyncio.create_task(wait())
    try:
        yield
    finally:
        task.cancel()


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        tls: ssl.SSLContext | None,
        limits: Limits,
        drain_s: float,
        on_ready: OnReady | None,
        on_stop: Callable[[], object],
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._tls = tls
        self._limits = limits
        self._protocol = protocol_class(limits)
        self._drain_s = drain_s
        self._on_ready, self._on_stop = on_ready, on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise RuntimeError("the app did not start; its log says why")
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._connection, sock=self._listener, backlog=2048, **self._secured)
        self.servers = [server]
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self.started = True
        if self._on_ready is not None:
            self._on_ready(*self._listener.getsockname()[:2])

    def _connection(self) -> DoorProtocol:
        made = self._protocol(self.config, self.server_state, self.lifespan.state, asyncio.get_running_loop())
        if self.should_exit:
            made.shutdown()
        return made

    @property
    def _secured(self) -> dict[str, Any]:
        return {"ssl": self._tls, "ssl_handshake_timeout": self._limits.head_timeout_s if self._tls else None}

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        connections: set[Any] = self.server_state.connections
        loop = asyncio.get_running_loop()
        grace_s = min(IDLE_GRACE_S, self._drain_s / 2)
        self._on_stop()
        await self._stop_listening(grace_s)
        started_s = loop.time()
        while connections and not self.force_exit and loop.time() - started_s < self._drain_s:
            for connection in list(connections):
                connection.shutdown()  # each time: one may have become a connection only now
                if loop.time() - started_s >= grace_s:
                    connection.close_if_idle(grace_s)
            await asyncio.sleep(0.05)
        await self._cancel_open(connections)
        await self._close_all(connections)
        if not self.force_exit:
            await self.lifespan.shutdown()

    async def _stop_listening(self, within_s: float) -> None:
        """Whoever the kernel has let in is served: closing the socket would reset those that the loop has not accepted yet."""
        loop = asyncio.get_running_loop()
        late = []
        with contextlib.suppress(OSError):  # nobody else waits
            while True:
                late.append(loop.create_task(self._welcome(self._listener.accept()[0])))
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)  # those that the loop has accepted in this turn become connections
        if late:
            await asyncio.wait(late, timeout=within_s)

    async def _welcome(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        with contextlib.suppress(OSError):  # it left, or its handshake failed
            await asyncio.get_running_loop().connect_accepted_socket(self._connection, accepted, **self._secured)

    async def _close_all(self, connections: set[Any]) -> None:
        """What was written may still be read for a moment; a client that reads nothing must not keep the process alive."""
        for connection in list(connections):
            connection.transport.close()
        for _ in range(round(FLUSH_GRACE_S / 0.05)):
            if connections and not self.force_exit:
                await asyncio.sleep(0.05)
        for connection in list(connections):
            connection.transport.abort()

    async def _cancel_open(self, connections: set[Any]) -> None:
        tasks = list(self.server_state.tasks)
        if not tasks:
            return
        _log.warning("calls still open after the drain are ended", extra={"calls": len(tasks)})
        for task in tasks:
            task.cancel()
        for connection in list(connections):
            connection.tell()
        await asyncio.wait(tasks, timeout=CANCEL_GRACE_S)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Through the loop, and not raised again afterwards: a drained stop is a clean exit."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
