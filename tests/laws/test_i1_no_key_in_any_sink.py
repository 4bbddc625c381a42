"""I1: a real server is driven through every error path by an upstream that echoes the key; then every sink is searched.

Sinks: database, write-ahead log, journal, spool, the log at debug level, response heads and bodies, metrics, the command
line's words, arguments and environment of the process and its children. Core dumps are off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.laws.echo import WAYS, echo, presented
from tests.laws.search import files, sightings
from tests.process import Served, command, served
from tests.scripted import ScriptedUpstream

# Real processes on a machine that others use: the bound is against hanging, not a promise of speed.
pytestmark = pytest.mark.timeout(240)

KEYS = {
    "shaped": "sk-proj-Canary9fK2mQ7xT4vB8nL1pZ6wR3yD5hJ0cA",
    "opaque": "7c3f1be29a5d4e08b6c2f7a19d3e5b84",
    "user's": "sk-Canary-ann-4vT9wQ2xK7mB5nL8rZ1pC6yD3hJ0fG",
}


async def _bytes_of(answer: httpx2.Response) -> bytes:
    lines = b"".join(name + b": " + value + b"\n" for name, value in answer.headers.raw)
    return lines + await answer.aread()


async def _provider(root: httpx2.AsyncClient, base_url: str, name: str, id: str) -> str:
    strategy = "api_key" if name == "shaped" else "header:api-key"
    row = {"id": id, "name": id, "base_url": base_url, "auth_strategy": strategy, "supported_models": [], "allow_private": True}
    said = await root.post("/api/v1/providers", json=row)
    assert said.status_code == 201, said.text
    return id


async def _refused_with(root: httpx2.AsyncClient, base_url: str, name: str, way: str) -> list[tuple[str, bytes]]:
    """Calls that fail in this way, with an account of their own: a refused key is quarantined, a limit rests it."""
    label = f"{name} {way}"
    provider = await _provider(root, base_url, name, f"{name}-{way}")
    made = await root.post("/api/v1/accounts", json={"provider_id": provider, "label": way, "auth_data": {"api_key": KEYS[name]}})
    assert made.status_code == 201, made.text
    told = [(f"{label} account", await _bytes_of(made))]
    for stream in (False, True):
        body = {"model": f"{provider}/{way}", "messages": [], "stream": stream}
        try:
            told.append((label, await _bytes_of(await root.post("/v1/chat/completions", json=body))))
        except httpx2.HTTPError as broken:
            told.append((f"{label} broken", repr(broken).encode()))
    if way.endswith("-message"):
        told.append((f"{label} test", await _bytes_of(await root.post(f"/api/v1/accounts/{made.json()['id']}/test"))))
    return told


async def _drive(door: Served, up: ScriptedUpstream) -> AsyncIterator[tuple[str, bytes]]:
    """Everything that clients were told."""
    admin = (await door.cli("key", "create", "--label", "admin", "--scope", "call,me,admin"))["key"]
    async with door.program(admin) as root:
        some_at_once = asyncio.Semaphore(6)

        async def one(name: str, way: str) -> list[tuple[str, bytes]]:
            async with some_at_once:
                return await _refused_with(root, up.base_url, name, way)

        for told in await asyncio.gather(*(one(name, way) for name in ("shaped", "opaque") for way in WAYS)):
            for place in told:
                yield place
        # a key in the wrong place: the wrong field, the wrong header, a path, a query, a model, an unknown field
        wrong: list[tuple[str, str, Any]] = [
            ("POST", "/api/v1/accounts", {"provider_id": KEYS["shaped"], "label": KEYS["shaped"], "auth_data": {"api_key": ""}}),
            ("POST", "/api/v1/accounts", {"provider_id": "openai", "label": "x", "auth_data": KEYS["shaped"]}),
            ("POST", "/api/v1/accounts", {"api_key": KEYS["shaped"]}),
            ("PUT", "/api/v1/me/openai-key", {KEYS["shaped"]: 1}),
            ("PUT", "/api/v1/me/openai-key", {"key": KEYS["shaped"] + "\n\x01"}),
            ("GET", f"/api/v1/{KEYS['shaped']}", None),
            ("GET", f"/api/v1/accounts/{KEYS['shaped']}", None),
            ("POST", "/v1/chat/completions", {"model": KEYS["shaped"], "messages": []}),
            ("GET", f"/v1/models/{KEYS['shaped']}", None),
            ("GET", "/v1/models", None),
            ("GET", "/api/v1/calls?limit=200", None),
            ("GET", "/api/v1/refusals", None),
            ("GET", "/api/v1/usage", None),
            ("GET", "/api/v1/accounts", None),
            ("GET", "/api/v1/audit?limit=200", None),
            ("GET", "/api/v1/openapi.json", None),
            ("GET", "/metrics", None),
            ("GET", "/readyz", None),
        ]
        tagged = {"model": "sim-small", "messages": [{"role": "user", "content": "x"}]}
        answer = await root.post("/v1/chat/completions", json=tagged, headers={"x-doorward-tags": f"a,{KEYS['shaped']}"})
        yield "tags", await _bytes_of(answer)
        for method, path, wish in wrong:
            answer = await root.request(method, path, **({} if wish is None else {"json": wish}))
            yield f"{method} {path[:16]}", await _bytes_of(answer)
        calls = (await root.get("/api/v1/calls?limit=200")).json()["data"]
        for answer in await asyncio.gather(*(root.get(f"/api/v1/calls/{call['id']}") for call in calls)):
            yield "why", await _bytes_of(answer)
    await door.user("ann@example.com")
    async with door.signed_in("ann@example.com") as ann:
        await ann.put("/api/v1/me/openai-key", json={"key": KEYS["user's"]})
        key = (await ann.post("/api/v1/me/keys", json={"label": "x"})).json()["key"]
        async with door.program(key) as program:
            for way in ("echo-429-fields", "echo-500-drip", "echo-stream-error", "echo-401-message"):
                body = {"model": f"openai/{way}", "messages": [], "stream": "stream" in way}
                yield f"user's {way}", await _bytes_of(await program.post("/v1/chat/completions", json=body))
        yield "configured", await _bytes_of(await ann.get("/api/v1/me/openai-key"))
        ann_id = (await ann.get("/api/v1/me")).json()["user_id"]
    async with door.program(admin) as root:
        yield "export", await _bytes_of(await root.get(f"/api/v1/users/{ann_id}/export"))
    async with door.program(KEYS["shaped"]) as wrong_door:
        yield "upstream key as client key", await _bytes_of(await wrong_door.get("/v1/models"))


def _process(pid: int) -> dict[str, bytes]:
    """Arguments and environment of a process and of those that it started."""
    found = {}
    for place in Path("/proc").iterdir():
        try:
            parent = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1]) if place.name.isdigit() else None
        except OSError:  # it ended while we looked
            continue
        if parent is not None and pid in (int(place.name), parent):
            found |= {f"{name} of {place.name}": place.joinpath(name).read_bytes() for name in ("cmdline", "environ")}
    return found


async def test_a_stored_key_is_found_nowhere(tmp_path: Path) -> None:
    async with ScriptedUpstream(echo) as up:
        settings = {"OPENAI_BASE_URL": up.base_url, "DOORWARD_RETRY_WAIT_S": "0", "DOORWARD_FIRST_EVENT_WHOLE_S": "3"}
        async with served(tmp_path, **settings) as door:
            seen = [(place, said) async for place, said in _drive(door, up)]
            assert {presented(request) for request in up.requests} == set(KEYS.values())
            asked = {request.json["model"] for request in up.requests if request.method == "POST"}
            assert asked >= set(WAYS), set(WAYS) - asked
            seen += list(files(door.data_dir)) + list(_process(door.pid).items())
            for words in (("account", "list"), ("ledger", "verify")):
                code, out, err = await command(door.data_dir, *words, **door.changes)
                seen.append((" ".join(words), f"{code} {out} {err}".encode()))
            limits = Path(f"/proc/{door.pid}/limits").read_text()
            assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size")] == [["0", "0"]]
        seen += [("log", door.log.read_bytes()), *files(door.data_dir)]
    names = {place for place, _ in seen}
    assert {"doorward.db", "doorward.db-wal", "log", f"cmdline of {door.pid}"} <= names
    found = {
        f"{whose} key in {place}": forms
        for place, said in seen
        for whose, key in KEYS.items()
        if (forms := sightings(said, key.encode()))
    }
    assert found == {}, "\n".join(sorted(found))


async def test_canary_a_server_that_logs_a_key_is_caught(tmp_path: Path) -> None:
    """The search reads what the server really writes: a key that is put into its files or arguments is seen."""
    key = "looks-like-no-key-at-all-5tR8wQ2x"
    async with served(tmp_path, DOORWARD_OIDC_NAME=key) as door:
        assert any(sightings(said, key.encode()) for said in _process(door.pid).values())
        await door.cli("key", "create", "--label", key)
        async with door.program() as nobody:
            said = await _bytes_of(await nobody.get("/api/v1/session"))
        assert any(sightings(data, key.encode()) for _, data in files(door.data_dir))
        assert not sightings(said, b"sk-another-key-that-is-nowhere")
    await asyncio.sleep(0)


@pytest.mark.parametrize("way", WAYS)
def test_canary_the_echo_really_echoes(way: str) -> None:
    from tests.scripted import Connection, Request

    body = f'{{"model": "{way}"}}'.encode()
    request = Request(0, "POST", "/", [("authorization", f"Bearer {KEYS['shaped']}")], b"", 0.0, Connection(0.0), body)
    sent = echo(request).wire
    plain = b"".join(part.partition(b"\r\n")[2] for part in sent.split(b"\r\n\r\n"))
    if way not in ("echo-reset",):
        assert sightings(sent + plain, KEYS["shaped"].encode()) or "drip" in way or "stream-error" in way
