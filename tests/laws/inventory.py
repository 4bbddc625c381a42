"""Both route inventories of a running house: the table of `/v1`, and every FastAPI route behind every other door.

Doors are read from the house itself. One that is not known here fails the walk: what is added must say how it is entered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from doorward.app import App
from doorward.edge.adapters import AdapterDoor
from doorward.edge.client_js import ClientFiles
from doorward.edge.control_plane.declare import Guarded
from doorward.edge.data_plane import DataPlane
from doorward.edge.late import LateDoor
from doorward.edge.probes import Probes
from doorward.identity.custody import Custody
from doorward.wire.endpoints import ENDPOINTS, LATER

BARE = {
    DataPlane: "client keys only; `/v1` has a table of its own",
    AdapterDoor: "client keys, and sessions for pages; adapters are rows of the operator's file",
    Probes: "no credential: says whether the process is well, in fixed sentences",
    ClientFiles: "no credential: files of the release",
}
"""Doors that are no FastAPI app, each with who may come in."""

BARE_NAMES = {
    "Pages": "no credential: files of the release",
    "Metrics": "this machine, a port of its own, or a bearer token: no key and no user is a label",
    "MetricsDoor": "this machine, a port of its own, or a bearer token: no key and no user is a label",
    "Sockets": "client keys only: WebSockets of `/v1`",
}

_PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    guarded: Guarded

    @property
    def places(self) -> list[str]:
        return _PLACE.findall(self.template)

    def path(self, ids: dict[str, str] | None = None, default: str = "unknown-id") -> str:
        return _PLACE.sub(lambda found: (ids or {}).get(found[1], default), self.template)

    @property
    def wants_body(self) -> bool:
        return self.guarded.declaration.body_cap_bytes > 0

    def exists_in(self, custody: Custody) -> bool:
        return self.guarded.declaration.modes is None or custody in self.guarded.declaration.modes

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def doors(app: App) -> list[tuple[str, Any]]:
    """Late ones are built for it, as they are when somebody first comes."""
    late = next(door for _, door in app.asgi.doors if isinstance(door, LateDoor))
    found = [*late.now().doors, *((prefix, door) for prefix, door in app.asgi.doors if door is not late)]
    return [(prefix, getattr(door, "__self__", door)) for prefix, door in found]


def strangers(app: App) -> list[str]:
    """Doors that nobody has described."""
    return [
        f"{prefix}: {type(door).__name__}"
        for prefix, door in doors(app)
        if not isinstance(door, (FastAPI, *BARE)) and type(door).__name__ not in BARE_NAMES
    ]


def routes(app: App) -> list[Route]:
    """Every route of every FastAPI door that exists in this custody mode, once."""
    found: dict[str, Route] = {}
    for _, door in doors(app):
        if not isinstance(door, FastAPI):
            continue
        for route in door.router.routes:
            assert isinstance(route, Guarded), f"{route} is past the guard"
            for method in sorted(route.methods - {"HEAD"}):
                made = Route(method, route.path, route)
                found.setdefault(str(made), made)
    return [route for route in found.values() if route.exists_in(app.settings.custody)]


def endpoints() -> list[tuple[str, str]]:
    """(method, template) of `/v1`; families that are not covered yet by one path each."""
    listed = [(method, endpoint.template) for endpoint in ENDPOINTS for method in sorted(endpoint.methods)]
    return [*listed, *((method, f"/v1/{family}/{{object_id}}/things") for family in LATER for method in ("GET", "POST"))]


def filled(template: str, value: str = "unknown-id") -> str:
    return _PLACE.sub(value, template)
