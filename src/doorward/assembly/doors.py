"""The front doors: which path leads where."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from doorward.assembly.apps import AppsRoom
from doorward.assembly.ground import Ground
from doorward.assembly.people import People
from doorward.assembly.telemetry import metrics_door
from doorward.assembly.traffic import Traffic
from doorward.core.clock import Clock
from doorward.core.errors import Unavailable
from doorward.edge.adapters import PAGE_DOOR, PROGRAM_DOOR, AdapterDoor
from doorward.edge.client_js import ClientFiles
from doorward.edge.data_plane import DataPlane
from doorward.edge.doorway import BodyLimits, Doorway
from doorward.edge.late import LateDoor
from doorward.edge.pages import Pages
from doorward.edge.peer import Peers
from doorward.edge.probes import Check, Probes
from doorward.edge.root import Root
from doorward.relay.metering import Meterings
from doorward.settings import Settings

LATE = ("/api/v1", "/apps/")
ROOTED = tuple(
    root + path
    for root in ("", "/api")
    for path in ("/agent", "/chat", "/chat-stream", "/chat/stream", "/classify", "/search", "/summarize")
)
"""The apps' paths at `/` and `/api`. Said here again, because the apps are not imported yet; a test compares."""


def hang(
    settings: Settings,
    clock: Clock,
    ground: Ground,
    people: People,
    traffic: Traffic,
    room: AppsRoom,
    is_draining: Callable[[], bool],
) -> Root:
    peers = Peers(settings.trusted_proxies)
    bodies = BodyLimits(settings.max_json_bytes, settings.max_file_bytes, settings.spool_bytes, settings.data_dir / "spool")
    doorway = Doorway(people.credentials, people.vigil, peers, people.desk.site, settings.custody, bodies, clock)
    data_plane = DataPlane(traffic.pipeline, doorway)
    adapters = AdapterDoor(traffic.adapters, traffic.proxy, Meterings(ground.catalogue.now), doorway)
    probes = Probes(_checks(ground), is_draining, notes=lambda: _notes(traffic))

    def hang_late() -> Root:
        from doorward.assembly.late_doors import hang_late

        return hang_late(settings, clock, ground, people, traffic, room, peers, is_draining)

    late = LateDoor(hang_late)
    metrics = metrics_door(settings, traffic.telemetry)
    return Root(
        [
            ("/v1/", data_plane),
            (PROGRAM_DOOR, adapters),
            (PAGE_DOOR, adapters),
            *((prefix, late) for prefix in (*LATE, *(ROOTED if settings.root_apps else ()))),
            ("/client.", ClientFiles()),
            ("/healthz", probes),
            ("/readyz", probes),
            *([("/metrics", metrics)] if metrics is not None else []),
            ("/", Pages()),
        ]
    )


def _checks(ground: Ground) -> Mapping[str, Check]:
    async def database() -> None:
        async with ground.store.reading() as connection:
            await ground.store.now_s(connection)

    async def catalogue() -> None:
        if not ground.catalogue.loaded:
            raise Unavailable("The catalogue is not loaded.")

    return {"database": database, "catalogue": catalogue}


def _notes(traffic: Traffic) -> dict[str, str]:
    if not traffic.adapters.problems:
        return {}
    return {"config": "the file was changed and has errors; what was read before is in force; the log has the lines"}
