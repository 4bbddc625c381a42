"""I12: every id of one user is tried by another on every route of both inventories, in path, query and body: 404, never data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.answers import json_answer
from tests.laws.inventory import Route, endpoints, filled, routes
from tests.laws.people import Town, town
from tests.scripted import Request, ScriptedUpstream

from doorward.core.caller import OPERATOR
from doorward.store.passkeys import PasskeyRows

# Real processes on a machine that others use: the bound is against hanging, not a promise of speed.
pytestmark = pytest.mark.timeout(240)

MARK = "alices-marmalade"
"""Stands in everything that A makes; B must never read it."""


def upstream(request: Request) -> Any:
    """Enough of OpenAI for objects: a file, a response, and answers that hold A's mark."""
    if request.target.startswith("/v1/files") and request.method == "POST":
        return json_answer({"id": "file-alice1", "object": "file", "filename": MARK, "bytes": 3, "purpose": "user_data"})
    if request.target == "/v1/responses":
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        return json_answer({"id": "resp_alice1", "object": "response", "status": "completed", "output": [], "usage": usage})
    return json_answer({"id": request.target.rpartition("/")[2], "object": "thing", "data": [], "filename": MARK, "text": MARK})


async def _made(client: httpx2.AsyncClient, path: str, body: Any, *, status: int = 201) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, (path, answer.text)
    return answer.json()


async def things(them: Town) -> dict[str, str]:
    """One of each of A's things -> by name, its id. What a new noun brings is made here, too."""
    a, home = them.a, them.house
    key = await _made(a.program, "/api/v1/me/keys", {"label": MARK})
    [session] = (await a.browser.get("/api/v1/me/sessions")).json()["data"]
    async with home.app.ground.store.writing() as connection:
        await PasskeyRows(home.app.ground.store).add("YWxpY2U", a.id, MARK, b"public", 0, False, connection)
    chat = await _made(a.program, "/apps/chat", {"message": f"Remember {MARK}", "model": "sim-small"}, status=200)
    call = await a.program.post(
        "/v1/chat/completions", json={"model": "sim-small", "messages": [{"role": "user", "content": MARK}]}
    )
    assert call.status_code == 200, call.text
    file = await a.program.post("/v1/files", files={"file": ("a.txt", b"abc")}, data={"purpose": "user_data"})
    assert file.status_code == 200, file.text
    response = await _made(a.program, "/v1/responses", {"model": "up-1", "input": MARK}, status=200)
    [account] = await home.app.ground.accounts.of_owner(f"user:{a.id}")
    return {
        "key_id": key["id"],
        "session_id": session["id"],
        "passkey_id": "YWxpY2U",
        "conversation_id": chat["conversation_id"],
        "message_id": chat["message_id"],
        "call_id": call.headers["x-request-id"],
        "file_id": file.json()["id"],
        "response_id": response["id"],
        "account_id": account.id,
        "user_id": a.id,
        "subject": f"user:{a.id}",
        "email": a.email,
        "owner": f"user:{a.id}",
    }


def paths(route: Route, ids: dict[str, str]) -> set[str]:
    """The route's path with each of A's ids in each of its places: ids of the wrong kind, too."""
    return {route.path(dict.fromkeys(route.places, value)) for value in ids.values()} if route.places else set()


async def harmless(answer: httpx2.Response, ids: dict[str, str], what: str, tried: str) -> None:
    body = answer.text
    assert MARK not in body, (what, body[:300])
    shown = [name for name, value in ids.items() if value in body and value not in tried]
    assert shown == [], (what, shown, body[:300])


async def test_b_finds_nothing_of_as_anywhere(tmp_path: Path) -> None:
    async with ScriptedUpstream(upstream) as up, town(tmp_path, spend_cap_usd=None) as them:
        await them.house.provider("up", up.base_url, "up-*", prices="free")
        for owner in (f"user:{them.a.id}", f"user:{them.b.id}", OPERATOR):
            await them.house.account("up", owner=owner, label=f"of {owner}")
        ids = await things(them)
        walked = refused = 0
        found = [route for route in routes(them.house.app) if route.guarded.declaration.auth != "public"]
        for route in found:
            for client in (them.b.program, them.b.browser):
                for path in sorted(paths(route, ids)):
                    if _ends_own(route, path, them):
                        continue
                    answer = await client.request(route.method, path, **({"json": {}} if route.wants_body else {}))
                    what = f"{route.method} {path}"
                    walked += 1
                    assert answer.status_code in (400, 401, 403, 404, 405, 409, 422), (what, answer.status_code, answer.text[:200])
                    refused += answer.status_code == 404
                    await harmless(answer, ids, what, path)
        # lists and searches, with every name under which somebody else could be asked for
        asked_for = {**ids, "mine": "false", "all": "true", "owner": ids["owner"], "of": ids["user_id"], "tag": MARK, "label": MARK}
        for route in found:
            if route.method != "GET" or route.places or "stream" in route.template:
                continue
            for params in ({}, asked_for, *({name: value} for name, value in asked_for.items())):
                answer = await them.b.program.get(route.template, params=params)
                await harmless(answer, ids, f"GET {route.template} {params}", str(params))
        # the relay: objects by path, and by name in a body
        for method, template in endpoints():
            for value in ids.values():
                if "{model}" in template or "{" not in template:
                    continue
                answer = await them.b.program.request(method, filled(template, value), json={} if method == "POST" else None)
                assert answer.status_code in (400, 403, 404, 405), (method, template, value, answer.status_code)
                await harmless(answer, ids, f"{method} {template}", value)
        before = up.calls
        for path, body in (
            ("/v1/responses", {"model": "up-1", "input": "x", "previous_response_id": ids["response_id"]}),
            ("/v1/responses", {"model": "up-1", "input": [{"type": "input_file", "file_id": ids["file_id"]}]}),
            ("/apps/chat", {"message": "go on", "model": "sim-small", "conversation_id": ids["conversation_id"]}),
            ("/apps/chat/stream", {"message": "go on", "model": "sim-small", "conversation_id": ids["conversation_id"]}),
        ):
            answer = await them.b.program.post(path, json=body)
            assert answer.status_code == 404, (path, answer.status_code, answer.text[:200])
            await harmless(answer, ids, path, str(body))
        assert up.calls == before, "another's object reached the upstream"
        assert (await them.b.program.get("/v1/files")).json()["data"] == []
        assert walked > 100
        assert refused > 50
        # and all of it is still there for A
        for path in ("conversations/" + ids["conversation_id"],):
            assert MARK in (await them.a.program.get(f"/apps/{path}")).text
        assert (await them.a.program.get(f"/api/v1/calls/{ids['call_id']}")).status_code == 200
        assert (await them.a.program.get(f"/v1/files/{ids['file_id']}")).status_code == 200
        [mine] = [row for row in (await them.a.program.get("/api/v1/me/keys")).json()["data"] if row["id"] == ids["key_id"]]
        assert (mine["state"], mine["label"]) == ("active", MARK)


def _ends_own(route: Route, path: str, them: Town) -> bool:
    """B's own session is not to end during the walk."""
    return route.method == "DELETE" and route.template == "/api/v1/me/sessions"


async def test_an_operators_keys_are_tenants_of_their_own(tmp_path: Path) -> None:
    """R14b: two keys of the operator's share nothing, unless they were made to."""
    async with town(tmp_path) as them:
        clients = []
        for share in (None, None, "team", "team"):
            key = await them.house.key(scopes=("call",), share_as=share)
            clients.append(httpx2.AsyncClient(base_url=them.house.url, headers={"authorization": f"Bearer {key}"}, trust_env=False))
        one, two, three, four = clients
        try:
            for maker, other, seen in ((one, two, 404), (three, four, 200), (three, one, 404)):
                said = await _made(maker, "/apps/chat", {"message": MARK, "model": "sim-small"}, status=200)
                answer = await other.get(f"/apps/conversations/{said['conversation_id']}")
                assert answer.status_code == seen
                assert (MARK in answer.text) == (seen == 200)
        finally:
            for client in clients:
                await client.aclose()


@pytest.mark.parametrize("leak", [{"text": MARK}, {"key": "id-of-a"}])
async def test_canary_data_of_another_is_seen(leak: dict[str, str]) -> None:
    with pytest.raises(AssertionError):
        await harmless(httpx2.Response(200, json=leak), {"key_id": "id-of-a"}, "GET /leak", "/leak")
