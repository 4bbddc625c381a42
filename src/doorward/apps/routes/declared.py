"""What an app endpoint says about itself; `edge` and `routers` mount it and hold it to its word (I13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

SMALL_BYTES = 64 * 1024
TEXT_BYTES = 8 * 2**20
"""Bodies with a message, or with images as `data:` URLs."""
LONG_BYTES = 64 * 2**20
"""Bodies with a document or many."""


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
    ) -> Callable[[F], F]:
        """`rooted`: also at `/` and `/api`. `admin`: for the operator alone. `metered`: it makes calls that cost money."""

        def add(endpoint: F) -> F:
            self.all.append(AppRoute(method, path, endpoint, body_cap_bytes, metered, rooted, admin, status, changes))
            return endpoint

        return add
