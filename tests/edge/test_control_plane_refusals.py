"""What the control plane refuses: each a clear error in OpenAI's shape that repeats nothing of what was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.edge.plane import ACCOUNT, OPENAI_LIKE, Plane, error_of, plane

pytestmark = pytest.mark.timeout(20)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    """One server for all: nothing here may change what it stores."""
    async with plane(tmp_path_factory.mktemp("plane"), allow_private_upstreams=False) as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://api.example.com",
        "api.example.com",
        "http://api.example.com",
        "https://user:pw@api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com/#",
        "https://api.example.com/../v1",
        "https://api.example.com/%2e%2e",
        "https://api.example.com:99999",
        "https://",
        "https://a b.example.com",
        "https://api.example.com\\@evil.example",
        "https://127.0.0.1",
        "https://localhost/v1",
        "https://[::1]/v1",
        "https://169.254.169.254",
    ],
)
async def test_a_base_url_that_could_lead_elsewhere_is_refused(api: Plane, base_url: str) -> None:
    error = await api.refused("POST", "/providers", 422, {**OPENAI_LIKE, "base_url": base_url})
    assert error["param"] == "base_url"
    assert "evil" not in error["message"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "at least 1 character"),
        ("   ", "empty"),
        ("not-a-key-of-openai", "begins with sk-"),
        ("sk-with\r\nheader: x", "line break"),
        ("sk-with space", "space"),
        ("sk-umläut", "character"),
        ("sk-" + "a" * 10_000, "at most"),
        ("dw-abcdefghijkmnpqr-" + "A" * 43, "client key of Doorward"),
        (17, "valid string"),
        (None, "valid string"),
        (["sk-list"], "valid string"),
    ],
)
async def test_a_key_of_a_wrong_shape_is_refused_without_being_repeated(api: Plane, key: Any, says: str) -> None:
    error = await api.refused("POST", "/accounts", 422, {**ACCOUNT, "auth_data": {"api_key": key}})
    assert says in error["message"]
    assert error["param"] == "auth_data.api_key"
    if isinstance(key, str) and key.strip():
        assert key.strip()[:12] not in json.dumps(error)
    assert (await api.ask("GET", "/accounts"))["data"] == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/providers", None),
        ("POST", "/providers", OPENAI_LIKE),
        ("DELETE", "/providers/openai", None),
        ("GET", "/accounts", None),
        ("POST", "/accounts", ACCOUNT),
        ("POST", "/accounts/acc_x/test", None),
        ("GET", "/keys", None),
        ("POST", "/keys", {"label": "x"}),
        ("POST", "/keys/x/revoke", None),
    ],
)
async def test_only_the_scope_admin_may(api: Plane, method: str, path: str, body: Any) -> None:
    caller = await api.door.key(scopes=("call", "me"))
    assert (await api.refused(method, path, 403, body, key=caller))["code"] == "forbidden"
    await api.refused(method, path, 401, body, key="dw-abcdefghijkmnpqr-" + "A" * 43)
    answer = await api.http.request(method, f"/api/v1{path}", **({} if body is None else {"json": body}))
    assert answer.status_code == 401
    error_of(answer.json())


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code"),
    [
        ("GET", "/nothing", b"", 404, "unknown_url"),
        ("GET", "", b"", 404, "unknown_url"),
        ("GET", "/providers/", b"", 404, None),
        ("PUT", "/providers", b"{}", 405, "method_not_allowed"),
        ("POST", "/keys", b"", 400, "invalid_request"),
        ("POST", "/keys", b"{", 400, "invalid_request"),
        ("POST", "/keys", b"\xff\xfe", 400, "invalid_request"),
        ("POST", "/keys", b'["label"]', 400, "invalid_request"),
        ("POST", "/keys", b'{"label": 1}', 422, "invalid_value"),
        ("POST", "/keys", b'{"label": ""}', 422, "invalid_value"),
        ("POST", "/keys", b'{"label": "a\\u0000b"}', 422, "invalid_value"),
        ("POST", "/keys", b'{"label": "a\\nb"}', 422, "invalid_value"),
        ("POST", "/keys", b'{"label": "x", "scopes": ["root"]}', 422, "invalid_value"),
        ("POST", "/keys", b'{"label": "x", "expires_at": 1}', 422, "invalid_value"),
        ("POST", "/keys", b'{"label": "x", "rpm": 5}', 422, "invalid_value"),
        ("POST", "/keys", b'{"label": "x", "sk-canary-9fK2mQ7xT4vB8nL1pZ6wR3yD5hJ0cA": 5}', 422, "invalid_value"),
        ("POST", "/keys", b'{"label": "' + b"a" * 70_000 + b'"}', 413, "body_too_large"),
        ("GET", "/keys", b"{}", 413, "body_too_large"),
        ("POST", "/accounts", b'{"provider_id": "openai", "label": "x", "auth_data": "sk-canary-9fK2mQ7x"}', 422, "invalid_value"),
        ("POST", "/accounts", b'{"provider_id": "openai", "label": "x"}', 422, "invalid_value"),
    ],
)
async def test_every_refusal_is_an_error_of_openais(
    api: Plane, method: str, path: str, content: bytes, status: int, code: str | None
) -> None:
    headers = {"authorization": f"Bearer {api.admin}", "content-type": "application/json"}
    answer = await api.http.request(method, f"/api/v1{path}", headers=headers, content=content)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-request-id"].startswith("req_")
    error = error_of(answer.json())
    assert code is None or error["code"] == code
    assert "sk-canary" not in answer.text
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_client_that_leaves_within_its_request_is_no_failure_of_ours(
    api: Plane, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(api.door.url.rpartition(":")[2]))
    head = f"POST /api/v1/keys HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {api.admin}\r\ncontent-length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"label"')
    await writer.drain()
    await api.ask("GET", "/keys")
    writer.close()
    await asyncio.sleep(0.3)
    await api.ask("GET", "/keys")
    captured = capfd.readouterr()
    assert "internal_error" not in caplog.text + captured.out + captured.err
