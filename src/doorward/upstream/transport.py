"""The client that everything of ours calls out with: HTTP/1.1, one request once, over one connection.

    open -> Heads.of         the request's bytes, checked
         -> Pool.take/grow   a connection: one that rests, or a new one (resolve, check, connect, TLS)
         -> Connection.send  written in one go; a spooled body follows beside the wait
         -> Response.arrive  the head

No redirect is followed, no proxy is read from the environment, nothing is sent a second time.
Chosen by measurement: docs/decisions/002.
"""

from __future__ import annotations

from pathlib import Path

from doorward.upstream.addresses import Resolver
from doorward.upstream.dial import Dialer
from doorward.upstream.pool import Pool
from doorward.upstream.port import Incoming, Origin, Outgoing, Transport, Unreachable
from doorward.upstream.request import Heads, host_of


class HttpTransport:
    """Implements `port.Transport` for one event loop.

    `per_origin` bounds the connections to one origin (a stream holds one); those above it wait in
    order, up to their `connect_s`. `idle_s` is how long an unused connection is kept: below the 60 s
    after which common servers and balancers close theirs. `extra_ca` is a PEM file trusted besides
    the system's authorities.
    """

    def __init__(
        self, *, per_origin: int = 2000, idle_s: float = 50.0, resolve_keep_s: float = 10.0, extra_ca: Path | None = None
    ) -> None:
        self._per_origin = per_origin
        self._idle_s = idle_s
        self._dialer = Dialer(Resolver(resolve_keep_s), extra_ca)
        self._pools: dict[Origin, tuple[Pool, Heads]] = {}
        self._closed = False

    async def open(self, outgoing: Outgoing) -> Incoming:
        pool, heads = self._pools.get(outgoing.origin) or self._pool(outgoing.origin)
        head = heads.of(outgoing)
        head_only = outgoing.method == "HEAD"
        while True:
            connection = pool.take() or await pool.grow(outgoing.connect_s)
            response = connection.send(head, outgoing.body, head_only)
            if response is not None:
                break
            connection.drop()  # it had died before a byte was written: not an attempt (R10)
        del head  # it holds a credential
        if outgoing.sent is not None:
            outgoing.sent()
        return await response.arrive(outgoing)

    async def close(self) -> None:
        self._closed = True
        for pool, _ in self._pools.values():
            pool.close()

    @property
    def open_connections(self) -> int:
        """In use, resting, and being made, over all origins."""
        return sum(pool.open for pool, _ in self._pools.values())

    @property
    def resting_connections(self) -> int:
        return sum(pool.resting for pool, _ in self._pools.values())

    def _pool(self, origin: Origin) -> tuple[Pool, Heads]:
        if origin.scheme not in ("http", "https"):
            raise Unreachable(f"{origin.host}: {origin.scheme} is not a scheme that this transport speaks")
        heads = Heads(host_of(origin))
        for known, (pool, _) in tuple(self._pools.items()):
            if len(self._pools) >= 1024 and pool.open == 0:
                del self._pools[known]
        pool = Pool(origin, self._dialer, self._per_origin, self._idle_s)
        if self._closed:
            pool.close()
        self._pools[origin] = pool, heads
        return pool, heads


_: type[Transport] = HttpTransport
