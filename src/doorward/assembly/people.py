"""Who may come in: the desk, the one reader of credentials, and the watch over streams that are open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doorward.assembly.ground import Ground
from doorward.assembly.running import Running
from doorward.audit.unusual import Alarm, Unusual
from doorward.core.clock import Clock
from doorward.identity.credentials import Credentials
from doorward.identity.custody import require_startable
from doorward.identity.desk import Desk
from doorward.identity.vigil import Vigil
from doorward.relay.content_log import ContentLog
from doorward.settings import Settings
from doorward.store.key_addresses import KeyAddresses
from doorward.upstream.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class People:
    desk: Desk
    credentials: Credentials
    vigil: Vigil


def seat(settings: Settings, clock: Clock, ground: Ground, running: Running) -> People:
    """Raises `BadRequest` for a custody that must not listen where it is told to (R6)."""
    require_startable(
        settings.custody,
        settings.host,
        allow_public=settings.allow_public_anonymous,
        has_spend_cap=settings.spend_cap_usd is not None,
    )
    content_of = ContentLog(ground.store, ground.vault).reader()
    desk = Desk.of(settings, ground.store, clock, ground.transport, content_of=content_of)
    running.close_later_at_once(desk.passwords.close)
    unusual = Unusual(KeyAddresses(ground.store), desk.audit, clock, _alarm(ground.webhooks))
    running.keep(unusual.run(), "unusual uses")
    credentials = Credentials(
        ground.client_keys, desk.sessions, clock, settings.custody, keep_s=settings.key_cache_s, watcher=unusual
    )
    running.keep(credentials.run(), "last uses")
    vigil = Vigil(credentials)
    running.keep(vigil.run(), "vigil")
    return People(desk, credentials, vigil)


def _alarm(webhooks: Webhooks | None) -> Alarm | None:
    if webhooks is None:
        return None

    async def send(event: str, data: Mapping[str, Any]) -> None:
        await webhooks.send(event, dict(data))

    return send
