"""Everybody who walks the inventories: nobody, user A, user B, an admin, and somebody whose key was revoked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.house import House, house

from doorward.core.secret import Secret

PASSWORD = "correct horse battery"


@dataclass
class Person:
    """A user with a client key of every scope that the role allows, and a browser that is signed in."""

    id: str
    email: str
    key: str
    program: httpx2.AsyncClient
    browser: httpx2.AsyncClient


@dataclass
class Town:
    house: House
    nobody: httpx2.AsyncClient
    revoked: httpx2.AsyncClient
    """A client key of A's that was good once."""
    caller: httpx2.AsyncClient
    """A client key of A's with the scope `call` alone."""
    a: Person
    b: Person
    admin: Person


@contextlib.asynccontextmanager
async def town(tmp_path: Path, **changes: Any) -> AsyncIterator[Town]:
    async with contextlib.AsyncExitStack() as stack:
        home = await stack.enter_async_context(house(tmp_path, **changes))

        async def client(key: str | None, **headers: str) -> httpx2.AsyncClient:
            carried = {"authorization": f"Bearer {key}"} if key else {}
            opened = httpx2.AsyncClient(base_url=home.url, headers={**carried, **headers}, timeout=20, trust_env=False)
            return await stack.enter_async_context(opened)

        async def person(name: str, role: Any) -> Person:
            email = f"{name}@{name}.example"
            user = await home.app.people.desk.users.add(email, role, Secret(PASSWORD), actor="operator")
            scopes = ("call", "me", "admin") if role == "admin" else ("call", "me")
            key = await home.key(scopes=scopes, owner_user_id=user.id, label=f"label of {name}")
            browser = await client(None, origin=home.url, **{"sec-fetch-site": "same-origin"})
            entered = await browser.post("/api/v1/session", json={"email": email, "password": PASSWORD})
            assert entered.status_code == 200, entered.text
            return Person(user.id, email, key, await client(key), browser)

        a, b, admin = await person("alice", "user"), await person("bobby", "user"), await person("root", "admin")
        gone = await home.key(scopes=("call", "me"), owner_user_id=a.id, label="revoked")
        await home.app.ground.client_keys.revoke(gone.split("-")[1])
        few = await home.key(scopes=("call",), owner_user_id=a.id, label="few")
        yield Town(home, await client(None), await client(gone), await client(few), a, b, admin)
