"""The composition root: one process of Doorward, from the ground floor to the front doors, and how it serves and stops."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from doorward.assembly.apps import AppsRoom, open_apps
from doorward.assembly.doors import hang
from doorward.assembly.ground import Ground, lay
from doorward.assembly.people import People, seat
from doorward.assembly.running import Running
from doorward.assembly.traffic import Traffic, open_road
from doorward.core.caller import OPERATOR
from doorward.core.clock import SystemClock
from doorward.edge.declared_apart import look_apart
from doorward.edge.protocol_head import Limits
from doorward.edge.root import Root
from doorward.edge.server import serve
from doorward.identity.custody import POLICIES, unreachable
from doorward.providers.catalog import OPENAI
from doorward.settings import Settings
from doorward.store.made_apart import make_apart
from doorward.telemetry.logs import configure as configure_logs
from doorward.vault.no_dumps import forbid_dumps


@dataclass(frozen=True, slots=True)
class Facts:
    """What the first start tells people."""

    master_key_created: bool
    master_key_path: Path | None
    openai_from_env: bool
    openai_configured: bool
    resting_keys: str | None
    """One sentence about stored keys that this custody mode will not use."""
    setup_token: str | None
    """Of the one-time link; `None`: there is an admin, or no sign-in at all. Never logged."""


class App:
    """`start` builds the rooms from the ground up; `stop` leaves them in the other order."""

    ground: Ground
    people: People
    traffic: Traffic
    apps: AppsRoom
    asgi: Root
    facts: Facts

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.start_id = secrets.token_hex(8)
        self.is_draining = False
        self._running = Running()

    async def start(self) -> None:
        """Raises `DoorwardError`s that say what to do; then nothing is left running."""
        settings, clock, running = self.settings, self.clock, self._running
        try:
            self.ground = await lay(settings, clock, running)
            self.people = seat(settings, clock, self.ground, running)
            self.traffic = await open_road(settings, clock, self.start_id, self.ground, running)
            self.apps = open_apps(settings, clock, self.ground, self.traffic, running)
            self.apps.work(settings, clock, self.ground, self.people.credentials, running)
            self.asgi = hang(settings, clock, self.ground, self.people, self.traffic, self.apps, lambda: self.is_draining)
            self.facts = await self._facts()
        except BaseException:
            await running.stop()
            raise

    async def _facts(self) -> Facts:
        settings, catalog = self.settings, self.ground.catalogue.now()
        made = self.ground.master_key_made
        return Facts(
            master_key_created=made is not None,
            master_key_path=made,
            openai_from_env=settings.openai_api_key is not None,
            openai_configured=bool(catalog.usable_accounts(OPENAI, frozenset({OPERATOR}))),
            resting_keys=unreachable(settings.custody, [a.owner for a in catalog.accounts.values() if a.key_set_at]),
            setup_token=await self.people.desk.first_run.renew() if POLICIES[settings.custody].login else None,
        )

    def listens_on(self, port: int, *, is_https: bool) -> None:
        """What was really bound: links, cookies and passkeys go by it."""
        self.people.desk.site.listens_on(port, is_https=is_https)

    def drain(self) -> None:
        """No more new calls are wanted: `/readyz` says so, and pages that watch live are let go."""
        self.is_draining = True

    async def stop(self) -> None:
        self.is_draining = True
        await self._running.stop()


def create(settings: Settings) -> App:
    return App(settings)


def run(settings: Settings, tls_cert: Path | None, tls_key: Path | None, on_ready: Callable[[App, int], None]) -> None:
    """Serve until SIGTERM or Ctrl+C. `on_ready` is told the app and the port that was bound.

    Raises what the rooms raise at start, and `CannotListen` for the address.
    """
    import uvloop

    forbid_dumps()
    configure_logs(settings.log_level)
    declared = look_apart()
    make_apart(settings.url)
    uvloop.run(_serve(settings, tls_cert, tls_key, on_ready, declared))


async def _serve(
    settings: Settings,
    tls_cert: Path | None,
    tls_key: Path | None,
    on_ready: Callable[[App, int], None],
    declared: Callable[[], Awaitable[None]],
) -> None:
    app = App(settings)
    await app.start()

    def ready(_host: str, port: int) -> None:
        app.listens_on(port, is_https=tls_cert is not None)
        on_ready(app, port)

    try:
        await declared()
        await serve(
            app.asgi,
            host=settings.host,
            port=settings.port,
            tls_cert=tls_cert,
            tls_key=tls_key,
            limits=Limits(
                max_head_bytes=settings.max_head_bytes,
                max_head_fields=settings.max_head_fields,
                head_timeout_s=settings.head_timeout_s,
                body_stall_s=settings.body_stall_s,
                slow_reader_s=settings.slow_reader_s,
                keep_alive_s=settings.keep_alive_s,
            ),
            drain_s=settings.drain_s,
            on_ready=ready,
            on_stop=app.drain,
            lifespan="off",
        )
    finally:
        await app.stop()
