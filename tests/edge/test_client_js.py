"""`/client.js` over HTTP, and `proxyFetch` in a real Chromium on a page of the door's own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.answers import json_answer, sse_answer
from tests.conftest import required
from tests.edge.test_adapters import TOKEN, document
from tests.house import House, house
from tests.scripted import ScriptedUpstream

from doorward.core.secret import Secret

CHROMIUM = os.environ.get("DOORWARD_TEST_CHROMIUM") or shutil.which("chromium")


@pytest.fixture
async def up() -> AsyncIterator[ScriptedUpstream]:
    def answer(request: Any) -> Any:
        return sse_answer(["1", "2"], pause_s=0.05) if "events" in request.target else json_answer({"data": [request.method]})

    async with ScriptedUpstream(answer) as upstream:
        yield upstream


@pytest.fixture
async def door(tmp_path: Path, up: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setenv("TEST_API_TOKEN", TOKEN)
    file = tmp_path / "doorward.yaml"
    file.write_text(document("openai", up.base_url, "prices: free"))
    async with house(tmp_path, config=file, custody="anonymous", spend_cap_usd="1") as home:
        yield home


async def test_the_files_are_served_with_their_types(door: House) -> None:
    async with httpx2.AsyncClient(base_url=door.url) as client:
        module = await client.get("/client.js")
        assert module.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "export { proxyFetch as atlasProxyFetch }" in module.text
        types = await client.get(module.headers["x-typescript-types"])
        assert "export function proxyFetch(" in types.text
        again = await client.get("/client.js", headers={"if-none-match": module.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert (await client.head("/client.js")).headers["content-length"] == str(len(module.content))
        assert (await client.post("/client.js")).status_code == 405
        assert (await client.get("/client.css")).json()["error"]["code"] == "unknown_url"


SCRIPT = """async ([path, events, key]) => {
  const { proxyFetch, atlasProxyFetch, connect } = await import("/client.js");
  const out = {};
  out.session = await (await atlasProxyFetch(path)).json();
  const patch = { method: "PATCH", body: "{}", headers: { "content-type": "application/json" } };
  out.post = await (await proxyFetch(path, patch)).json();
  const reader = (await proxyFetch(events)).body.getReader();
  const pieces = [];
  for (let step = await reader.read(); !step.done; step = await reader.read()) pieces.push(new TextDecoder().decode(step.value));
  out.pieces = pieces.length; out.events = pieces.join("");
  out.unknown = (await proxyFetch("/v1/apis/http/nothing/x")).status;
  out.refused = [];
  const odds = ["/v1/models", "https://evil.example/v1/apis/http/x", "/v1/apis/http/a\\\\b"];
  for (const odd of [...odds, "/v1/apis/http/openai/../x", "/v1/apis/http/openai/%2e%2E/x"])
    await proxyFetch(odd).then(() => {}, (error) => out.refused.push(error.constructor.name));
  connect({ baseUrl: location.origin, key });
  out.key = await (await proxyFetch(path)).json();
  out.stored = [localStorage.length, sessionStorage.length, document.cookie];
  return out;
}"""


@pytest.mark.chromium
async def test_proxy_fetch_in_a_real_browser(door: House, up: ScriptedUpstream) -> None:
    if CHROMIUM is None:
        required("chromium")
    from playwright.async_api import async_playwright

    key = await door.key()
    port = door.url.rpartition(":")[2]
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            await page.goto(f"http://localhost:{port}/healthz")
            asked = ["/v1/apis/http/openai/v1/models?a=1", "/v1/apis/http/openai/events", key]
            out = await asyncio.wait_for(page.evaluate(SCRIPT, asked), 20)
        finally:
            await browser.close()
    assert out["session"] == {"data": ["GET"]}
    assert out["post"] == {"data": ["PATCH"]}
    assert out["events"] == "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n"
    assert out["pieces"] >= 2
    assert out["unknown"] == 404
    assert out["refused"] == ["TypeError"] * 5
    assert out["key"] == {"data": ["GET"]}
    assert out["stored"] == [0, 0, ""]
    assert {request.header("authorization") for request in up.requests} == {f"Bearer {TOKEN}"}
    assert all(request.target in ("/v1/models?a=1", "/events") for request in up.requests)
    assert json.dumps(out).find(TOKEN) < 0


SIGNED_IN = """async ([email, password, path]) => {
  const { atlasProxyFetch } = await import("/client.js");
  const before = (await atlasProxyFetch(path)).status;
  const signed = await fetch("/api/v1/session", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ email, password }),
  });
  const statuses = [];
  for (const method of ["GET", "POST", "DELETE"]) statuses.push((await atlasProxyFetch(path, { method })).status);
  const direct = (await fetch(path)).status;
  return { before, signed: signed.status, statuses, direct, cookie: document.cookie };
}"""


@pytest.mark.chromium
async def test_a_page_calls_by_its_session_and_a_foreign_page_does_not(
    tmp_path: Path, up: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    if CHROMIUM is None:
        required("chromium")
    from playwright.async_api import async_playwright

    monkeypatch.setenv("TEST_API_TOKEN", TOKEN)
    file = tmp_path / "doorward.yaml"
    file.write_text(document("openai", up.base_url))
    path = "/v1/apis/http/openai/v1/models"
    async with house(tmp_path, config=file) as home, async_playwright() as driver:
        await home.app.people.desk.users.add("a@b.example", "user", Secret("a long enough passphrase"), actor="test")
        port = home.url.rpartition(":")[2]
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            await page.goto(f"http://localhost:{port}/healthz")
            out = await asyncio.wait_for(page.evaluate(SIGNED_IN, ["a@b.example", "a long enough passphrase", path]), 20)
            assert out == {"before": 401, "signed": 200, "statuses": [200, 200, 200], "direct": 401, "cookie": ""}
            cookies = {cookie["name"]: cookie["value"] for cookie in await page.context.cookies()}
        finally:
            await browser.close()
        assert [request.method for request in up.requests] == ["GET", "POST", "DELETE"]
        assert all(request.header("cookie") is None for request in up.requests)
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        async with httpx2.AsyncClient(base_url=home.url) as client:
            for method in ("GET", "POST", "OPTIONS", "DELETE"):
                for foreign in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
                    reply = await client.request(method, "/api" + path, headers=cookie | foreign)
                    assert reply.status_code == 403, (method, foreign)
            assert (await client.post("/api" + path, headers=cookie)).status_code == 403
            assert (await client.get(path, headers=cookie)).status_code == 401
    assert up.calls == 3
