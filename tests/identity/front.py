"""The control plane with its front desk on a real socket, over any database: `async with front(url, tmp_path) as door`."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.house import settings_of
from tests.serving import serving

from doorward.core.clock import SystemClock
from doorward.core.secret import Secret
from doorward.edge.control_plane.parts import Parts
from doorward.edge.control_plane.plane import control_plane
from doorward.edge.custodian import Custodian
from doorward.edge.keysmith import Keysmith
from doorward.edge.peer import Peers
from doorward.edge.slot import Slot
from doorward.edge.trial import Tried
from doorward.identity.credentials import Credentials
from doorward.identity.desk import Desk
from doorward.identity.passwords import Passwords
from doorward.settings import Settings
from doorward.store.accounts import Accounts
from doorward.store.client_keys import ClientKeys
from doorward.store.engine import Store
from doorward.store.providers import Providers
from doorward.store.users import User
from doorward.upstream.transport import HttpTransport
from doorward.vault.opening import open_vault

GOOD = "correct horse battery"
KEY = "sk-canary-4fT8vB2nQ6wR9yD1hJ5cA7mK3pL0xZ"


def quick_passwords() -> Passwords:
    """argon2 at its cheapest: these tests are about what surrounds it."""
    return Passwords(workers=2, time_cost=1, memory_kib=8)


@dataclass
class Front:
    url: str
    store: Store
    desk: Desk
    parts: Parts
    accounts: Accounts
    settings: Settings

    def browser(self, **headers: str) -> httpx2.AsyncClient:
        """A client that keeps cookies and says, as browsers do, that its page is ours."""
        own = {"origin": self.url, "sec-fetch-site": "same-origin", **headers}
        return httpx2.AsyncClient(base_url=self.url, headers=own, timeout=15, trust_env=False)

    async def user(self, email: str, role: Any = "user") -> User:
        return await self.desk.users.add(email, role, Secret(GOOD), actor="operator")

    @contextlib.asynccontextmanager
    async def signed_in(self, email: str) -> AsyncIterator[httpx2.AsyncClient]:
        async with self.browser() as browser:
            answer = await browser.post("/api/v1/session", json={"email": email, "password": GOOD})
            assert answer.status_code == 200, answer.text
            yield browser

    async def audit_actions(self) -> list[str]:
        return [row.action for row in reversed(await self.desk.audit.page(limit=1000))]


class Numbered:
    """What the protocol of `edge` does in the real server: each request has an id."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._numbers = itertools.count()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["doorward.request_id"] = f"req_{next(self._numbers)}"
        await self._app(scope, receive, send)


@contextlib.asynccontextmanager
async def front(
    tmp_path: Path, database_url: str | None = None, *, port: int | None = None, **changes: Any
) -> AsyncIterator[Front]:
    settings = settings_of(tmp_path, **({"database_url": database_url} if database_url else {}), **changes)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as closing:
        store = await Store.open(settings.url)
        closing.push_async_callback(store.close)
        clock = SystemClock()
        vault, _ = await open_vault(store, value=None, file=None, data_dir=settings.data_dir, clock=clock, cache_s=0.2)
        transport = HttpTransport()
        closing.push_async_callback(transport.close)
        passwords = quick_passwords()
        closing.callback(passwords.close)
        desk = Desk.of(settings, store, clock, transport, passwords=passwords, port=port)
        providers, accounts, client_keys = Providers(store), Accounts(store), ClientKeys(store)
        custodian = Custodian(store, providers, accounts, vault.deposit())

        async def untried(account_id: str) -> Tried:
            raise AssertionError("these tests call nobody")

        async def unread() -> None:
            """There is no relay here that could go by it."""

        parts = Parts(
            providers=providers,
            accounts=accounts,
            client_keys=client_keys,
            custodian=custodian,
            keysmith=Keysmith(store, client_keys),
            credentials=Credentials(client_keys, desk.sessions, clock, settings.custody, keep_s=settings.key_cache_s),
            peers=Peers(""),
            clock=clock,
            changed=unread,
            try_account=untried,
            version="test",
            desk=desk,
            slot=Slot(store, custodian, accounts, vault.deposit(), desk.audit),
        )
        url = await closing.enter_async_context(serving(Numbered(control_plane(parts))))
        yield Front(url, store, desk, parts, accounts, settings)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def error_of(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """OpenAI's shape, and no canary in it."""
    assert answer.status_code == status, answer.text
    shape = answer.json()
    assert set(shape) == {"error"}
    assert set(shape["error"]) == {"message", "type", "param", "code"}
    assert KEY not in answer.text
    assert GOOD not in answer.text
    return shape["error"]
