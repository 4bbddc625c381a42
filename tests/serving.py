"""Any ASGI app on a real socket, in the test's own event loop.

async with serving(app) as base_url: ...
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from doorward.simulator.serve import HoldableProtocol


@asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[str]:
    """`http://127.0.0.1:<port>` of the running app; closed with all its connections on leaving."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    options = {"http": HoldableProtocol, "ws": "none", "lifespan": "off", "log_config": None, "access_log": False, **settings}
    config = uvicorn.Config(app, timeout_graceful_shutdown=1, **options)
    server = _Quiet(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if running.done():
                running.result()
                raise RuntimeError("the server ended before it listened")
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.force_exit = True
        server.leave.set()
        for task in list(server.server_state.tasks):
            task.cancel()
        await running
        listener.close()


class _Quiet(uvicorn.Server):
    """Signals stay with pytest; the end is an event instead of a flag that is looked at ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leave = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.leave.wait()

    def capture_signals(self) -> Any:
        from contextlib import nullcontext

        return nullcontext()
