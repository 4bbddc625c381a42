"""What the command line asks upstreams: by the relay's own transport, with its address checks."""

from __future__ import annotations

from doorward.cli.house import House
from doorward.core.clock import SystemClock
from doorward.edge.trial import Trial, Tried
from doorward.relay.attempt import Sender
from doorward.relay.catalogue import Catalogue
from doorward.relay.model_fetch import ModelFetch
from doorward.upstream.credentials import Credentials
from doorward.upstream.transport import HttpTransport


async def tried(house: House, account_id: str) -> Tried:
    """Raises `NotFound`."""
    settings, clock = house.settings, SystemClock()
    catalogue = Catalogue(house.store, settings.refresh_s, settings.openai_base_url, settings.allow_private_upstreams)
    transport = HttpTransport()
    try:
        sender = Sender({"https": transport, "http": transport}, Credentials(house.vault), clock)
        return await Trial(catalogue, house.accounts, ModelFetch(sender, clock), clock).try_account(account_id)
    finally:
        await transport.close()
