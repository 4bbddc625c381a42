"""A whole Doorward in the test's event loop, on a real socket: `async with house(tmp_path) as door`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from doorward.app import App
from doorward.core.caller import OPERATOR
from doorward.core.client_key import make
from doorward.core.clock import SystemClock
from doorward.core.secret import Secret
from doorward.edge.custodian import Custodian
from doorward.edge.protocol_head import Limits
from doorward.edge.server import serve
from doorward.providers.provider import Account, Provider
from doorward.settings import Settings
from doorward.store.client_keys import KeyRow

CANARY = "sk-canary-9fK2mQ7xT4vB8nL1pZ6wR3yD5hJ0cA"
"""The upstream key of every test that stores one: law tests look for it everywhere."""


def settings_of(tmp_path: Path, **changes: Any) -> Settings:
    """Second-scale limits, everything under `tmp_path`, nothing from this machine's environment or `.env`."""
    given: dict[str, Any] = {
        "data_dir": tmp_path / "data",
        "port": 0,
        "refresh_s": 0.2,
        "key_cache_s": 0.2,
        "drain_s": 1.0,
        "retry_wait_s": 1.0,
        "allow_private_upstreams": True,
        "openai_api_key": None,
        "anthropic_api_key": None,
        "openai_base_url": None,
        "openai_org_id": None,
    }
    return Settings(_env_file=None, **{**given, **changes})  # type: ignore[call-arg]  # pydantic-settings' own argument


@dataclass
class House:
    url: str
    app: App
    settings: Settings
    stop: asyncio.Event
    """Set: the server stops as on SIGTERM."""

    @property
    def api(self) -> str:
        """What an OpenAI client takes as `base_url`."""
        return self.url + "/v1"

    async def key(self, *, scopes: tuple[str, ...] = ("call",), **fields: Any) -> str:
        """A new client key of the operator's; `fields` are columns of `KeyRow`."""
        public_id, whole, digest = make()
        row = KeyRow(public_id=public_id, digest=digest, label=fields.pop("label", "test"), scopes=scopes, **fields)  # type: ignore[arg-type]
        await self.app.ground.client_keys.add(row)
        return whole.reveal().decode()

    async def provider(self, id: str, base_url: str, *models: str, auth: str = "api_key", **fields: Any) -> Provider:
        row = Provider(id, id, base_url, auth_strategy=auth, supported_models=models, allow_private=True, **fields)
        made = await self.app.ground.providers.add(row)
        await self.app.ground.catalogue.refresh()
        return made

    async def account(
        self, provider_id: str, key: str = CANARY, label: str = "main", owner: str = OPERATOR, **fields: Any
    ) -> Account:
        made = await self.custodian.take_in(provider_id, label, Secret(key), fields or None, owner=owner)  # type: ignore[arg-type]
        await self.app.ground.catalogue.refresh()
        return made

    async def rows(self, calls: int, within_s: float = 5.0) -> list[Any]:
        """The book's rows by start, when there are so many; rows appear within a second of settling."""
        until_s = asyncio.get_running_loop().time() + within_s
        while True:
            async with self.app.ground.store.reading() as connection:
                found = list((await connection.execute(text("SELECT * FROM calls ORDER BY started_at"))).all())
            if len(found) >= calls:
                return found
            assert asyncio.get_running_loop().time() < until_s, f"{len(found)} rows for {calls} calls"
            await asyncio.sleep(0.05)

    @property
    def custodian(self) -> Custodian:
        return self.app.ground.custodian

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir


@contextlib.asynccontextmanager
async def house(
    tmp_path: Path, *, limits: Limits | None = None, clock: SystemClock | None = None, **changes: Any
) -> AsyncIterator[House]:
    settings = settings_of(tmp_path, **changes)
    app = App(settings)
    app.clock = clock or app.clock
    await app.start()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(
            app.asgi,
            host="127.0.0.1",
            port=0,
            limits=limits or Limits(),
            drain_s=settings.drain_s,
            on_ready=lambda host, port: ready.set_result(port),
            lifespan="off",
            stop=stop,
        )
    )
    try:
        await asyncio.wait({ready, serving}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        app.listens_on(ready.result(), is_https=False)
        yield House(f"http://127.0.0.1:{ready.result()}", app, settings, stop)
    finally:
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await app.stop()
