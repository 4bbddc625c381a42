"""The doors made of FastAPI: the control plane and the apps. Imported, and built, when somebody first comes to one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from doorward import __version__
from doorward.assembly.apps import AppsRoom
from doorward.assembly.ground import Ground
from doorward.assembly.people import People
from doorward.assembly.traffic import Traffic
from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.money import nanos_of_usd
from doorward.edge.apps import AppsDoor, AppsParts
from doorward.edge.control_plane.handed import Console, Money, Road, Shell
from doorward.edge.control_plane.parts import Parts
from doorward.edge.control_plane.plane import PREFIX, control_plane
from doorward.edge.keysmith import Keysmith
from doorward.edge.peer import Peers
from doorward.edge.root import Root
from doorward.edge.signposts import Signposts
from doorward.edge.slot import Slot
from doorward.edge.trial import Trial
from doorward.ledger.estimates import Estimates
from doorward.ledger.overview import Overviews
from doorward.ledger.reports import Accounting
from doorward.ledger.treasury import Treasury
from doorward.settings import Settings
from doorward.store.budgets import BudgetRows
from doorward.store.prices import PriceOverrides
from doorward.store.tallies import Tallies
from doorward.store.user_ways import UserWays


def hang_late(
    settings: Settings,
    clock: Clock,
    ground: Ground,
    people: People,
    traffic: Traffic,
    room: AppsRoom,
    peers: Peers,
    is_draining: Callable[[], bool],
) -> Root:
    """Raises `Undeclared` for a route that does not say who may use it: then none of these doors opens."""
    parts = _parts(settings, clock, ground, people, traffic, peers, is_draining)
    apps = AppsDoor(AppsParts(room.apps, room.ask_of, parts, people.desk.site, people.vigil, settings.root_apps))
    return Root([(PREFIX, control_plane(parts, apps.described())), *apps.doors()])


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
        content_of=traffic.pipeline.content_log.reader(),
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
