"""Real `doorward serve` processes for tests of money: started, killed, started again, on a database that others share."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.conftest import environment

from doorward.core.caller import KeyLimits
from doorward.core.client_key import make
from doorward.providers.provider import Provider
from doorward.store.client_keys import ClientKeys, KeyRow
from doorward.store.engine import Store
from doorward.store.providers import Providers

ROOT = Path(__file__).resolve().parents[2]
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
PATH = "/v1/chat/completions"
ASK: dict[str, Any] = {
    "model": "scripted/gpt-4o-mini",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "Say something nice about the sea."}],
}
START_S = 240.0
"""A start takes two seconds of CPU; on a machine that is given to others, minutes pass until it has had them."""
IN, OUT = 150, 600
"""gpt-4o-mini: nano-dollars a token."""


@dataclass
class Gateway:
    """One process. `url` is where it really listens."""

    data_dir: Path
    changes: dict[str, str]
    child: asyncio.subprocess.Process | None = None
    url: str = ""
    log: Path | None = None
    """Where its log goes; `None`: to the test's own stderr."""

    async def start(self) -> None:
        settings = {
            "DOORWARD_ALLOW_PRIVATE_UPSTREAMS": "1",
            "DOORWARD_LOG_LEVEL": "error",
            "DOORWARD_MASTER_KEY": MASTER_KEY,
            "DOORWARD_REFRESH_S": "0.5",
            "DOORWARD_DRAIN_S": "2",
            **self.changes,
        }
        with contextlib.nullcontext() if self.log is None else self.log.open("ab") as log:
            self.child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "doorward", "serve", "--port", "0", "--json",
                cwd=ROOT, env=environment(self.data_dir, **settings), stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert self.child.stdout is not None
        said = await asyncio.wait_for(self.child.stdout.readline(), START_S)
        assert said, "the gateway ended before it was ready"
        self.url = json.loads(said)["url"].replace("localhost", "127.0.0.1")

    async def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        assert self.child is not None
        self.child.kill()
        await self.child.wait()

    async def stop(self) -> None:
        if self.child is None or self.child.returncode is not None:
            return
        self.child.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.child.wait(), 20)
        if self.child.returncode is None:
            await self.kill()


@asynccontextmanager
async def gateways(*made: Gateway) -> AsyncIterator[tuple[Gateway, ...]]:
    try:
        await asyncio.gather(*(gateway.start() for gateway in made))
        yield made
    finally:
        await asyncio.gather(*(gateway.stop() for gateway in made))


async def furnish(url: str, upstream: str, *, budget_nanos: int | None = None) -> str:
    """Provider `scripted` and a client key in the database at `url` -> the key."""
    store = await Store.open(url)
    try:
        provider = Provider(
            "scripted", "Scripted", upstream, auth_type="none", auth_strategy="none", supported_models=("gpt-4o-mini",),
            allow_private=True, prices="openai",
        )  # fmt: skip
        await Providers(store).add(provider)
        public_id, whole, digest = make()
        limits = KeyLimits(budget_nanos=budget_nanos, budget_period=None if budget_nanos is None else "ever")
        await ClientKeys(store).add(KeyRow(public_id, digest, "test", limits=limits))
        return whole.reveal().decode()
    finally:
        await store.close()
