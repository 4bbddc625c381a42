"""What an app endpoint says about itself; `edge` and `routers` mount it and hold it to its word (I13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.responses import Response

F = TypeVar("F", bound=Callable[..., Any])

SMALL_BYTES = 64 * 1024
TEXT_BYTES = 8 * 2**20
"""Bodies with a message, or with images as `data:` URLs."""
LONG_BYTES = 64 * 2**20
"""Bodies with a document or many."""
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class AppRoute:
    method: str
    path: str
    endpoint: Callable[..., Any]
    body_cap_bytes: int
    metered: bool
    rooted: bool
    admin: bool
    status: int
    changes: bool
    """It writes something that people keep: worth a row in the audit chain."""
    shows: Any = None
    """The model of what it answers, where its own annotation cannot say so because it may also stream."""
    also: str = ""
    """Another media type of its answer: of all of them, when it `shows` nothing."""

    def described(self) -> dict[str, Any]:
        """For the document: how the route is added beside path and method."""
        text = {"content": {self.also: {"schema": {"type": "string"}}}} if self.also else {}
        if self.shows is not None:
            return {"responses": {self.status: {"model": self.shows, **text}}}
        return {"responses": {self.status: text}, "response_class": _Bare} if text else {}


class _Bare(Response):
    """Of no media type, so that the document does not say JSON."""


@dataclass(slots=True)
class AppRoutes:
    """Endpoints of one noun, in order."""

    noun: str
    all: list[AppRoute] = field(default_factory=list)

    def on(
        self,
        method: str,
        path: str,
        *,
        body_cap_bytes: int = 0,
        metered: bool = False,
        rooted: bool = False,
        admin: bool = False,
        status: int = 200,
        changes: bool = False,
        shows: Any = None,
        also: str = "",
    ) -> Callable[[F], F]:
        """`rooted`: also at `/` and `/api`. `admin`: for the operator alone. `metered`: it makes calls that cost money."""

        def add(endpoint: F) -> F:
            cap = body_cap_bytes
            self.all.append(AppRoute(method, path, endpoint, cap, metered, rooted, admin, status, changes, shows, also))
            return endpoint

        return add
