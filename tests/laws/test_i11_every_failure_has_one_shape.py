"""I11: every failure's body parses as OpenAI's error, whoever refuses: parser, framework, doors, apps, adapters, upstream."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.answers import Answer, Close, Reset, error_answer, head, json_answer
from tests.house import House, house
from tests.scripted import Request, ScriptedUpstream

RAW = {
    "no HTTP": b"hello\r\n\r\n",
    "HTTP/1.0 junk": b"GET / JUNK/9.9\r\n\r\n",
    "a bad method": b"G\x00T / HTTP/1.1\r\nhost: x\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nhost: x\r\n\r\n",
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "length and chunks": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "a length that is no number": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n",
    "a head too large": b"GET / HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 70_000 + b"\r\n\r\n",
    "too many fields": b"GET / HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: 1\r\n" % n for n in range(150)) + b"\r\n",
    "a bad field name": b"GET / HTTP/1.1\r\nhost: x\r\nx y: 1\r\n\r\n",
    "a field without a colon": b"GET / HTTP/1.1\r\nhost: x\r\nnonsense\r\n\r\n",
    "a control character": b"GET / HTTP/1.1\r\nhost: x\r\nx-a: a\x00b\r\n\r\n",
    "a folded field": b"GET / HTTP/1.1\r\nhost: x\r\nx-a: a\r\n b\r\n\r\n",
    "a chunk size that is none": b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "an upgrade": b"GET /v1/realtime HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "CONNECT": b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n",
}
"""What never reaches an application."""

CHAT = {"model": "up-1", "messages": [{"role": "user", "content": "x"}]}
BEARER = "authorization"
FORM, PLAIN, JSON = ({"content-type": kind} for kind in ("multipart/form-data; boundary=b", "text/plain", "application/json"))
OWN_PAGE = {BEARER: "", "sec-fetch-site": "same-origin"}
WRONG = {"email": "a@b.example", "password": "wrong password"}
STATUSES = (400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503)
WAYS = ("html", "empty", "cut", "reset", "list", "text")


def called(model: str) -> tuple[str, str, str, dict[str, Any]]:
    return (f"upstream {model}", "POST", "/v1/chat/completions", {"json": {**CHAT, "model": f"up-{model}"}})


TABLE: list[tuple[str, str, str, dict[str, Any]]] = [
    ("no such path", "GET", "/nothing/here.txt", {}),
    ("no such path of the API", "GET", "/v1/nothing", {}),
    ("no such path of the control plane", "GET", "/api/v1/nothing", {}),
    ("no such app", "POST", "/apps/nothing", {"json": {}}),
    ("dots", "GET", "/v1/../api/v1/users", {}),
    ("encoded dots", "GET", "/v1/%2e%2e/x", {}),
    ("wrong method on the API", "DELETE", "/v1/chat/completions", {}),
    ("wrong method on the control plane", "DELETE", "/api/v1/me", {}),
    ("wrong method on an app", "DELETE", "/apps/chat", {}),
    ("wrong method on a probe", "POST", "/healthz", {}),
    ("wrong method on a page", "POST", "/signin", {}),
    ("wrong method on a file", "POST", "/client.js", {}),
    ("an unknown method", "BREW", "/v1/models", {}),
    ("no credential on the API", "GET", "/v1/models", {"headers": {BEARER: ""}}),
    ("no credential on the control plane", "GET", "/api/v1/me", {"headers": {BEARER: ""}}),
    ("no credential on an app", "POST", "/apps/chat", {"json": {}, "headers": {BEARER: ""}}),
    ("no credential on an adapter", "GET", "/v1/apis/http/up/x", {"headers": {BEARER: ""}}),
    ("a credential that is none", "GET", "/v1/models", {"headers": {BEARER: "Basic YTpi"}}),
    ("an unknown key", "GET", "/v1/models", {"headers": {BEARER: "Bearer dw-" + "a" * 16 + "-" + "b" * 43}}),
    ("an OpenAI key", "GET", "/v1/models", {"headers": {BEARER: "Bearer sk-" + "a" * 40}}),
    ("two keys", "GET", "/v1/models", {"headers": {"x-api-key": "dw-other"}}),
    ("a key and a session", "GET", "/api/v1/me", {"headers": {"cookie": "doorward=" + "a" * 43}}),
    ("a scope that lacks", "GET", "/api/v1/users", {}),
    ("another site", "POST", "/api/v1/session", {"json": {}, "headers": {BEARER: "", "origin": "https://evil.example"}}),
    ("no body", "POST", "/v1/chat/completions", {}),
    ("no JSON", "POST", "/v1/chat/completions", {"content": b"{nope"}),
    ("JSON of another kind", "POST", "/v1/chat/completions", {"content": b"[]"}),
    ("JSON too deep", "POST", "/v1/chat/completions", {"content": b'{"a":' + b"[" * 100_000}),
    ("not UTF-8", "POST", "/v1/chat/completions", {"content": b'{"model": "\xff"}'}),
    ("a model of another type", "POST", "/v1/chat/completions", {"json": {**CHAT, "model": 7}}),
    ("an unknown model", "POST", "/v1/chat/completions", {"json": {**CHAT, "model": "no-such-model"}}),
    ("a surrogate", "POST", "/v1/chat/completions", {"content": b'{"model": "\\ud800", "messages": []}'}),
    ("no model", "POST", "/v1/chat/completions", {"json": {"messages": []}}),
    ("an unknown provider", "GET", "/v1/files/file-1", {"headers": {"x-doorward-provider": "nobody"}}),
    ("an unknown object", "GET", "/v1/files/file-unknown", {}),
    ("not available yet", "POST", "/v1/threads", {"json": {}}),
    ("organisation", "GET", "/v1/organization/users", {}),
    ("a body too large", "POST", "/v1/chat/completions", {"content": b"a" * 20_000}),
    ("a form that is none", "POST", "/v1/files", {"content": b"x", "headers": {"content-type": "multipart/form-data"}}),
    ("a form without its boundary", "POST", "/v1/files", {"content": b"--a", "headers": FORM}),
    ("JSON where a form is due", "POST", "/v1/audio/transcriptions", {"content": b"x", "headers": PLAIN}),
    ("no JSON on the control plane", "POST", "/api/v1/estimate", {"content": b"{nope", "headers": JSON}),
    ("an empty object", "POST", "/api/v1/estimate", {"json": {}}),
    ("an unknown field", "POST", "/api/v1/chat", {"json": {"prompt": "x", "no_such_field": 1}}),
    ("a field of another type", "POST", "/api/v1/chat", {"json": {"prompt": 7}}),
    ("an empty prompt", "POST", "/api/v1/chat", {"json": {"prompt": ""}}),
    ("a list for an object", "POST", "/api/v1/chat", {"json": []}),
    ("no content type", "POST", "/api/v1/chat", {"content": b'{"prompt": "x"}', "headers": PLAIN}),
    ("a body too large for the control plane", "POST", "/api/v1/estimate", {"content": b"a" * 70_000_000}),
    ("a query of another type", "GET", "/api/v1/calls?limit=many", {}),
    ("a query out of bounds", "GET", "/api/v1/calls?limit=0", {}),
    ("a mark that no page gave", "GET", "/api/v1/calls?after=!!", {}),
    ("an unknown call", "GET", "/api/v1/calls/req_unknown", {}),
    ("another mode's endpoint", "GET", "/api/v1/openai-key", {}),
    ("the operator's key has no slot", "PUT", "/api/v1/me/openai-key", {"json": {"key": "sk-x"}}),
    ("sign-in without a body", "POST", "/api/v1/session", {"headers": OWN_PAGE}),
    ("a wrong password", "POST", "/api/v1/session", {"json": WRONG, "headers": OWN_PAGE}),
    ("a used set-up link", "POST", "/api/v1/setup", {"json": {"token": "x", "email": "a@b.example"}, "headers": OWN_PAGE}),
    ("a dead invitation", "POST", "/api/v1/invitations/look", {"json": {"token": "x"}, "headers": {BEARER: ""}}),
    ("OIDC that is not set up", "GET", "/api/v1/session/oidc/start", {"headers": {BEARER: ""}}),
    ("an unknown adapter", "GET", "/v1/apis/http/nobody/x", {}),
    ("an adapter without a name", "GET", "/v1/apis/http/", {}),
    ("dots to an adapter", "GET", "/v1/apis/http/up/%2e%2e/x", {}),
    ("an unknown conversation", "GET", "/apps/conversations/unknown", {}),
    ("an empty message", "POST", "/apps/chat", {"json": {"message": "\x00\x01"}}),
    ("an app's unknown field", "POST", "/apps/chat", {"json": {"message": "x", "role": "system"}}),
    ("an app's unknown model", "POST", "/apps/chat", {"json": {"message": "x", "model": "no-such-model"}}),
    *(called(str(status)) for status in STATUSES),
    *(called(way) for way in WAYS),
    ("upstream away", "POST", "/v1/chat/completions", {"json": {**CHAT, "model": "away-1"}}),
    ("no key for it", "POST", "/v1/chat/completions", {"json": {**CHAT, "model": "gpt-4o-mini"}}),
]  # fmt: skip


def upstream(request: Request) -> Answer:
    way = request.json["model"].removeprefix("up-")
    if way.isdigit():
        return error_answer(int(way), "scripted")
    said = {"html": b"<html>no</html>", "empty": b"", "list": b'[{"error": {"message": "x"}}]', "text": b'"no"'}
    if way in said:
        kind = "text/html" if way == "html" else "application/json"
        return json_answer(said[way], 502, {"content-type": kind})
    if way == "cut":
        return Answer((head(200, {"content-type": "application/json", "content-length": "99"}), b'{"id":', Close()))
    return Answer((Reset(),))


@dataclass
class Doors:
    house: House
    client: httpx2.AsyncClient


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    settings = {"max_json_bytes": 16_384, "retry_wait_s": 0.0, "first_event_whole_s": 3.0, "connect_s": 1.0}
    async with contextlib.AsyncExitStack() as stack:
        up = await stack.enter_async_context(ScriptedUpstream(upstream))
        home = await stack.enter_async_context(house(tmp_path, **settings))
        await home.provider("up", up.base_url, "up-*", prices="free")
        await home.provider("away", "http://127.0.0.1:9", "away-*", prices="free")
        for name in ("up", "away"):
            await home.account(name)
        headers = {BEARER: f"Bearer {await home.key(scopes=('call', 'me'))}"}
        client = httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=20, trust_env=False)
        yield Doors(home, await stack.enter_async_context(client))


def is_error(body: bytes) -> bool:
    """OpenAI's shape, exactly: a message, a type, and two that may be null."""
    try:
        shape = json.loads(body)
    except ValueError:
        return False
    if not isinstance(shape, dict) or set(shape) != {"error"} or not isinstance(shape["error"], dict):
        return False
    error = shape["error"]
    texts = isinstance(error.get("message"), str) and error["message"] != "" and isinstance(error.get("type"), str)
    return (
        texts
        and set(error) == {"message", "type", "param", "code"}
        and all(isinstance(error[n], str | None) for n in ("param", "code"))
    )


async def test_every_failure_of_the_table(doors: Doors) -> None:
    assert len(TABLE) + len(RAW) >= 60
    wrong = []
    for name, method, path, options in TABLE:
        headers = {key: value for key, value in options.get("headers", {}).items() if value}
        request = doors.client.build_request(method, doors.house.url, **{**options, "headers": headers})
        request.url = httpx2.URL(doors.house.url).copy_with(raw_path=path.encode())
        if options.get("headers", {}).get(BEARER) == "":
            del request.headers[BEARER]
        answer = await doors.client.send(request)
        # an error of the upstream's own passes as it came (R21): its shape is the upstream's
        own = name.startswith("upstream ") and name.partition(" ")[2] in ("html", "empty", "list", "text")
        if answer.status_code < 400 or not (own or is_error(answer.content)):
            wrong.append((name, answer.status_code, answer.headers.get("content-type"), answer.content[:120]))
        elif "x-request-id" not in answer.headers:
            wrong.append((name, answer.status_code, "no x-request-id"))
        elif not own and answer.headers["content-type"] != "application/json":
            wrong.append((name, answer.headers["content-type"]))
    assert wrong == []


async def test_what_the_parser_refuses_has_it_too(doors: Doors) -> None:
    port = int(doors.house.url.rpartition(":")[2])
    wrong = []
    for name, sent in RAW.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        said = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(5):
                head_, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n\r\n")
                length = int(next(line.split(b":")[1] for line in head_.lower().splitlines() if line.startswith(b"content-length")))
                said = rest + await reader.readexactly(length - len(rest))
        writer.close()
        status = int(head_.split()[1])
        if status < 400 or not is_error(said) or b"x-request-id" not in head_.lower():
            wrong.append((name, head_[:60], said[:80]))
    assert wrong == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Not Found",
        b'{"detail": "Not Found"}',
        b'{"error": "text"}',
        b'{"error": {"message": "x"}}',
        b'{"error": {"message": "", "type": "t", "param": null, "code": null}}',
        b'{"error": {"message": "x", "type": "t", "param": null, "code": 404}}',
        b'{"error": {"message": "x", "type": "t", "param": null, "code": null}, "detail": 1}',
    ],
)
def test_canary_other_shapes_are_seen(body: bytes) -> None:
    assert not is_error(body)
    assert is_error(b'{"error": {"message": "x", "type": "t", "param": null, "code": null}}')
