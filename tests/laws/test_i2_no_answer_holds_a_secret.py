"""I2: no schema of an answer can hold a secret. The whole route inventory is walked, type by type."""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from tests.laws.inventory import Route, routes
from tests.laws.people import town

import doorward
from doorward.core.secret import Secret
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.fields import SecretIn
from doorward.routers import apps as mounted_apps
from doorward.routers import openai_admin, openai_anonymous, openai_per_user

SUSPECT = re.compile(
    r"secret|password|api_?key|auth_data|token$|credential|cipher|envelope|digest|^key$|_key$|masked|last_?4|hint", re.I
)

SHOWN_ONCE = {
    "NewKeyOut.key": "a client key of ours, in the answer that made it (R14)",
    "MyKeyMade.key": "a client key of ours, in the answer that made it (R14)",
}
"""Fields whose name looks like a secret, with the reason why they are none of an upstream's. There are no others."""

UNTYPED = {
    "GET /api/v1/openapi.json": "the document",
    "POST /api/v1/session/passkey/begin": "WebAuthn's own options: a challenge and public ids",
    "POST /api/v1/me/passkeys/begin": "WebAuthn's own options: a challenge and public ids",
    "GET /api/v1/calls/export": "the columns of CallOut, as CSV or JSON lines",
    "GET /api/v1/users/{user_id}/export": "columns by name (identity.erasure), searched for keys by I1",
}
"""Routes whose answer has no closed schema. There are no others but empty answers, redirects and streams."""


def parts(kind: Any, seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """(Model.field, type) of everything that a value of this type can hold."""
    seen = set() if seen is None else seen
    if id(kind) in seen:
        return
    seen.add(id(kind))
    for inner in typing.get_args(kind):
        yield from parts(inner, seen)
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        for name, field in kind.model_fields.items():
            yield f"{kind.__name__}.{name}", field.annotation
            for extra in field.metadata:
                yield f"{kind.__name__}.{name}", extra
            yield from parts(field.annotation, seen)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            yield f"{kind.__name__}.{field.name}", field.type
            yield from parts(field.type, seen)


def holds_secret(kind: Any) -> bool:
    whole = [kind, *typing.get_args(kind)]
    return any(inner in (Secret, pydantic.SecretStr, pydantic.SecretBytes, bytes) for inner in whole if isinstance(inner, type))


def faults(name: str, model: Any) -> list[str]:
    found = [f"{name} is a secret itself"] if holds_secret(model) else []
    for place, kind in parts(model):
        field = place.rpartition(".")[2]
        if holds_secret(kind) or type(kind).__name__ == "_AsSecret":
            found.append(f"{name}: {place} is a secret")
        elif SUSPECT.search(field) and place not in SHOWN_ONCE and kind not in (bool, "bool") and not _harmless(kind):
            found.append(f"{name}: {place} has the name of one")
    return found


def _harmless(kind: Any) -> bool:
    """A truth value, a time or a number cannot carry a key."""
    inner = [part for part in (typing.get_args(kind) or (kind,)) if part is not type(None)]
    return all(isinstance(part, type) and issubclass(part, (bool, int, float)) for part in inner)


def answers(route: Route) -> list[Any]:
    models = [route.guarded.response_model, *(field.field_info.annotation for field in route.guarded.response_fields.values())]
    return [model for model in models if model is not None]


def is_open(route: Route) -> bool:
    """Its answer is typed as anything at all."""
    model = route.guarded.response_model
    return model is None or typing.get_origin(model) is dict or model in (dict, Any)


@pytest.mark.parametrize("custody", ["per_user", "admin"])
async def test_no_answer_of_any_route_can_hold_one(tmp_path: Path, custody: str) -> None:
    async with town(tmp_path, custody=custody) as them:
        found = routes(them.house.app)
        document = (await them.nobody.get("/api/v1/openapi.json")).json()
    assert len(found) > 60
    assert [fault for route in found for model in answers(route) for fault in faults(str(route), model)] == []
    closed = {str(route) for route in found if is_open(route) and not _is_bare(route)}
    assert closed <= set(UNTYPED), closed - set(UNTYPED)
    # the document says the same: what is written only stands in no answer
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            for status, answer in said.get("responses", {}).items():
                leaked = sorted(_written_only(answer, document))
                assert leaked == [], (path, method, status, leaked)


def someone() -> str:
    return "ann"


def test_routers_for_other_apps_hold_none_either() -> None:
    """Everything that an app of somebody else's mounts, before any server runs."""
    mounted = (
        openai_per_user(current_user=someone, spend_cap_usd=1),
        openai_admin(current_user=someone, is_admin=bool, spend_cap_usd=1),
        openai_anonymous(spend_cap_usd=1),
        mounted_apps(current_user=someone, spend_cap_usd=1),
    )
    found = [route for router_ in mounted for route in router_.routes if isinstance(route, APIRoute)]
    assert len(found) > 20, "the walk found too little to mean anything"
    models = [(route.path, route.response_model) for route in found if route.response_model is not None]
    assert [fault for path, model in models for fault in faults(path, model)] == []
    keys = [route for route in found if route.path.endswith("openai-key") and "GET" in route.methods]
    # without a model: another mode's endpoint, which is a 404
    assert {route.response_model.__name__ for route in keys if route.response_model is not None} == {"Configured"}


def _is_bare(route: Route) -> bool:
    """Nothing, a redirect, or an app's answer: apps have no secret in reach (`test_apps_have_no_secret_in_reach`)."""
    return route.guarded.status_code in (204, 303) or route.guarded.endpoint.__module__.startswith("doorward.apps.")


def test_apps_have_no_secret_in_reach() -> None:
    """They import neither the vault nor `Secret` but where the operator's own tools and webhooks are signed."""
    source = Path(doorward.__file__).parent / "apps" / "routes"
    for path in source.rglob("*.py"):
        imported = [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        assert not [module for module in imported if module and module.startswith(("doorward.vault", "doorward.core.secret"))], path


def _written_only(schema: Any, document: Any, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    if isinstance(schema, dict):
        if schema.get("writeOnly") or schema.get("format") == "password":
            yield str(schema.get("title", "?"))
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in seen:
            yield from _written_only(document["components"]["schemas"][name], document, seen | {name})
        for value in schema.values():
            yield from _written_only(value, document, seen)
    elif isinstance(schema, list):
        for value in schema:
            yield from _written_only(value, document, seen)


def test_canary_each_kind_of_leak_is_seen() -> None:
    class Inner(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        it: Secret

    class Nested(pydantic.BaseModel):
        rows: list[dict[str, Inner]]

    class Text(pydantic.BaseModel):
        api_key: str | None

    class Masked(pydantic.BaseModel):
        last4: str

    class Strict(pydantic.BaseModel):
        anything: pydantic.SecretStr

    for leak in (Inner, Nested, Text, Masked, Strict, Secret, list[Nested]):
        assert faults("GET /leak", leak), leak

    class Fine(pydantic.BaseModel):
        configured: bool
        key_set_at: float | None
        tokens: int

    assert faults("GET /fine", Fine) == []


def test_canary_a_route_that_answers_with_a_secret_does_not_even_serve() -> None:
    from fastapi import FastAPI

    class Leak(pydantic.BaseModel):
        value: SecretIn

    api = router("leak")

    @api.get("/leak")
    @declared(auth="public")
    async def leak() -> Leak:
        return Leak(value="sk-canary")  # type: ignore[arg-type]

    app = FastAPI()
    app.state.parts = type("Parts", (), {"desk": None})()
    app.router.routes.extend(api.routes)
    answer = TestClient(app, raise_server_exceptions=False).get("/leak")
    assert answer.status_code == 500
    assert "sk-canary" not in answer.text
