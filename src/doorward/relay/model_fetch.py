"""Asking an upstream which models it has: for `/v1/models`, and to try an account's key without being billed."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from doorward.core.clock import Clock
from doorward.core.errors import UpstreamFailed
from doorward.core.exchange import EMPTY, Asks, Exchange
from doorward.ledger.entry import Attempt
from doorward.providers.provider import Account, Provider
from doorward.providers.route import Plan, TimeLimits
from doorward.relay.attempt import Sender
from doorward.relay.models import Listed, Model
from doorward.upstream.port import TransportError
from doorward.wire.endpoints import match

_LIMITS = TimeLimits(connect_s=5.0, first_event_streamed_s=10.0, first_event_whole_s=10.0, idle_s=10.0, total_s=30.0)
_MOST_BYTES = 8 * 2**20
"""Of a list of models; aggregators' are about 1 MiB."""


class ModelFetch:
    def __init__(self, sender: Sender, clock: Clock) -> None:
        self._sender = sender
        self._clock = clock

    async def models(self, provider: Provider, account: Account | None) -> list[Model]:
        """Raises `UpstreamFailed` or the transport's errors."""
        status, body = await self._get(provider, account)
        if status != 200:
            raise UpstreamFailed(f"{provider.id} answered {status} when asked for its models.")
        return msgspec.json.decode(body, type=Listed).data

    @staticmethod
    def known(provider: Provider) -> Iterable[str]:
        """Models known without asking: the exact ids of the provider's row."""
        return [pattern for pattern in provider.supported_models if not pattern.endswith("*")]

    async def _get(self, provider: Provider, account: Account | None) -> tuple[int, bytes]:
        now = self._clock.monotonic()
        exchange = Exchange("req_models", "GET", "/v1/models", b"", (), EMPTY, Asks(), "", now)
        endpoint = match("GET", "/v1/models").endpoint
        assert endpoint is not None
        attempt = Attempt(1, provider.id, account.id if account else None, None, now)
        incoming = await self._sender.send(Plan(provider, account, None), exchange, endpoint, _LIMITS, attempt)
        try:
            held = bytearray()
            while piece := await incoming.read(_LIMITS.idle_s):
                held += piece
                if len(held) > _MOST_BYTES:
                    raise UpstreamFailed(f"{provider.id} sent a list of models over {_MOST_BYTES:,} bytes.")
            return incoming.status, bytes(held)
        finally:
            incoming.close()

    async def try_account(self, provider: Provider, account: Account) -> tuple[int | None, str, list[str]]:
        """What a key can do now -> (status, one sentence of ours, model ids). Never billed, never quotes the upstream."""
        try:
            status, body = await self._get(provider, account)
        except TransportError as cause:
            return None, f"{provider.name} could not be reached: {cause}.", []
        if status == 200:
            try:
                models = [model.id for model in msgspec.json.decode(body, type=Listed).data]
            except msgspec.DecodeError:
                return status, f"{provider.name} answered, but not with a list of models. Check the base URL.", []
            return status, f"Works: {len(models)} models.", models
        if status == 401:
            return status, f"{provider.name} refused this key (401). Check it there, then set it again.", []
        return status, f"{provider.name} answered {status}. The key was neither accepted nor refused.", []
