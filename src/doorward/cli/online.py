"""What the command line asks upstreams: by the relay's own transport, with its address checks."""

from __future__ import annotations

from doorward.cli.house import House
from doorward.core.clock import SystemClock
from doorward.edge.trial import Trial, Tried
from doorward.relay.catalogue import Catalogue
from doorward.upstream.credentials import Credentials
from doorward.upstream.transport import HttpTransport


async def tried(house: House, account_id: str) -> Tried:
    """Raises `NotFound`."""
    settings = house.settings
    catalogue = Catalogue(house.store, settings.refresh_s, settings.openai_base_url, settings.allow_private_upstreams)
    await catalogue.refresh()
    transport = HttpTransport()
    try:
        transports = {"https": transport, "http": transport}
        trial = Trial(catalogue.now, house.accounts, transports, Credentials(house.vault), SystemClock())
        return await trial.try_account(account_id)
    finally:
        await transport.close()
