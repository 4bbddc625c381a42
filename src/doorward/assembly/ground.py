"""The ground floors: database, vault, the snapshot of what is upstream, and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from doorward.assembly.running import Running
from doorward.core.caller import OPERATOR
from doorward.core.clock import Clock
from doorward.core.secret import Secret
from doorward.edge.custodian import Custodian
from doorward.providers.catalog import OPENAI
from doorward.relay.catalogue import Catalogue
from doorward.settings import Settings
from doorward.simulator.app import Simulator
from doorward.simulator.faults import Behaviour
from doorward.simulator.in_process import SimulatorTransport
from doorward.store.accounts import Accounts
from doorward.store.client_keys import ClientKeys
from doorward.store.engine import Store
from doorward.store.providers import Providers
from doorward.upstream.port import Lost, Silent, Stage, Transport
from doorward.upstream.transport import HttpTransport
from doorward.upstream.webhooks import Webhooks
from doorward.vault.opening import open_vault
from doorward.vault.vault import Vault

ENV_LABEL = "env"
"""The account that a key in the environment becomes (R54)."""


@dataclass(frozen=True, slots=True)
class Ground:
    store: Store
    vault: Vault
    master_key_made: Path | None
    """Its file, if it was made just now."""
    providers: Providers
    accounts: Accounts
    client_keys: ClientKeys
    custodian: Custodian
    catalogue: Catalogue
    transport: HttpTransport
    transports: dict[str, Transport]
    """By the base URL's scheme."""
    webhooks: Webhooks | None


async def lay(settings: Settings, clock: Clock, running: Running) -> Ground:
    """Raises `StoreError` and `VaultError`, which say what to do."""
    store = await Store.open(settings.url)
    running.close_later(store.close)
    value = settings.master_key
    vault, made = await open_vault(
        store,
        value=Secret(value.get_secret_value()) if value is not None else None,
        file=settings.master_key_file,
        data_dir=settings.data_dir,
        clock=clock,
        cache_s=settings.key_cache_s,
    )
    providers, accounts = Providers(store), Accounts(store)
    custodian = Custodian(store, providers, accounts, vault.deposit(), settings.openai_base_url)
    await _accounts_from_environment(settings, custodian, accounts)
    catalogue = Catalogue(store, settings.refresh_s, settings.openai_base_url, settings.allow_private_upstreams)
    await catalogue.start()
    running.close_later(catalogue.stop)
    transport = HttpTransport()
    running.close_later(transport.close)
    simulator = SimulatorTransport(Simulator(Behaviour(any_model=False)), _lost, _silent)
    return Ground(
        store,
        vault,
        made,
        providers,
        accounts,
        ClientKeys(store),
        custodian,
        catalogue,
        transport,
        {"https": transport, "http": transport, "simulator": simulator},
        _webhooks(settings, transport, clock),
    )


async def _accounts_from_environment(settings: Settings, custodian: Custodian, accounts: Accounts) -> None:
    """`OPENAI_API_KEY` and `ANTHROPIC_API_KEY` become the operator's accounts `env`; a new value replaces the old."""
    for provider_id, key in ((OPENAI, settings.openai_api_key), ("anthropic", settings.anthropic_api_key)):
        if key is None:
            continue
        secret = Secret(key.get_secret_value())
        known = [account.id for account in await accounts.of_owner(OPERATOR, provider_id) if account.label == ENV_LABEL]
        organization = settings.openai_org_id if provider_id == OPENAI else None
        if known:
            await custodian.replace_key(known[0], secret, {"organization": organization})
        else:
            await custodian.take_in(provider_id, ENV_LABEL, secret, {"organization": organization})


def _webhooks(settings: Settings, transport: Transport, clock: Clock) -> Webhooks | None:
    if settings.alert_webhook_url is None:
        return None
    secret = Secret(settings.alert_webhook_secret.get_secret_value() if settings.alert_webhook_secret else "")
    return Webhooks(transport, settings.alert_webhook_url, secret, clock, allow_private=settings.allow_private_upstreams)


def _lost(message: str, stage: int) -> Exception:
    return Lost(message, Stage(stage))


def _silent(message: str, stage: int) -> Exception:
    return Silent(message, Stage(stage))
