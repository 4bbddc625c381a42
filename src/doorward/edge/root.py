"""Which front door a path belongs to: one visible list, longest prefix first; anything else is a 404 in shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from doorward.core.errors import NotFound
from doorward.wire import envelope

_NEAR = 3
"""By so many characters the list is cut into short ones: every call of `/v1` would pass all of it."""

ASGI = Callable[[Any, Any, Any], Awaitable[None]]


class Root:
    """`doors`: (path prefix, ASGI app). A door may hold a path exactly or everything below it."""

    def __init__(self, doors: Sequence[tuple[str, ASGI]]) -> None:
        self.doors = tuple(sorted(doors, key=lambda door: -len(door[0])))
        """The longest prefix first."""
        near: dict[str, list[tuple[str, ASGI]]] = {prefix[:_NEAR]: [] for prefix, _ in self.doors if len(prefix) >= _NEAR}
        for prefix, door in self.doors:
            for start, found in near.items():
                if start.startswith(prefix) or prefix.startswith(start):
                    found.append((prefix, door))
        self._near = {start: tuple(found) for start, found in near.items()}
        self._elsewhere = tuple(door for door in self.doors if len(door[0]) < _NEAR)

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        path: str = scope["path"]
        for prefix, app in self._near.get(path[:_NEAR], self._elsewhere):
            if path.startswith(prefix):
                await app(scope, receive, send)
                return
        await self._nothing_here(scope, send)

    async def _nothing_here(self, scope: Mapping[str, Any], send: Any) -> None:
        error = NotFound("There is nothing at this path. The API is at /v1, the control plane at /api/v1.", code="unknown_url")
        headers = envelope.headers(error, scope["doorward.request_id"])
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": envelope.body(error), "more_body": False})
