"""What the control plane is handed. There is no vault among it: keys go in through the custodian, and nothing brings one out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from doorward.core.clock import Clock
from doorward.edge.control_plane.handed import Console, Money, Road, Shell
from doorward.edge.custodian import Custodian
from doorward.edge.keysmith import Keysmith
from doorward.edge.peer import Peers
from doorward.edge.slot import Slot
from doorward.edge.trial import Tried
from doorward.identity.credentials import Credentials
from doorward.identity.desk import Desk
from doorward.ledger.reports import Accounting
from doorward.relay.content_log import ContentOf
from doorward.store.accounts import Accounts
from doorward.store.client_keys import ClientKeys
from doorward.store.providers import Providers


@dataclass(frozen=True, slots=True)
class Parts:
    providers: Providers
    accounts: Accounts
    client_keys: ClientKeys
    custodian: Custodian
    keysmith: Keysmith
    credentials: Credentials
    peers: Peers
    clock: Clock
    changed: Callable[[], Awaitable[None]]
    """Providers or accounts are other than before: once this returns, the relay's next call goes by them (R9)."""
    try_account: Callable[[str], Awaitable[Tried]]
    """Account id -> what its key can do now. Goes out through the relay's own transport."""
    version: str
    allow_private: bool = False
    """Settings let every provider be on a private network."""
    desk: Desk | None = None
    """Users, sessions and the audit chain; `None`: client keys alone, as in tests of other nouns."""
    slot: Slot | None = None
    """Where the key of `/api/v1/openai-key` and `/api/v1/me/openai-key` goes in."""
    accounting: Accounting | None = None
    """The book; `None`: this Doorward shows none, as in tests of other nouns."""
    content_of: ContentOf | None = None
    """What a call said, where its key keeps that; `None`: nothing is kept, as in tests of other nouns."""
    money: Money | None = None
    """Budgets, prices, estimates; `None`: this Doorward keeps none, as in tests of other nouns."""
    shell: Shell | None = None
    """What the pages ask first; `None`: there are none, as in tests of other nouns."""
    road: Road | None = None
    """Routes, limits, health of upstreams; `None`: this Doorward relays nothing, as in tests of other nouns."""
    console: Console | None = None
    """Figures and states for the console; `None`: this Doorward shows none, as in tests of other nouns."""
