"""The inventory of routes: every one declared (I13), no answer's schema that could hold a secret (I2)."""

from __future__ import annotations

from typing import Annotated, Any, get_type_hints

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, TypeAdapter

from doorward.core.secret import Secret
from doorward.edge.control_plane import accounts, keys, me, plane, providers
from doorward.edge.control_plane.declare import Guarded, Undeclared, all_declared, declared, router
from doorward.edge.control_plane.fields import Answer, Body, SecretIn

OURS = [route for noun in (me, providers, accounts, keys) for route in noun.routes.routes]
ROUTES = [route for noun in (*plane.NOUNS, *plane.PEOPLE) for route in noun.routes.routes] + list(plane.document.routes)


def test_every_route_is_guarded() -> None:
    all_declared(ROUTES)
    assert len(ROUTES) > len(OURS) + 1


@pytest.mark.parametrize("route", OURS, ids=lambda route: f"{sorted(route.methods)} {route.path}")
def test_every_route_says_who_may_use_it(route: Guarded) -> None:
    assert isinstance(route, Guarded)
    public = {"/api/v1/openapi.json"}
    assert (route.declaration.auth == "public") == (route.path in public)
    anyones = {"/api/v1/me"}
    if route.declaration.auth != "public":
        assert (route.declaration.scope is None) == (route.path in anyones)
    takes_body = route.body_field is not None
    assert (route.declaration.body_cap_bytes > 0) == takes_body


def test_an_undeclared_route_stops_the_start() -> None:
    routes = router("nothing")
    with pytest.raises(Undeclared, match="/api/v1/open"):

        @routes.get("/api/v1/open")
        async def open_to_all() -> None: ...


def test_a_route_past_the_guard_stops_the_start() -> None:
    past = APIRouter()

    @past.get("/api/v1/past")
    async def past_it() -> None: ...

    with pytest.raises(Undeclared, match="/api/v1/past"):
        all_declared(past.routes)
    with pytest.raises(Undeclared):
        all_declared(FastAPI().routes)  # FastAPI's own /docs and /openapi.json


def test_a_public_route_with_a_scope_is_a_contradiction() -> None:
    with pytest.raises(Undeclared):
        declared(auth="public", scope="admin")


def _models_of(kind: Any, seen: set[Any]) -> set[Any]:
    """Every type that a model reaches by its fields."""
    if kind in seen:
        return seen
    seen.add(kind)
    for part in getattr(kind, "__args__", ()):
        _models_of(part, seen)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for field in kind.model_fields.values():
            _models_of(field.annotation, seen)
    return seen


FREE_FORM = {
    "/api/v1/openapi.json",
    "/api/v1/session/passkey/begin",
    "/api/v1/me/passkeys/begin",
    "/api/v1/users/{user_id}/export",
}
"""Answers whose shape is another standard's, or one person's whole data; tests of their own read their bytes."""
SHOWN_ONCE = {"NewKeyOut", "MyKeyMade"}
"""Client keys of ours, in the answer that makes them."""


def _answers() -> list[type[BaseModel]]:
    found = [route.response_model for route in ROUTES if route.path not in FREE_FORM and route.response_model is not None]
    assert all(isinstance(model, type) and issubclass(model, Answer) for model in found)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("model", _answers(), ids=lambda model: model.__name__)
def test_no_answer_can_hold_a_secret(model: type[BaseModel]) -> None:
    reached = _models_of(model, set())
    assert Secret not in reached
    names = {name for kind in reached if isinstance(kind, type) and issubclass(kind, BaseModel) for name in kind.model_fields}
    assert not names & {"api_key", "auth_data", "secret", "password", "last4", "masked", "digest", "envelope"}
    assert ("key" in names) == (model.__name__ in SHOWN_ONCE)
    assert "writeOnly" not in str(model.model_json_schema(mode="serialization"))


def test_the_walk_finds_a_secret_where_one_is() -> None:
    class Inner(Body):
        api_key: SecretIn

    class Outer(BaseModel):
        parts: list[Inner] | None

    assert Secret in _models_of(Outer, set())


def test_a_secret_of_a_request_cannot_be_written_or_shown() -> None:
    wish = accounts.AuthData.model_validate({"api_key": "sk-canary"})
    assert isinstance(wish.api_key, Secret)
    assert "canary" not in repr(wish)
    with pytest.raises(Exception, match="Secret"):
        wish.model_dump_json()
    with pytest.raises(ValueError) as refused:
        accounts.AccountIn.model_validate({"provider_id": "openai", "label": "x", "auth_data": "sk-canary"})
    assert "canary" not in str(refused.value)
    schema = TypeAdapter(Annotated[Secret, *SecretIn.__metadata__]).json_schema()
    assert schema["writeOnly"] is True


def test_the_document_describes_every_route() -> None:
    app = FastAPI()
    app.router.routes.extend(ROUTES)
    document = app.openapi()
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    there = {(route.path.replace(":path}", "}"), method) for route in ROUTES if route.include_in_schema for method in route.methods}
    assert there <= described
    assert "HTTPValidationError" not in document["components"]["schemas"]
    account = document["paths"]["/api/v1/accounts"]["post"]
    assert account["security"] == [{"clientKey": []}]
    assert "4XX" in account["responses"]
    assert get_type_hints(accounts.AccountOut)
