"""Trying an account: its provider's list of models, asked for with its key. One call that costs nothing.

Neither the upstream's words nor its headers come back, only a status and the models' names: an
upstream may quote the key in its refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from doorward.core.clock import Clock
from doorward.core.errors import DoorwardError, NotFound
from doorward.core.exchange import Header
from doorward.providers.catalog import Catalog
from doorward.providers.provider import Account, Provider
from doorward.providers.route import Plan
from doorward.store.accounts import Accounts
from doorward.upstream.credentials import Credentials
from doorward.upstream.origin import place_of
from doorward.upstream.port import Incoming, Outgoing, Transport, TransportError

LIMIT_S = 20.0
MAX_LIST_BYTES = 4 * 2**20
_MOST_MODELS = 1000


@dataclass(frozen=True, slots=True)
class Tried:
    ok: bool
    status: int | None
    """The upstream's HTTP status; `None`: no answer came."""
    says: str
    """One sentence of ours."""
    models: Sequence[str] = ()
    took_s: float = 0.0


class _Model(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    data: list[_Model] = []


class Trial:
    """`transports` is keyed by the base URL's scheme. `try_account` is what the control plane is handed."""

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        accounts: Accounts,
        transports: Mapping[str, Transport],
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._accounts = accounts
        self._transports = transports
        self._credentials = credentials
        self._clock = clock

    async def try_account(self, account_id: str) -> Tried:
        """Raises `NotFound`. A key that works again ends the account's quarantine."""
        account = await self._accounts.get(account_id)
        if account is None:
            raise NotFound("There is no such account.")
        # The catalogue's provider, not the row: settings may replace its base URL, or let it be on a private network.
        provider = self._catalog().providers.get(account.provider_id)
        if provider is None:
            return Tried(False, None, f"Provider {account.provider_id} is inactive. Activate it first.")
        began_s = self._clock.monotonic()
        tried = await self._ask(provider, account)
        if tried.ok and account.quarantined_at is not None:
            await self._accounts.release(account_id)
        return Tried(tried.ok, tried.status, tried.says, tried.models, self._clock.monotonic() - began_s)

    async def _ask(self, provider: Provider, account: Account) -> Tried:
        try:
            place = place_of(provider)
            headers: list[Header] = [(b"accept", b"application/json")]
            await self._credentials.write(Plan(provider, account, None), headers)
            outgoing = Outgoing(place.origin, "GET", place.base_path + b"/v1/models", headers, head_s=LIMIT_S)
            answer = await self._transports[place.origin.scheme].open(outgoing)
        except TransportError as error:
            return Tried(False, None, f"{provider.id} was not reached: {error}")
        except (DoorwardError, ValueError) as error:
            return Tried(False, None, str(error))
        try:
            body = await _read(answer)
        except TransportError as error:
            return Tried(False, answer.status, f"{provider.id} broke off its answer: {error}")
        finally:
            answer.close()
        return _judged(provider, answer.status, body)


async def _read(answer: Incoming) -> bytes:
    body = bytearray()
    while len(body) <= MAX_LIST_BYTES and (piece := await answer.read(LIMIT_S)):
        body += piece
    return bytes(body)


def _judged(provider: Provider, status: int, body: bytes) -> Tried:
    if status == 401:
        return Tried(False, status, f"{provider.id} refused the key. Store a valid one.")
    if status == 403:
        return Tried(False, status, f"{provider.id} knows the key, and does not let it list models.")
    if status == 404:
        return Tried(False, status, f"{provider.id} has no list of models at its base URL. Check the base URL.")
    if status == 429:
        return Tried(False, status, f"{provider.id} asks to wait: its limit or its credit is used up.")
    if status != 200:
        return Tried(False, status, f"{provider.id} answered {status}.")
    try:
        models = [model.id for model in msgspec.json.decode(body, type=_List).data[:_MOST_MODELS]]
    except msgspec.DecodeError:
        return Tried(False, status, f"{provider.id} answered, but not with a list of models. Check the base URL.")
    return Tried(True, status, f"{provider.id} accepts the key and lists {len(models)} models.", models)
