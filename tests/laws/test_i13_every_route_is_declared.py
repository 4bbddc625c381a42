"""I13: every route declares authentication, role, body cap and metering, and keeps to its word; an undeclared one stops the start.

Both inventories are walked as nobody, with a revoked key, with a key of few powers, as users and as an admin.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from tests.laws.inventory import Route, endpoints, filled, routes, strangers
from tests.laws.people import Person, town

from doorward.edge.control_plane.declare import Undeclared, all_declared, declared, router
from doorward.wire.endpoints import ENDPOINTS, match

# Real processes on a machine that others use: the bound is against hanging, not a promise of speed.
pytestmark = pytest.mark.timeout(240)

PUBLIC = {
    "GET /api/v1/openapi.json": "the document is in the release as well",
    "GET /api/v1/openai-key": "R5: a truth value that pages need before anybody signs in",
    "GET /api/v1/session": "who is signed in by this cookie: nobody, for a stranger",
    "GET /api/v1/shell": "version and default model, which pages show before anybody signs in",
    "POST /api/v1/session": "sign-in",
    "DELETE /api/v1/session": "sign-out; of nobody without a session",
    "POST /api/v1/session/passkey/begin": "sign-in",
    "POST /api/v1/session/passkey": "sign-in",
    "GET /api/v1/session/oidc/start": "sign-in",
    "GET /api/v1/session/oidc/callback": "sign-in",
    "POST /api/v1/setup": "takes the one-time link's token",
    "POST /api/v1/invitations/look": "takes an invitation's token",
    "POST /api/v1/invitations/accept": "takes an invitation's token",
}
"""Routes without a credential, each with its reason. There are no others."""

OWN_READINGS = {"GET /api/v1/me/budget": "R14: a key of the scope `call` may see what it has left to spend"}

MODES = pytest.mark.parametrize("custody", ["per_user", "admin"])


@dataclass(frozen=True)
class Told:
    status_code: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


async def ask(client: httpx2.AsyncClient, route: Route) -> Told:
    """Of an answer that never ends its first piece is enough."""
    async with asyncio.timeout(8):
        async with client.stream(route.method, route.path(), **({"json": {}} if route.wants_body else {})) as answer:
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                return Told(answer.status_code, "")
            return Told(answer.status_code, (await answer.aread()).decode())


@MODES
async def test_every_door_and_route_is_known_and_says_who_may_come(tmp_path: Path, custody: str) -> None:
    async with town(tmp_path, custody=custody) as them:
        assert strangers(them.house.app) == []
        found = routes(them.house.app)
    assert len(found) > 60, "the walk found too little to mean anything"
    assert {str(route) for route in found if route.guarded.declaration.auth == "public"} == {
        name for name in PUBLIC if custody == "admin" or name != "GET /api/v1/openai-key"
    }
    for route in found:
        said = route.guarded.declaration
        assert said.auth in ("public", "key", "session", "either"), route
        takes_body = route.guarded.body_field is not None
        assert takes_body <= (said.body_cap_bytes > 0), f"{route} reads a body and has no cap"
        assert said.body_cap_bytes <= 64 * 2**20, route
        if route.method == "GET":
            assert said.body_cap_bytes == 0, route
        if said.metered:
            assert said.scope in ("call", "admin"), f"{route} spends without a scope"
        if route.template.startswith("/api/v1/me/"):
            assert said.scope == "me" or str(route) in OWN_READINGS, route


@MODES
async def test_nobody_and_revoked_keys_get_in_nowhere(tmp_path: Path, custody: str) -> None:
    async with town(tmp_path, custody=custody) as them:
        for route in routes(them.house.app):
            if str(route) in PUBLIC:
                continue
            for who, client in (("nobody", them.nobody), ("revoked", them.revoked)):
                answer = await ask(client, route)
                assert answer.status_code == 401, (who, str(route), answer.status_code, answer.text)
                assert answer.json()["error"]["code"] in ("not_authenticated", "invalid_api_key")
        for method, template in endpoints():
            for client in (them.nobody, them.revoked, them.a.browser):
                answer = await client.request(method, filled(template))
                assert answer.status_code == 401, (method, template, answer.status_code)


async def test_each_gets_as_far_as_the_declaration_says(tmp_path: Path) -> None:
    async with town(tmp_path) as them:
        for route in routes(them.house.app):
            said = route.guarded.declaration
            if said.auth == "public":
                continue
            walkers: list[tuple[str, httpx2.AsyncClient, set[str], bool]] = [
                ("a key of few powers", them.caller, {"call"}, False),
                ("a user's key", them.a.program, {"call", "me"}, False),
                ("an admin's key", them.admin.program, {"call", "me", "admin"}, False),
            ]
            if not ends_sessions(route):
                walkers.append(("a user's session", them.b.browser, {"call", "me"}, True))
            for who, client, scopes, by_session in walkers:
                try:
                    answer = await ask(client, route)
                except TimeoutError:
                    raise AssertionError(f"{route} does not answer {who}") from None
                allowed = said.scope is None or said.scope in scopes
                fits = said.auth == "either" or (said.auth == "session") == by_session
                status = answer.status_code
                if not fits:
                    assert status == 401, (who, str(route), status, answer.text)
                elif not allowed:
                    assert status == 403, (who, str(route), status, answer.text)
                else:
                    # past the guard: refused for what was sent, if at all
                    assert status != 401, (who, str(route), status, answer.text)
                    assert status < 500 or status == 503, (who, str(route), status, answer.text)
                    assert "needs the scope" not in answer.text, (who, str(route), answer.text)


def ends_sessions(route: Route) -> bool:
    return route.method == "DELETE" and "session" in route.template


async def test_a_body_over_its_cap_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with town(tmp_path) as them:
        for route in routes(them.house.app):
            said = route.guarded.declaration
            if said.auth in ("public", "session") or route.method in ("GET", "DELETE"):
                continue
            headers = {"content-length": str(said.body_cap_bytes + 1), "content-type": "application/json"}
            answer = await _only_head(them.admin, route, headers)
            assert answer == 413, (str(route), answer)


async def _only_head(person: Person, route: Route, headers: dict[str, str]) -> int:
    """The status that comes back though not one byte of the body was sent."""
    url = person.program.base_url
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    lines = [f"{route.method} {route.path()} HTTP/1.1", f"host: 127.0.0.1:{url.port}", f"authorization: Bearer {person.key}"]
    writer.write("\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode())
    status = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return int(status.split()[1])


@pytest.mark.parametrize(("method", "template"), endpoints())
def test_every_endpoint_of_v1_says_what_it_bills_and_whose_objects_it_has(method: str, template: str) -> None:
    endpoint = match(method, filled(template)).endpoint
    assert endpoint is not None
    assert endpoint.bills in ("tokens", "images", "audio", "free", "unknown")
    assert endpoint.objects in ("none", "covered", "later")
    assert endpoint.kind, "the meter must know what its answers are made of"
    has_object = "{" in template and "{model}" not in template
    assert not has_object or endpoint.objects != "none", "objects without an owner"


@pytest.mark.parametrize("path", ["/v1/unknown", "/v1/chat", "/v1/models/a/b/c", "/v1/organization/keys", "/v1/files/a/b", "/v1/"])
def test_what_is_not_in_the_table_is_refused(path: str) -> None:
    found = match("POST", path)
    assert found.endpoint is None or found.endpoint.template.startswith("/v1/organization") is False and not found.ids


def test_the_table_bills_nothing_as_unknown_outside_the_families_to_come() -> None:
    assert [e.template for e in ENDPOINTS if e.bills == "unknown" and e.objects != "later"] == []


def test_canary_an_undeclared_route_stops_the_start() -> None:
    api = router("canary")
    with pytest.raises(Undeclared):

        @api.get("/undeclared")
        async def undeclared() -> None: ...


def test_canary_a_route_past_the_guard_is_found() -> None:
    past = APIRouter()

    @past.get("/past")
    @declared(auth="public")
    async def endpoint() -> None: ...

    assert type(past.routes[0]) is APIRoute
    with pytest.raises(Undeclared):
        all_declared(past.routes)
    with pytest.raises(Undeclared):
        all_declared(FastAPI().router.routes)


async def test_canary_a_door_that_nobody_described_is_found(tmp_path: Path) -> None:
    async with town(tmp_path) as them:
        app = them.house.app
        app.asgi.doors = (("/secret", object()), *app.asgi.doors)  # type: ignore[assignment]
        assert strangers(app) == ["/secret: object"]
