"""`/api/v1/openapi.json` describes every app endpoint, with what goes in and what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.apps.desk import desk

from doorward.apps.routes.every import APPS, ONE_SHOT

LISTED = [
    *(("/apps" + route.path, route) for noun in APPS for route in noun.all),
    *(("/api/v1" + route.path, route) for route in ONE_SHOT.all),
]


def held(schema: dict[str, Any], document: dict[str, Any]) -> bool:
    """It says something, and every name that it refers to is there."""
    for inner in schema.get("anyOf") or schema.get("oneOf") or [schema]:
        named = inner.get("$ref", "").removeprefix("#/components/schemas/")
        if not (named and named in document["components"]["schemas"]) and not inner.get("type"):
            return False
    return True


async def test_the_document_describes_every_app_endpoint(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        document = (await here.http.get("/api/v1/openapi.json")).json()
    for path, route in LISTED:
        said = document["paths"][path][route.method.lower()]
        name = f"{route.method} {path}"
        assert said["summary"], name
        assert said["security"] == [{"clientKey": []}], name
        assert {"4XX", "5XX"} <= set(said["responses"]), name
        content = said["responses"][str(route.status)]["content"]
        assert content, name
        assert all(held(one["schema"], document) for one in content.values()), (name, content)
        assert not route.also or route.also in content, name
        if route.body_cap_bytes:
            body = said["requestBody"]["content"]["application/json"]["schema"]
            assert held(body, document), name
    streamed = document["paths"]["/apps/chat/stream"]["post"]["responses"]["200"]["content"]
    assert list(streamed) == ["text/event-stream"]
    assert "/chat" not in document["paths"], "the same endpoints at the root are not said twice"
    assert "/api/v1/accounts" in document["paths"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))
