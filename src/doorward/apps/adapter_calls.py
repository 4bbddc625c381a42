"""Calls through an adapter that an app makes: the rights, limits and row in the book that a program's call has.

What an agent sends was thought up by a model, perhaps led by a page it has read. So it reads with GET, and uses another
method only where the adapter's document lists its `methods`; what the document leaves open is open to programs alone.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from doorward.adapters import target
from doorward.adapters.adapter import Adapter
from doorward.adapters.watch import Adapters
from doorward.core.caller import Caller
from doorward.core.errors import BodyTooLarge, CostUnbounded, MethodNotAllowed, NotFound
from doorward.core.exchange import Exchange, Headers, header
from doorward.core.money import Nanos
from doorward.identity.custody import Custody, require_call
from doorward.ledger.entry import Entry
from doorward.relay.metering import Metering, Meterings
from doorward.relay.proxy import Call, Proxy

DOOR = "/v1/apis/http/"
_TEXT = (b"text/", b"application/json", b"application/xml", b"application/javascript", b"application/yaml")
_ALSO_TEXT = (b"+json", b"+xml", b"+yaml")


@dataclass(frozen=True, slots=True)
class Fetched:
    """`text` is what can be read of the body, `is_cut` that there was more of it."""

    status: int
    content_type: str
    text: str
    location: str = ""
    is_cut: bool = False
    nanos: Nanos | None = None
    """What it cost; `None`: not known."""
    tokens: tuple[int, int] = (0, 0)
    """In, out."""


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a call goes, checked."""

    adapter: Adapter
    target: bytes
    metering: Metering


class AdapterCalls:
    def __init__(self, adapters: Adapters, proxy: Proxy, meterings: Meterings, custody: Custody) -> None:
        self._adapters = adapters
        self._proxy = proxy
        self._meterings = meterings
        self._custody = custody

    def usable(self, caller: Caller) -> dict[str, list[str]]:
        """Name -> the methods that an agent of this caller may use there."""
        mine = (adapter for adapter in self._adapters.all() if adapter.admits(caller))
        return {adapter.name: methods for adapter in mine if (methods := methods_of(adapter))}

    def aim(self, caller: Caller, name: str, method: str, path: str, body_bytes: int, *, priced: bool = False) -> Aim:
        """`path` with its query; `priced`: only a call whose price is known, else `CostUnbounded`.

        Raises what the adapters' own door raises, and `MethodNotAllowed` by the rule above.
        """
        require_call(self._custody, caller)
        adapter = self._adapters.find(name)
        if adapter is None or not adapter.admits(caller):
            raise NotFound("There is no adapter of that name that you may use.", code="adapter_not_found")
        allowed = methods_of(adapter)
        if method not in allowed:
            raise MethodNotAllowed(f"An agent may not use {method} on this adapter. Allowed: {', '.join(allowed) or 'nothing'}.")
        if body_bytes > adapter.max_request_bytes:
            raise BodyTooLarge(f"The body is larger than {adapter.max_request_bytes:,} bytes, the most that this adapter takes.")
        before, _, query = path.encode("utf-8", "replace").partition(b"?")
        built = target.build(adapter, before if before.startswith(b"/") else b"/" + before, query)
        metering = self._meterings.of(adapter, method, built)
        if priced and metering.endpoint.bills == "unknown":
            raise CostUnbounded(f"What adapter {name} costs is not known, and this request may cost only so much.")
        return Aim(adapter, built, metering)

    async def fetch(self, aim: Aim, exchange: Exchange, caller: Caller, most_bytes: int) -> Fetched:
        """No more than `most_bytes` are read; the rest is dropped where it is."""
        held, is_cut = bytearray(), False
        entries: list[Entry] = []
        call = Call(aim.adapter, aim.target, aim.metering, exchange, entries.append)
        async with self._proxy.open(call, caller) as reply:
            async for chunk in reply.chunks:
                held += chunk
                if len(held) > most_bytes:
                    is_cut = True
                    break
        kind = header(reply.headers, b"content-type") or b""
        location = (header(reply.headers, b"location") or b"").decode("latin-1")
        text = _readable(bytes(held[:most_bytes]), kind, reply.headers)
        [entry] = entries
        used = [attempt.usage for attempt in entry.attempts if attempt.usage is not None]
        tokens = sum(usage.input_tokens for usage in used), sum(usage.output_tokens for usage in used)
        return Fetched(reply.status, kind.decode("latin-1"), text, location, is_cut, entry.cost, tokens)


def methods_of(adapter: Adapter) -> list[str]:
    """What agents may use: GET, and what the document lists."""
    return sorted(adapter.methods if adapter.lists_methods else adapter.methods & {"GET"})


def _readable(body: bytes, content_type: bytes, headers: Headers) -> str:
    kind = content_type.partition(b";")[0].strip().lower()
    if header(headers, b"content-encoding") not in (None, b"identity"):
        return "[The body is compressed, so it is not shown.]"
    if kind.startswith(_TEXT) or kind.endswith(_ALSO_TEXT):
        return body.decode("utf-8", "replace")
    if b"\x00" in body:
        return "[The body is binary, so it is not shown.]"
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(body)  # its last character may be cut in two
    except UnicodeDecodeError:
        return "[The body is binary, so it is not shown.]"
