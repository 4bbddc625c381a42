"""The front doors: which path leads where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from doorward import __version__
from doorward.assembly.apps import AppsRoom
from doorward.assembly.ground import Ground
from doorward.assembly.people import People
from doorward.assembly.telemetry import metrics_door
from doorward.assembly.traffic import Traffic
from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.errors import Unavailable
from doorward.core.money import nanos_of_usd
from doorward.edge.adapters import PAGE_DOOR, PROGRAM_DOOR, AdapterDoor
from doorward.edge.apps import AppsDoor, AppsParts
from doorward.edge.client_js import ClientFiles
from doorward.edge.control_plane.console import Console
from doorward.edge.control_plane.money import Money
from doorward.edge.control_plane.parts import Parts
from doorward.edge.control_plane.plane import control_plane
from doorward.edge.control_plane.road import Road
from doorward.edge.control_plane.shell import Shell
from doorward.edge.data_plane import BodyLimits, DataPlane
from doorward.edge.keysmith import Keysmith
from doorward.edge.pages import Pages
from doorward.edge.peer import Peers
from doorward.edge.probes import Check, Probes
from doorward.edge.root import Root
from doorward.edge.signposts import Signposts
from doorward.edge.slot import Slot
from doorward.edge.trial import Trial
from doorward.ledger.estimates import Estimates
from doorward.ledger.overview import Overviews
from doorward.ledger.reports import Accounting
from doorward.ledger.treasury import Treasury
from doorward.relay.metering import Meterings
from doorward.settings import Settings
from doorward.store.budgets import BudgetRows
from doorward.store.prices import PriceOverrides
from doorward.store.tallies import Tallies
from doorward.store.user_ways import UserWays


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
    site = people.desk.site
    data_plane = DataPlane(traffic.pipeline, people.credentials, people.vigil, peers, site, settings.custody, bodies, clock)
    meterings = Meterings(ground.catalogue.now)
    adapters = AdapterDoor(
        traffic.adapters, traffic.proxy, meterings, people.credentials, people.vigil, peers, site, settings.custody, bodies, clock
    )
    probes = Probes(_checks(ground), is_draining, notes=lambda: _notes(traffic))
    parts = _parts(settings, clock, ground, people, traffic, peers, is_draining)
    apps = AppsDoor(AppsParts(room.apps, room.ask_of, parts, site, people.vigil, settings.root_apps))
    metrics = metrics_door(settings, traffic.telemetry)
    return Root(
        [
            ("/v1/", data_plane),
            (PROGRAM_DOOR, adapters),
            (PAGE_DOOR, adapters),
            ("/api/v1", control_plane(parts)),
            ("/client.", ClientFiles()),
            *apps.doors(),
            ("/healthz", probes),
            ("/readyz", probes),
            *([("/metrics", metrics)] if metrics is not None else []),
            ("/", Pages()),
        ]
    )


def _parts(
    settings: Settings,
    clock: Clock,
    ground: Ground,
    people: People,
    traffic: Traffic,
    peers: Peers,
    is_draining: Callable[[], bool],
) -> Parts:
    cap = settings.spend_cap_usd
    fixed = None if cap is None else nanos_of_usd(cap)
    treasury = Treasury(BudgetRows(ground.store), PriceOverrides(ground.store), clock, fixed_nanos=fixed)
    deposit = ground.vault.deposit()
    return Parts(
        providers=ground.providers,
        accounts=ground.accounts,
        client_keys=ground.client_keys,
        custodian=ground.custodian,
        keysmith=Keysmith(ground.store, ground.client_keys),
        credentials=people.credentials,
        peers=peers,
        clock=clock,
        changed=ground.catalogue.changed,
        try_account=Trial(ground.catalogue, ground.accounts, traffic.fetch, clock).try_account,
        version=__version__,
        accounting=Accounting.over(ground.store),
        money=Money(treasury, traffic.budgets, Estimates(traffic.budgets, treasury, traffic.pipeline.route)),
        allow_private=settings.allow_private_upstreams,
        desk=people.desk,
        slot=Slot(ground.store, ground.custodian, ground.accounts, deposit, people.desk.audit),
        road=Road(
            Signposts(ground.store, settings.total_s), traffic.health, traffic.pipeline.route, traffic.pipeline.response_cache.drop
        ),
        console=Console(
            Overviews(ground.store), Tallies(ground.store), traffic.health, traffic.adapters, UserWays(ground.store), is_draining
        ),
        shell=Shell(settings.default_model, partial(_models, ground, traffic)),
    )


async def _models(ground: Ground, traffic: Traffic, caller: Caller) -> list[tuple[str, str]]:
    catalog, listed = ground.catalogue.now(), await traffic.pipeline.models.usable(caller)
    places = [(model.id, catalog.find(model.id, caller.draws_on)) for model in listed]
    return [(model, place[0].id) for model, place in places if place is not None]


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
