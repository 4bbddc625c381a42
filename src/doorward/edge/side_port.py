"""A second listener for a small door of the operator's, behind the same parser and limits as the first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from doorward.edge.protocol import DoorProtocol, protocol_class
from doorward.edge.protocol_head import Limits
from doorward.edge.server import listener


class SidePort:
    """`open` binds and serves in the running loop; raises what `edge.server` raises for an address that cannot be had."""

    def __init__(self, app: Callable[..., Coroutine[Any, Any, None]], host: str, port: int, limits: Limits) -> None:
        self._app = app
        self._address = host, port
        self._protocol = protocol_class(limits)
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self.port = port
        """What was really bound."""

    async def open(self) -> None:
        socket = listener(*self._address)
        self.port = socket.getsockname()[1]
        config = uvicorn.Config(
            self._app, ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False, server_header=False
        )
        config.load()
        loop = asyncio.get_running_loop()

        def connection() -> DoorProtocol:
            return self._protocol(config, self._state, {}, loop)

        self._server = await loop.create_server(connection, sock=socket)

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for open_one in list(self._state.connections):
            transport = getattr(open_one, "transport", None)
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)
