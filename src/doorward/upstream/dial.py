"""From an origin to a connected, verified connection, within one time limit."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from pathlib import Path

from doorward.upstream import tls
from doorward.upstream.addresses import Address, Resolver
from doorward.upstream.connection import Connection
from doorward.upstream.port import Origin, Unreachable

_NEXT_ADDRESS_S = 0.25
"""An address that has not answered by then gets company (RFC 8305's connection attempt delay)."""
_MOST_ADDRESSES = 6


class Dialer:
    """Resolves, checks, connects and shakes hands. Raises `Unreachable` only: nothing was sent yet."""

    def __init__(self, resolver: Resolver, extra_ca: Path | None) -> None:
        self._resolver = resolver
        self._extra_ca = extra_ca
        self._tls: ssl.SSLContext | None = None

    async def dial(self, origin: Origin, within_s: float, make: Callable[[socket.socket], Connection]) -> Connection:
        try:
            async with asyncio.timeout(within_s):
                return await self._dial(origin, make)
        except TimeoutError:
            self._resolver.forget(origin)
            raise Unreachable(f"{origin.host}: not connected within {within_s:g} s") from None
        except ssl.SSLError as error:
            raise Unreachable(f"{origin.host}: {_tls_reason(error)}") from None
        except OSError as error:
            self._resolver.forget(origin)
            raise Unreachable(f"{origin.host}: {error.strerror or 'the connection was refused or cut'}") from None

    async def _dial(self, origin: Origin, make: Callable[[socket.socket], Connection]) -> Connection:
        addresses = await self._resolver.addresses(origin)
        sock = await _first_to_answer(addresses[:_MOST_ADDRESSES])
        connection = make(sock)
        secure = origin.scheme == "https"
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                sock=sock,
                ssl=self._context() if secure else None,
                server_hostname=origin.host if secure else None,
            )
        except BaseException:
            connection.drop()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # reading the authorities takes tens of milliseconds: once, when first needed
            self._tls = tls.context(self._extra_ca)
        return self._tls


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    return f"TLS failed ({error.reason or 'handshake cut'})"


async def _connect(address: Address) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


async def _first_to_answer(addresses: list[Address]) -> socket.socket:
    """Try the addresses in order, the next one as soon as the last failed or was slow; the first that answers wins."""
    if len(addresses) == 1:
        return await _connect(addresses[0])
    waiting = deque(addresses)
    trying: set[asyncio.Task[socket.socket]] = set()
    last: OSError = OSError("no address")
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.create_task(_connect(waiting.popleft())))
            patience_s = _NEXT_ADDRESS_S if waiting else None
            done, _ = await asyncio.wait(trying, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                trying.discard(task)
                error = task.exception()
                if error is None:
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                last = error
        raise last
    finally:
        for task in trying:
            task.cancel()
            task.add_done_callback(_close_late)


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    """A loser that connected all the same."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
