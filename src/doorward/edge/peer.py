"""The client's address: the socket's, or what a trusted proxy says of it."""

from __future__ import annotations

import ipaddress

from doorward.core.exchange import Headers, header

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Peers:
    """`trusted`: comma-separated addresses or networks. A malformed one raises `ValueError` at start."""

    def __init__(self, trusted: str) -> None:
        self._trusted: tuple[Network, ...] = tuple(
            ipaddress.ip_network(item.strip(), strict=False) for item in trusted.split(",") if item.strip()
        )

    def address(self, client: tuple[str, int] | None, headers: Headers) -> str:
        """Reads X-Forwarded-For from the right, past trusted proxies only: what stands left of them is anybody's word."""
        nearest = client[0] if client else ""
        if not self._trusted or not self._is_trusted(nearest):
            return nearest
        forwarded = header(headers, b"x-forwarded-for")
        if forwarded is None:
            return nearest
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            nearest = hop.strip()
            if not self._is_trusted(nearest):
                break
        return nearest[:64]

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)
