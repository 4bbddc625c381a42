"""The three custody routers in other people's apps, to the letter of R2 to R6."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.answers import error_answer, json_answer, silent
from tests.house import CANARY
from tests.routers.hosts import error_of, host, router_of

from doorward.core.errors import BadRequest, StoreError, Unavailable, VaultError
from doorward.routers import House, openai_anonymous, openai_per_user

OTHER = "sk-other-1aB2cD3eF4gH5iJ6kL7mN8oP9qR0"
SIGN_IN = (401, "not_authenticated", "Sign in to use this feature")


async def test_per_user_each_brings_a_key_of_their_own(tmp_path: Path) -> None:
    async with host("per_user", tmp_path) as app:
        assert (await app.get("/me/openai-key", "bob")).json() == {"configured": False}
        assert error_of(await app.ask(user="bob")) == (403, "key_not_configured", "Set your OpenAI API key first")
        assert app.up.calls == 0
        stored = await app.put("/me/openai-key", CANARY, "bob")
        assert (stored.status_code, stored.content) == (204, b"")
        assert (await app.get("/me/openai-key", "bob")).json() == {"configured": True}
        asked = await app.ask("Why is the sky blue?", "bob")
        assert (asked.status_code, asked.json()) == (200, {"text": "Blue."})
        assert app.up.requests[0].header("authorization") == f"Bearer {CANARY}"
        assert app.up.requests[0].json["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
        # the next user has nothing of it
        assert (await app.get("/me/openai-key", "eve")).json() == {"configured": False}
        assert error_of(await app.ask(user="eve"))[0] == 403
        await app.put("/me/openai-key", OTHER, "eve")
        await app.ask(user="eve")
        assert app.up.requests[-1].header("authorization") == f"Bearer {OTHER}"
        # cleared, replaced: felt by the next call
        assert (await app.client.delete("/api/v1/me/openai-key", headers={"x-user": "bob"})).status_code == 204
        assert error_of(await app.ask(user="bob"))[1] == "key_not_configured"
        assert (await app.ask(user="eve")).status_code == 200
        assert app.up.calls == 3


async def test_per_user_nobody_comes_in_without_a_name(tmp_path: Path) -> None:
    async with host("per_user", tmp_path) as app:
        for send in (
            app.get("/me/openai-key"),
            app.put("/me/openai-key", CANARY),
            app.client.delete("/api/v1/me/openai-key"),
            app.ask(),
            app.client.post("/api/v1/chat", json={"prompt": "x"}, headers={"x-user": ""}),
        ):
            assert error_of(await send) == SIGN_IN
        expired = await app.put("/me/openai-key", CANARY, "expired")
        assert error_of(expired) == SIGN_IN
        assert expired.headers["www-authenticate"] == "Bearer"
        assert (await app.get("/me/openai-key", "teapot")).json() == {"detail": "not here"}
        assert not (tmp_path / "data" / "doorward.db").exists(), "before anything is read or written"


async def test_admin_one_key_for_everybody(tmp_path: Path) -> None:
    async with host("admin", tmp_path) as app:
        assert (await app.get("/openai-key")).json() == {"configured": False}
        missing = await app.ask(user="bob")
        assert error_of(missing) == (503, "key_not_configured", "OpenAI is not configured")
        assert missing.headers["x-should-retry"] == "false"
        only = (403, "forbidden", "Unauthorized: Only admins can set the OpenAI API key")
        assert error_of(await app.put("/openai-key", CANARY, "bob")) == only
        assert error_of(await app.put("/openai-key", CANARY)) == SIGN_IN
        assert (await app.put("/openai-key", CANARY, "ada")).status_code == 204
        assert (await app.get("/openai-key")).json() == {"configured": True}
        assert (await app.ask(user="bob")).json() == {"text": "Blue."}
        assert (await app.ask(user="ada")).status_code == 200
        assert error_of(await app.ask(user="mallory")) == (403, "forbidden", "Unauthorized")
        assert error_of(await app.ask()) == SIGN_IN
        assert app.up.calls == 2


async def test_anonymous_no_login_at_all(tmp_path: Path) -> None:
    async with host("anonymous", tmp_path) as app:
        assert (await app.get("/openai-key")).json() == {"configured": False}
        assert error_of(await app.ask()) == (503, "key_not_configured", "OpenAI is not configured")
        assert (await app.put("/openai-key", CANARY)).status_code == 204
        assert (await app.ask(authorization="Bearer sk-what-sdks-send")).json() == {"text": "Blue."}
        assert (await app.put("/openai-key", OTHER)).status_code == 204
        await app.ask()
        assert [request.header("authorization") for request in app.up.requests] == [f"Bearer {CANARY}", f"Bearer {OTHER}"]
        assert error_of(await app.ask(authorization="Bearer dw-abcdefghijkmnpqr-" + "A" * 43))[1] == "invalid_api_key"


async def test_anonymous_only_under_its_cap(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="DOORWARD_SPEND_CAP_USD"):
        openai_anonymous(data_dir=tmp_path)
    async with host("anonymous", tmp_path, spend_cap_usd="0.0005") as app:
        await app.put("/openai-key", CANARY)
        refused = await app.ask()
        assert error_of(refused)[:2] == (429, "budget_exceeded")
        assert refused.headers["x-should-retry"] == "false"
        assert app.up.calls == 0


@pytest.mark.parametrize("path", ["/openai-key", "/chat"])
async def test_anonymous_writes_of_foreign_pages_are_refused(tmp_path: Path, path: str) -> None:
    async with host("anonymous", tmp_path) as app:
        method = "PUT" if path == "/openai-key" else "POST"
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
            answer = await app.client.request(method, f"/api/v1{path}", json={"key": CANARY, "prompt": "x"}, headers=headers)
            assert error_of(answer)[:2] == (403, "forbidden")
        own = {"origin": app.url, "sec-fetch-site": "same-origin"}
        assert (await app.client.put("/api/v1/openai-key", json={"key": CANARY}, headers=own)).status_code == 204


async def test_anonymous_is_for_this_machine_alone(tmp_path: Path) -> None:
    async def as_if_from_afar(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "client": ("203.0.113.9", 1234)}, receive, send)

    for allowed in (False, True):
        router = router_of("anonymous", tmp_path, "http://127.0.0.1:1", allow_public_anonymous=allowed)
        inner = FastAPI()
        inner.include_router(router)
        try:
            from tests.serving import serving

            async with serving(as_if_from_afar) as url:
                import httpx2

                async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
                    status = [(await client.get("/openai-key")).status_code, (await client.post("/chat", json={})).status_code]
                    assert status == ([200, 422] if allowed else [403, 403])
        finally:
            await router.close()


async def test_signed_in_writes_by_cookie_from_foreign_pages_are_refused(tmp_path: Path) -> None:
    async with host("per_user", tmp_path) as app:
        cookie = {"cookie": "session=1"}
        for foreign in ({"origin": "https://evil.example"}, {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}):
            assert error_of(await app.put("/me/openai-key", CANARY, "bob", **cookie, **foreign))[:2] == (403, "forbidden")
        assert (await app.get("/me/openai-key", "bob")).json() == {"configured": False}
        for own in ({"origin": app.url, "sec_fetch_site": "same-origin"}, {}):
            assert (await app.put("/me/openai-key", CANARY, "bob", **cookie, **own)).status_code == 204
        bearer = {"authorization": "Bearer t", "origin": "https://spa.example", "sec_fetch_site": "cross-site"}
        assert (await app.put("/me/openai-key", CANARY, "bob", **bearer)).status_code == 204
    async with host("per_user", tmp_path / "named", public_url="https://app.example") as app:
        spa = {"origin": "https://app.example", "sec_fetch_site": "same-site"}
        assert (await app.put("/me/openai-key", CANARY, "bob", **cookie, **spa)).status_code == 204
        assert error_of(await app.put("/me/openai-key", CANARY, "bob", **cookie, origin=app.url))[0] == 403


@pytest.mark.parametrize(
    ("mode", "path", "methods"),
    [
        ("per_user", "/openai-key", ("GET", "PUT")),
        ("admin", "/me/openai-key", ("GET", "PUT", "DELETE")),
        ("anonymous", "/me/openai-key", ("GET", "PUT", "DELETE")),
    ],
)
async def test_the_other_modes_endpoints_are_not_here(tmp_path: Path, mode: str, path: str, methods: tuple[str, ...]) -> None:
    async with host(mode, tmp_path) as app:
        for method in methods:
            answer = await app.client.request(method, f"/api/v1{path}", headers={"x-user": "ada"})
            assert error_of(answer)[:2] == (404, "not_in_this_mode")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"key": ""}, 422),
        ({"key": "   "}, 422),
        ({"key": CANARY + "\u0007"}, 422),
        ({"key": f"{CANARY} {CANARY}"}, 422),
        ({"key": "sk-" + "x" * 10_000}, 422),
        ({"key": 7}, 422),
        ({"key": CANARY, "user_id": "ada"}, 422),
        ({}, 422),
        ([CANARY], 400),
        (b"{", 400),
        (b'{"key": "' + b"x" * 70_000, 413),
    ],
)
async def test_what_can_be_no_key_is_refused_and_not_repeated(tmp_path: Path, body: Any, status: int) -> None:
    async with host("per_user", tmp_path) as app:
        await app.put("/me/openai-key", OTHER, "bob")
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = await app.client.put("/api/v1/me/openai-key", headers={"x-user": "bob"}, **sent)
        assert error_of(answer)[0] == status
        assert "canary" not in answer.text
        assert "xxxx" not in answer.text
        await app.ask(user="bob")
        assert app.up.requests[-1].header("authorization") == f"Bearer {OTHER}", "nothing changed"


async def test_a_key_of_another_kind_is_told_apart_at_openai(tmp_path: Path) -> None:
    async with host("per_user", tmp_path, openai_base_url="https://api.openai.com") as app:
        told = error_of(await app.put("/me/openai-key", "pk-wrong-shape", "bob"))
        assert told == (422, "invalid_value", "A key of OpenAI begins with sk-. Copy the whole key from OpenAI's page.")
        ours = error_of(await app.put("/me/openai-key", "dw-abcdefghijkmnpqr-" + "A" * 43, "bob"))
        assert "client key of Doorward" in ours[2]


@pytest.mark.parametrize("body", [{}, {"prompt": ""}, {"prompt": " \n"}, {"prompt": 1}, {"prompt": "x", "model": "y"}])
async def test_a_prompt_that_is_none(tmp_path: Path, body: Any) -> None:
    async with host("per_user", tmp_path) as app:
        answer = await app.client.post("/api/v1/chat", json=body, headers={"x-user": "bob"})
        assert error_of(answer)[:2] == (422, "invalid_value")
        assert app.up.calls == 0


async def test_what_the_upstream_says_is_told_in_one_shape(tmp_path: Path) -> None:
    refusal = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, "refusal": "No."}}
    bare = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    script = [
        json_answer({**bare, "choices": []}),
        json_answer({**bare, "choices": [refusal]}),
        error_answer(400, "bad_thing", f"bad {CANARY}"),
        error_answer(401, "invalid_api_key", f"Incorrect API key provided: {CANARY}"),
    ]
    async with host("per_user", tmp_path, script) as app:
        await app.put("/me/openai-key", CANARY, "bob")
        told = [await app.ask(user="bob") for _ in range(4)]
        assert [error_of(answer)[0::2] for answer in told[:2]] == [
            (502, "OpenAI returned no choices"),
            (502, "OpenAI returned no text content (refusal or tool call)"),
        ]
        assert error_of(told[2])[:2] == (400, "bad_thing")
        assert error_of(told[3])[:2] == (401, "upstream_key_refused")
        assert all(CANARY not in answer.text for answer in told)


async def test_who_leaves_ends_the_call_upstream(tmp_path: Path) -> None:
    async with host("per_user", tmp_path, silent()) as app:
        await app.put("/me/openai-key", CANARY, "bob")
        asking = asyncio.create_task(app.ask(user="bob"))
        await app.up.wait_for_calls(1)
        asking.cancel()
        await app.up.wait_for_leavers(1)


async def test_every_call_is_in_the_book_and_the_key_is_nowhere(tmp_path: Path) -> None:
    async with host("per_user", tmp_path) as app:
        await app.put("/me/openai-key", CANARY, "bob")
        asked = await app.ask(user="bob", x_request_id="req-of-the-host", x_doorward_tags="demo")
        assert asked.headers["x-request-id"] == "req-of-the-host"
    with sqlite3.connect(tmp_path / "data" / "doorward.db") as database:
        rows = database.execute("SELECT id, owner, tags, cost_nanos FROM calls").fetchall()
        acts = database.execute("SELECT action FROM audit_rows").fetchall()
    database.close()
    assert [(row[0], row[1]) for row in rows] == [("req-of-the-host", "user:bob")]
    assert "demo" in rows[0][2]
    assert rows[0][3] > 0
    assert ("key.set",) in acts
    files = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    assert not any(CANARY.encode() in content or CANARY.encode()[:20] in content for content in files)


async def test_postgresql_and_a_master_key_of_the_hosts(tmp_path: Path, postgres_url: str) -> None:
    import base64

    options = {"database_url": postgres_url.replace("postgresql://", "postgresql+psycopg://"), "default_model": "gpt-4.1-mini"}
    key = base64.b64encode(b"k" * 32).decode()
    async with host("per_user", tmp_path, **options, master_key=key) as app:
        await app.put("/me/openai-key", CANARY, "bob")
        assert (await app.ask(user="bob")).json() == {"text": "Blue."}
        assert app.up.requests[0].json["model"] == "gpt-4.1-mini"
        assert not (tmp_path / "data" / "master.key").exists()
    # the same key opens it again, another does not
    async with host("per_user", tmp_path, **options, master_key=key) as app:
        assert (await app.ask(user="bob")).json() == {"text": "Blue."}
    house = House(
        "per_user", database_url=options["database_url"], data_dir=tmp_path, master_key=base64.b64encode(b"x" * 32).decode()
    )
    with pytest.raises(VaultError):
        await house.open()
    house = House(
        "per_user", database_url=options["database_url"], data_dir=tmp_path, master_key=base64.b64encode(b"x" * 32).decode()
    )
    with pytest.raises(Unavailable, match="The operator's log says why"):
        await house.rooms()


async def test_a_database_with_tables_of_the_hosts_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "app.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE users (id INTEGER)")
    database.close()
    with pytest.raises(StoreError, match="database of its own"):
        await House("per_user", database_url=f"sqlite:///{file}", data_dir=tmp_path).open()
    with sqlite3.connect(file) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    database.close()
    assert tables == [("users",)]


def test_options_that_do_not_fit_are_named(tmp_path: Path) -> None:
    def nobody() -> None: ...

    with pytest.raises(BadRequest, match="no option 'databse_url'"):
        openai_per_user(current_user=nobody, databse_url="sqlite:///x")  # type: ignore[call-arg]
    with pytest.raises(BadRequest, match="refresh_s"):
        openai_per_user(current_user=nobody, data_dir=tmp_path, refresh_s=60)
    with pytest.raises(BadRequest, match="custody admin"):
        openai_per_user(current_user=nobody, house=House("admin", data_dir=tmp_path))
    with pytest.raises(BadRequest, match="options already"):
        openai_per_user(current_user=nobody, house=House("per_user", data_dir=tmp_path), data_dir=tmp_path)


def test_the_hosts_environment_gives_no_keys_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_MODEL", "gpt-4.1-nano")
    settings = House("admin", data_dir=tmp_path).settings
    assert (settings.openai_api_key, settings.default_model) == (None, "gpt-4.1-nano")
    assert House("admin", data_dir=tmp_path, default_model="gpt-4o").settings.default_model == "gpt-4o"


def test_the_hosts_lifespan_opens_and_closes_it(tmp_path: Path) -> None:
    router = router_of("per_user", tmp_path, "http://127.0.0.1:1")
    app = FastAPI()
    app.include_router(router, prefix="/api/v1")
    with TestClient(app) as client:
        assert (tmp_path / "data" / "doorward.db").exists()
        assert client.get("/api/v1/me/openai-key", headers={"x-user": "bob"}).json() == {"configured": False}
    assert router.house._rooms is None


def test_a_second_event_loop_is_told_what_to_do(tmp_path: Path) -> None:
    house = House("per_user", data_dir=tmp_path)
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(house.open())
        with pytest.raises(Unavailable, match="with TestClient"):
            asyncio.run(house.open())
        loop.run_until_complete(house.close())
    finally:
        loop.close()


@pytest.mark.parametrize("mode", ["per_user", "admin", "anonymous"])
def test_no_answer_of_any_route_could_hold_a_key(tmp_path: Path, mode: str) -> None:
    app = FastAPI()
    app.include_router(router_of(mode, tmp_path, "http://127.0.0.1:1"))
    document = app.openapi()
    answers = [
        schema
        for path in document["paths"].values()
        for operation in path.values()
        for answer in operation["responses"].values()
        for schema in [answer.get("content", {}).get("application/json", {}).get("schema")]
        if schema is not None
    ]
    named = {schema["$ref"].rsplit("/", 1)[1] for schema in answers}
    assert named == {"Configured", "TextOut", "ErrorAnswer"}
    schemas = document["components"]["schemas"]
    assert set(schemas["Configured"]["properties"]) == {"configured"}
    assert schemas["Configured"]["properties"]["configured"]["type"] == "boolean"
    assert set(schemas["TextOut"]["properties"]) == {"text"}
    assert "writeOnly" not in str({name: schemas[name] for name in [*named, "ErrorBody"]})
    put = next(operation["put"] for path, operation in document["paths"].items() if "put" in operation)
    assert put["requestBody"]["content"]["application/json"]["schema"]["properties"]["key"]["writeOnly"] is True


def test_no_endpoint_reaches_the_vault(tmp_path: Path) -> None:
    """What the endpoints hold, walked: none of it opens a key by a name of its own."""
    from doorward.routers.house import Rooms

    assert set(Rooms.__annotations__) == {"slot", "refresh", "credentials", "apps", "ask_of"}
