"""`doorward simulate`: the simulator alone, on a socket of its own."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from doorward.core.secret import Secret
from doorward.simulator.app import DEFAULT, Simulator
from doorward.simulator.faults import Behaviour
from doorward.simulator.log import RequestLog


class _Hold:
    """A grip on one client's connection (`delivery.Connection`)."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def reset(self) -> None:
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            # Lingering for 0 s makes the kernel send a reset instead of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        self._transport.close()


class HoldableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also hands the app a grip on the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"doorward.connection": _Hold(self.transport)}  # type: ignore[dict-item]  # ASGI leaves the values to servers


def run(
    host: str,
    port: int,
    behaviour: Behaviour = DEFAULT,
    log_path: Path | None = None,
    required_key: Secret | None = None,
    announce: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until a signal. `announce` gets the URL once it listens. Raises `OSError` if the port is taken."""
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    log = RequestLog(log_path)
    app = Simulator(behaviour, log=log, required_key=required_key)
    config = uvicorn.Config(
        app,
        http=HoldableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_Announcing(config, announce).serve(sockets=[listener]))
    except KeyboardInterrupt:
        return  # uvicorn has ended in order and raises the signal again; it was asked for
    finally:
        listener.close()
        log.close()


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            self._announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
