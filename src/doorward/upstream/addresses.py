"""Which addresses may be connected to, and names resolved to them.

The check is made on the very address a socket is about to connect to, after resolution, so a
name that changes its answer between check and use (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

from doorward.upstream.port import Forbidden, Origin, Unreachable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


_NOT_PUBLIC = _networks(
    "0.0.0.0/8",  # "this host": Linux connects 0.0.0.0 to loopback
    "10.0.0.0/8",
    "100.64.0.0/10",  # carrier-grade NAT; `is_private` misses it
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::/96",  # unspecified, loopback, and IPv4-compatible addresses
    "::ffff:0:0/96",  # IPv4-mapped: the kernel connects to the IPv4 address inside
    "64:ff9b::/96",  # NAT64: a private IPv4 address may hide inside; `is_private` misses it
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",  # Teredo and other protocol assignments
    "2001:db8::/32",
    "2002::/16",  # 6to4: an IPv4 address inside
    "3fff::/20",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
)
_NEVER = _networks(
    "169.254.169.254/32",  # metadata of AWS, Google Cloud, Azure: hands out the machine's credentials
    "169.254.170.2/32",
    "169.254.170.23/32",
    "100.100.100.200/32",  # Alibaba Cloud
    "fd00:ec2::254/128",
    "fd00:ec2::23/128",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "ff00::/8",
)


def _inside(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 form carries, else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        number = int(address)
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if number >> 32 in (0x0064FF9B << 64, 0) and number > 1:
            return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return address


def refusal(text: str, allow_private: bool) -> str | None:
    """Why the numeric address `text` must not be connected to, or `None`: it may."""
    try:
        address: IPAddress = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "is not an IP address"
    for form in (address, _inside(address)):
        if any(form in network for network in _NEVER if network.version == form.version):
            return "is a metadata service or multicast address, which is never allowed"
    if allow_private:
        return None
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version) or not address.is_global:
        return "is loopback, private or reserved; an operator may allow it with --allow-private"
    return None


@dataclass(frozen=True, slots=True)
class Address:
    """What `socket.connect` takes, with the family it belongs to."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


class Resolver:
    """Names to addresses, in the system's order; an answer is kept `keep_s` seconds, a failure never."""

    def __init__(self, keep_s: float = 10.0) -> None:
        self._keep_s = keep_s
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}

    async def addresses(self, origin: Origin) -> list[Address]:
        """At least one address that may be connected to. Raises `Unreachable`, and `Forbidden` where all are refused."""
        key = (origin.host, origin.port)
        found = self._known.get(key)
        if found is None or found[0] < asyncio.get_running_loop().time():
            addresses = await self._ask(key)
        else:
            addresses = found[1]
        refusals = [refusal(str(address.sockaddr[0]), origin.allow_private) for address in addresses]
        allowed = [address for address, why in zip(addresses, refusals, strict=True) if why is None]
        if not allowed:
            if not refusals:
                raise Unreachable(f"{origin.host}: no address found")
            raise Forbidden(f"{origin.host}: its address {refusals[0]}")
        return allowed

    def forget(self, origin: Origin) -> None:
        """None of its addresses answered: ask anew next time."""
        self._known.pop((origin.host, origin.port), None)

    async def _ask(self, key: tuple[str, int]) -> list[Address]:
        task = self._asking.get(key)
        if task is None:
            # One question for all who wait; a waiter that is cancelled must not take it from the others.
            task = self._asking[key] = asyncio.create_task(self._look_up(key))
            task.add_done_callback(lambda done: (self._asking.pop(key, None), done.cancelled() or done.exception()))
        return await asyncio.shield(task)

    async def _look_up(self, key: tuple[str, int]) -> list[Address]:
        host, port = key
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"{host}: name not found ({error})") from None
        # Rows of a family this machine cannot speak carry (int, bytes); they are not addresses.
        addresses = [Address(family, sockaddr) for family, _, _, _, sockaddr in rows if isinstance(sockaddr[0], str)]
        if len(self._known) >= 1024:
            self._known.clear()
        self._known[key] = (loop.time() + self._keep_s, addresses)
        return addresses
