"""The adapters' door over real sockets: what reaches the API, what comes back, who may, and what an end means."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.answers import Answer, Close, Never, Reset, Sleep, chat_answer, chat_stream, chunk, error_answer, head, json_answer
from tests.house import House, house
from tests.scripted import ScriptedUpstream

from doorward.core.caller import KeyLimits

TOKEN = "ghp-canary-5vT9wQ2xK7mB4nL8"
"""What the operator's variable holds: it must reach the API, and nobody else."""


def document(name: str, base_url: str, *more: str) -> str:
    lines = [
        "---",
        "apiVersion: moment.dev/adapters/v1alpha1",
        "kind: HTTP",
        f"metadata: {{name: {name}}}",
        "spec:",
        f"  baseUrl: {base_url}",
        "  headers:",
        '    - {name: Authorization, value: "Bearer ${{ TEST_API_TOKEN }}"}',
        *[f"  {line}" for line in more],
    ]
    return "\n".join(lines) + "\n"


@dataclass
class Gate:
    house: House
    up: ScriptedUpstream
    key: str
    client: httpx2.AsyncClient
    file: Path

    async def rows(self, calls: int = 1) -> list[Any]:
        """The newest rows of the book, once there are so many."""
        for _ in range(200):
            async with self.house.app.ground.store.reading() as connection:
                found = (await connection.exec_driver_sql("SELECT * FROM calls ORDER BY settled_at")).mappings().all()
            if len(found) >= calls:
                return list(found)
            await asyncio.sleep(0.02)
        raise AssertionError(f"{len(found)} rows, not {calls}")


@contextlib.asynccontextmanager
async def gate(tmp_path: Path, up: ScriptedUpstream, *more: str, path: str = "", **changes: Any) -> AsyncIterator[Gate]:
    file = tmp_path / "doorward.yaml"
    file.write_text(document("api", up.base_url + path, *more))
    async with house(tmp_path, config=file, **changes) as home:
        key = await home.key()
        headers = {"authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=home.url + "/v1/apis/http", headers=headers, timeout=20) as client:
            yield Gate(home, up, key, client, file)


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_API_TOKEN", TOKEN)


@pytest.fixture
async def up() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(json_answer({"ok": True})) as upstream:
        yield upstream


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND", "QUERY"])
async def test_any_method_path_query_and_body_arrive_as_they_were_sent(tmp_path: Path, up: ScriptedUpstream, method: str) -> None:
    async with gate(tmp_path, up, path="/base") as door:
        body = b"\x00\xffodd" if method not in ("GET", "HEAD") else b""
        reply = await door.client.request(method, "/api/a%20b/@me;v=1?q=%2f..%2f&r=a+b", content=body)
        assert reply.status_code == 200
        assert reply.content == (b"" if method == "HEAD" else b'{"ok": true}')
    sent = up.requests[0]
    assert (sent.method, sent.target, sent.body) == (method, "/base/a%20b/@me;v=1?q=%2f..%2f&r=a+b", body)
    assert sent.header("authorization") == f"Bearer {TOKEN}"
    assert sent.header("accept-encoding") == "identity"


async def test_the_clients_own_credentials_stay_here(tmp_path: Path, up: ScriptedUpstream) -> None:
    async with gate(tmp_path, up, "forwardHeaders: [X-Custom]") as door:
        headers = {"cookie": "a=b", "x-forwarded-for": "1.2.3.4", "x-custom": "yes", "x-other": "no", "if-match": '"v1"'}
        await door.client.get("/api/x", headers={**headers, "x-secret": "s", "connection": "x-custom-not"})
        sent = up.requests[0]
        for name in ("cookie", "x-forwarded-for", "x-other", "x-secret"):
            assert sent.header(name) is None, name
        assert (sent.header("x-custom"), sent.header("if-match")) == ("yes", '"v1"')
        assert door.key not in sent.raw_head.decode("latin-1")


async def test_the_answer_comes_back_by_its_table_and_cannot_act_on_our_address(tmp_path: Path, up: ScriptedUpstream) -> None:
    headers = {
        "set-cookie": "a=b",
        "link": "<x>; rel=next",
        "x-mine": "1",
        "x-other": "2",
        "content-type": "text/html",
        "content-security-policy": "default-src *",
        "access-control-allow-origin": "*",
    }
    up.script = json_answer(b"<script>alert(1)</script>", headers=headers)
    async with gate(tmp_path, up, "returnHeaders: [X-Mine]") as door:
        reply = await door.client.get("/api/x")
        assert (reply.headers["link"], reply.headers["x-mine"]) == ("<x>; rel=next", "1")
        assert "set-cookie" not in reply.headers
        assert "x-other" not in reply.headers
        assert "access-control-allow-origin" not in reply.headers
        assert reply.headers.get_list("content-security-policy") == ["sandbox; default-src 'none'"]
        assert reply.headers["x-content-type-options"] == "nosniff"


async def test_a_redirect_comes_back_and_is_not_followed(tmp_path: Path, up: ScriptedUpstream) -> None:
    async with ScriptedUpstream(json_answer({})) as canary:
        up.script = Answer((head(302, {"location": f"{canary.base_url}/stolen", "content-length": "0"}),))
        async with gate(tmp_path, up) as door:
            reply = await door.client.get("/api/x", follow_redirects=False)
            assert (reply.status_code, reply.headers["location"]) == (302, f"{canary.base_url}/stolen")
        assert canary.connections == []


async def test_an_unknown_adapter_is_a_404_that_lists_nothing(tmp_path: Path, up: ScriptedUpstream) -> None:
    async with gate(tmp_path, up) as door:
        for path in ("/nothing/x", "/nothing", "/API/x", "/ap%69/x", "/api%2f/x"):
            reply = await door.client.get(path)
            assert reply.status_code in (400, 404), path
            assert "api" not in reply.json()["error"]["message"].replace("/v1/apis/http", "")
    assert up.calls == 0


async def test_no_key_no_call(tmp_path: Path, up: ScriptedUpstream) -> None:
    async with gate(tmp_path, up) as door, httpx2.AsyncClient(base_url=door.house.url) as stranger:
        assert (await stranger.get("/v1/apis/http/api/x")).status_code == 401
        assert (await stranger.get("/v1/apis/http/nothing/x")).status_code == 401
        assert (await stranger.get("/api/v1/apis/http/api/x")).status_code == 401
        assert (await stranger.get("/v1/apis/http/api/x", headers={"authorization": "Bearer dw-no"})).status_code == 401
    assert up.calls == 0


async def test_who_may_use_it_is_said_by_the_key_and_by_the_adapter(tmp_path: Path, up: ScriptedUpstream) -> None:
    async with gate(tmp_path, up) as door:
        others = await door.house.key(adapters=("other", "ap"))
        wide = await door.house.key(adapters=("ap*",))
        public_id = wide.split("-")[1]
        assert (await door.client.get("/api/x", headers={"authorization": f"Bearer {others}"})).status_code == 404
        assert (await door.client.get("/api/x", headers={"authorization": f"Bearer {wide}"})).status_code == 200
        door.file.write_text(document("api", up.base_url, f"keys: [{public_id}]") + document("boss", up.base_url, "roles: [admin]"))
        await until(lambda: door.house.app.traffic.adapters.find("boss") is not None)
        assert (await door.client.get("/api/x")).status_code == 404
        assert (await door.client.get("/api/x", headers={"authorization": f"Bearer {wide}"})).status_code == 200
        assert (await door.client.get("/boss/x")).status_code == 404
        admin = await door.house.key(scopes=("call", "admin"))
        assert (await door.client.get("/boss/x", headers={"authorization": f"Bearer {admin}"})).status_code == 200


async def test_methods_and_path_prefixes_are_whole(tmp_path: Path, up: ScriptedUpstream) -> None:
    async with gate(tmp_path, up, "methods: [GET]", "paths: [/v1/models]") as door:
        assert (await door.client.get("/api/v1/models")).status_code == 200
        assert (await door.client.get("/api/v1/models/a")).status_code == 200
        assert (await door.client.get("/api/v1/modelsx")).status_code == 404
        assert (await door.client.get("/api/v1/%6dodels")).status_code == 404
        refused = await door.client.post("/api/v1/models")
        assert (refused.status_code, refused.json()["error"]["code"]) == (405, "method_not_allowed")


async def test_large_bodies_stream_up_and_down_at_the_slower_ones_pace(tmp_path: Path, up: ScriptedUpstream) -> None:
    size = 3 * 2**20
    up.script = lambda request: Answer((head(200, {"content-length": str(len(request.body))}), request.body))
    async with gate(tmp_path, up, spool_bytes=65536) as door:
        body = bytes(range(256)) * (size // 256)
        reply = await door.client.post("/api/up", content=body)
        assert reply.content == body
        assert up.requests[0].header("content-length") == str(size)
        assert not any((door.house.data_dir / "spool").glob("*")) if (door.house.data_dir / "spool").exists() else True

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, size, 300_000):
                yield body[at : at + 300_000]

        reply = await door.client.put("/api/up", content=pieces())
        assert reply.content == body


async def test_a_large_body_begins_at_the_api_before_it_is_whole(tmp_path: Path, up: ScriptedUpstream) -> None:
    async with gate(tmp_path, up, spool_bytes=65536) as door:
        address = httpx2.URL(door.house.url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(
            b"POST /v1/apis/http/api/x HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %s\r\ncontent-length: 200000\r\n\r\n"
            % door.key.encode()
            + b"x" * 100_000
        )
        await up._wait(lambda: up.open == 1 and up.connections[0].received > 60_000, "the first half at the API", 5)
        writer.write(b"y" * 100_000)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")
        writer.close()
    assert up.requests[0].body == b"x" * 100_000 + b"y" * 100_000


async def test_events_pass_as_they_come_and_an_api_that_dies_ends_in_one_error_event(tmp_path: Path, up: ScriptedUpstream) -> None:
    events = head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}) + chunk(b"event: a\ndata: 1\n\n")
    up.script = Answer((events, Sleep(0.3), chunk(b'data: {"half'), Reset()))
    async with gate(tmp_path, up) as door:
        started = time.monotonic()
        async with door.client.stream("GET", "/api/events") as reply:
            pieces = reply.aiter_raw()
            assert await anext(pieces) == b"event: a\ndata: 1\n\n"
            assert time.monotonic() - started < 0.3
            rest = b"".join([piece async for piece in pieces])
        assert rest.startswith(b"data: {")
        assert json.loads(rest.removeprefix(b"data: "))["error"]["code"] == "upstream_lost"
        assert b"half" not in rest
        row = (await door.rows())[0]
        assert (row["endpoint"], row["outcome"]) == ("/v1/apis/http/{adapter}", "cut")


@pytest.mark.parametrize(("streamed", "path"), [(True, "/api/s"), (False, "/api/w")])
async def test_a_client_that_leaves_takes_the_api_call_with_it(
    tmp_path: Path, up: ScriptedUpstream, streamed: bool, path: str
) -> None:
    first = head(200, {"content-type": "text/event-stream"}) + b"data: 1\n\n"
    up.script = Answer((first, Never())) if streamed else Answer((Never(),))
    async with gate(tmp_path, up) as door:
        address = httpx2.URL(door.house.url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(f"GET /v1/apis/http{path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {door.key}\r\n\r\n".encode())
        await up.wait_for_calls(1)
        if streamed:
            await asyncio.wait_for(reader.readuntil(b"data: 1\n\n"), 5)
        left = time.monotonic()
        writer.close()
        await up.wait_for_leavers(1)
        assert up.connections[0].left_s is not None
        assert up.connections[0].left_s - left < 1.0  # 250 ms at p99; a noisy machine gets the hard bound
        row = (await door.rows())[0]
        assert row["outcome"] == "gone"


async def test_compressed_bytes_pass_with_their_name_and_are_never_blown_up(tmp_path: Path, up: ScriptedUpstream) -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    up.script = Answer((head(200, {"content-encoding": "gzip", "content-length": str(len(bomb))}), bomb))
    async with gate(tmp_path, up, "maxResponseBytes: 100000") as door:
        async with door.client.stream("GET", "/api/bomb") as reply:
            assert reply.headers["content-encoding"] == "gzip"
            assert b"".join([piece async for piece in reply.aiter_raw()]) == bomb


async def test_an_answer_over_the_cap_is_refused_or_broken_off(tmp_path: Path, up: ScriptedUpstream) -> None:
    endless = Answer((head(200, {"content-type": "application/octet-stream"}), *([b"x" * 50_000] * 40), Never()))
    up.script = lambda request: json_answer(b"x" * 100_001) if request.target == "/said" else endless
    async with gate(tmp_path, up, "maxResponseBytes: 100000") as door:
        said = await door.client.get("/api/said")
        assert (said.status_code, said.json()["error"]["code"]) == (502, "upstream_failed")
        with pytest.raises(httpx2.RemoteProtocolError):
            await door.client.get("/api/endless")
        await up.wait_for_open(0)


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (Answer((Never(),)), 504, "upstream_silent"),
        (Answer((head(200, {"content-length": "10"}) + b"12", Never())), None, ""),
        (Answer((Reset(),)), 502, "upstream_lost"),
        (Answer((b"nonsense\r\n\r\n", Close())), 502, "upstream_lost"),
        (Answer((head(200, {"content-length": "10"}) + b"12", Close())), None, ""),
    ],
)
async def test_an_api_that_is_slow_or_broken(
    tmp_path: Path, up: ScriptedUpstream, script: Answer, status: int | None, code: str
) -> None:
    up.script = script
    async with gate(tmp_path, up, "timeouts: {firstByteSeconds: 0.3, idleSeconds: 0.3}") as door:
        if status is None:
            with pytest.raises(httpx2.RemoteProtocolError):
                await door.client.get("/api/x")
        else:
            reply = await door.client.get("/api/x")
            assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
            assert reply.headers["x-should-retry"] == "false"
        assert (await door.rows())[0]["outcome"] in ("failed", "cut")
    assert up.calls == 1


async def test_an_api_that_is_down_or_has_a_wrong_certificate_gets_no_header(tmp_path: Path) -> None:
    async with ScriptedUpstream(json_answer({}), tls=True) as wrong:
        async with gate(tmp_path, wrong) as door:
            reply = await door.client.get("/api/x")
            assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_failed")
            assert "Nothing was sent" in reply.json()["error"]["message"]
        assert wrong.calls == 0
    async with ScriptedUpstream() as down:
        down.stop_listening()
        async with gate(tmp_path, down) as door:
            assert (await door.client.get("/api/x")).json()["error"]["code"] == "upstream_failed"


async def test_private_hosts_need_the_operators_word(tmp_path: Path, up: ScriptedUpstream) -> None:
    file = tmp_path / "doorward.yaml"
    internal = f"https://127.0.0.1:{up.port}"
    file.write_text(document("api", internal) + document("local", up.base_url, "allowPrivate: true"))
    async with house(tmp_path, config=file, allow_private_upstreams=False) as home:
        key = await home.key()
        async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key}"}) as client:
            reply = await client.get("/v1/apis/http/api/x")
            assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_failed")
            assert up.connections == []
            assert (await client.get("/v1/apis/http/local/x")).status_code == 200


async def test_retries_are_off_unless_said_and_only_for_what_can_be_repeated(tmp_path: Path, up: ScriptedUpstream) -> None:
    up.script = [error_answer(503, None), json_answer({"ok": True})]
    async with gate(tmp_path, up) as door:
        assert (await door.client.get("/api/x")).status_code == 503
    assert up.calls == 1
    up.requests.clear()
    up.script = lambda request: error_answer(503, None) if len(up.requests) % 2 else json_answer({"ok": True})
    async with gate(tmp_path, up, "retries: 2") as door:
        assert (await door.client.get("/api/x")).status_code == 200
        assert up.calls == 2
        assert (await door.client.post("/api/x", content=b"1")).status_code == 503
        assert up.calls == 3
        assert [row["attempts"] for row in await door.rows(2)][-2:] == [2, 1]


async def test_what_the_variables_hold_is_cut_out_of_errors(tmp_path: Path, up: ScriptedUpstream) -> None:
    up.script = error_answer(401, "bad", f"Bad token Bearer {TOKEN} given", headers={"link": f"<https://x/{TOKEN}>"})
    async with gate(tmp_path, up) as door:
        reply = await door.client.get("/api/x")
        assert reply.status_code == 401
        assert TOKEN not in reply.text
        assert TOKEN not in str(reply.headers)


@pytest.mark.parametrize(("encoding", "shown"), [("gzip", "the token *** is bad"), ("br", "left out")])
async def test_a_compressed_error_hides_nothing(tmp_path: Path, up: ScriptedUpstream, encoding: str, shown: str) -> None:
    packed = gzip.compress(f"the token {TOKEN} is bad".encode() + b" " * 20_000_000)
    up.script = Answer((head(403, {"content-encoding": encoding, "content-length": str(len(packed))}), packed))
    async with gate(tmp_path, up) as door, door.client.stream("GET", "/api/x") as reply:
        body = b"".join([piece async for piece in reply.aiter_raw()])
        assert (reply.status_code, "content-encoding" in reply.headers) == (403, False)
        assert len(body) <= 2**18
        assert shown in body.decode()


async def test_limits_are_the_callers(tmp_path: Path, up: ScriptedUpstream) -> None:
    async with gate(tmp_path, up) as door:
        key = await door.house.key(limits=KeyLimits(rpm=1))
        headers = {"authorization": f"Bearer {key}"}
        first = await door.client.get("/api/x", headers=headers)
        assert first.headers["x-ratelimit-limit-requests"] == "1"
        second = await door.client.get("/api/x", headers=headers)
        assert (second.status_code, second.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert up.calls == 1


async def test_an_api_of_openais_format_is_metered_as_such(tmp_path: Path, up: ScriptedUpstream) -> None:
    up.script = lambda request: (
        chat_stream(["a", "b"]) if json.loads(request.body).get("stream") else chat_answer(input_tokens=7, output_tokens=3)
    )
    async with gate(tmp_path, up, path="/v1") as door:
        await door.house.provider("known", up.base_url, "m*", prices="openai")
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
        await door.client.post("/api/chat/completions", json=body)
        async with door.client.stream("POST", "/api/chat/completions", json={**body, "stream": True}) as reply:
            streamed = b"".join([piece async for piece in reply.aiter_raw()])
        assert streamed.endswith(b"data: [DONE]\n\n")
        assert b"prompt_tokens" not in streamed
        assert up.requests[1].json["stream_options"] == {"include_usage": True}
        whole, stream = await door.rows(2)
        assert (whole["input_tokens"], whole["output_tokens"], whole["source"]) == (7, 3, "upstream")
        assert whole["cost_nanos"] > 0
        assert (stream["input_tokens"], stream["output_tokens"], stream["source"]) == (10, 2, "upstream")
        assert whole["endpoint"] == "/v1/apis/http/{adapter}"


async def test_an_unknown_price_is_unknown_and_refused_where_a_budget_applies(tmp_path: Path, up: ScriptedUpstream) -> None:
    async with gate(tmp_path, up) as door:
        await door.client.get("/api/x")
        assert (await door.rows())[0]["cost_nanos"] is None
        key = await door.house.key(limits=KeyLimits(budget_nanos=10**9, budget_period="ever"))
        refused = await door.client.get("/api/x", headers={"authorization": f"Bearer {key}"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "cost_unbounded")
        door.file.write_text(document("api", up.base_url, "prices: free"))
        for _ in range(100):
            reply = await door.client.get("/api/x", headers={"authorization": f"Bearer {key}"})
            if reply.status_code == 200:
                break
            await asyncio.sleep(0.05)
        assert reply.status_code == 200
        assert (await door.rows(2))[-1]["cost_nanos"] == 0


async def test_pages_are_checked_for_their_origin_whatever_the_method(tmp_path: Path, up: ScriptedUpstream) -> None:
    file = tmp_path / "doorward.yaml"
    file.write_text(document("api", up.base_url))
    async with house(tmp_path, config=file, custody="anonymous", spend_cap_usd="1") as home:
        async with httpx2.AsyncClient(base_url=home.url) as client:
            foreign = {"origin": "https://evil.example"}
            for path in ("/v1/apis/http/api/x", "/api/v1/apis/http/api/x"):
                for method in ("GET", "POST", "OPTIONS"):
                    assert (await client.request(method, path, headers=foreign)).status_code == 403, (path, method)
                assert (await client.get(path, headers={"sec-fetch-site": "cross-site"})).status_code == 403
    assert up.calls == 0


async def until(reached: Any, within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
