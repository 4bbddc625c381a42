"""Which addresses a base URL can make us connect to (threats.md, SSRF)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.answers import json_answer
from tests.scripted import ScriptedUpstream
from tests.upstream.conftest import Client

from doorward.core.exchange import EMPTY
from doorward.upstream.addresses import Resolver, refusal
from doorward.upstream.port import Origin, Outgoing, Unreachable

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "::1",
    "::",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::",
    "2001::1",
    "2001:db8::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
]
NEVER = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "169.254.170.2",
    "100.100.100.200",
    "fd00:ec2::254",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "255.255.255.255",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "104.18.7.192",
    "172.15.0.1",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "2606:4700::6812:7c0",
    "2a00:1450::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_only_where_allowed(address: str) -> None:
    assert refusal(address, allow_private=False)
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_metadata_and_multicast_never(address: str) -> None:
    assert refusal(address, allow_private=False)
    assert refusal(address, allow_private=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_always(address: str) -> None:
    assert refusal(address, allow_private=False) is None


@settings(max_examples=100, deadline=None)
@given(st.ip_addresses(v=4))
def test_what_the_standard_library_calls_private_is_refused(address: ipaddress.IPv4Address) -> None:
    if address.is_private or address.is_multicast or address.is_link_local:
        assert refusal(str(address), allow_private=False)
    mapped = f"::ffff:{address}"
    assert refusal(mapped, allow_private=False)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1"]
)
async def test_every_spelling_of_loopback_is_refused_at_the_socket(client: Client, host: str) -> None:
    async with ScriptedUpstream(json_answer({})) as up:
        with pytest.raises(Unreachable):
            await client.transport.open(Outgoing(Origin("http", host, up.port), "GET", b"/", [], EMPTY, connect_s=1))
        assert up.connections == []


async def test_allowed_and_refused_origins_share_no_connection(client: Client) -> None:
    async with ScriptedUpstream(json_answer({})) as up:
        await client.call(up)
        with pytest.raises(Unreachable, match="private"):
            await client.transport.open(Outgoing(Origin("http", "127.0.0.1", up.port), "GET", b"/", []))
        assert up.calls == 1


async def test_answers_are_kept_shortly_and_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server's answers are the one thing here no test can have for real."""
    asked = 0
    answers = ["8.8.8.8"]

    async def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.02)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, port)) for answer in answers]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    resolver = Resolver(keep_s=0.15)
    origin = Origin("https", "api.example", 443)
    first, *others = [asyncio.create_task(resolver.addresses(origin)) for _ in range(5)]
    await asyncio.sleep(0.005)
    first.cancel()
    assert [task[0].sockaddr for task in await asyncio.gather(*others)] == [("8.8.8.8", 443)] * 4
    assert asked == 1
    answers[:] = ["127.0.0.1", "1.1.1.1"]  # the name is pointed at us: what is private is left out
    await asyncio.sleep(0.2)
    assert [address.sockaddr[0] for address in await resolver.addresses(origin)] == ["1.1.1.1"]
    answers[:] = ["127.0.0.1"]
    resolver.forget(origin)
    with pytest.raises(Unreachable, match="loopback"):
        await resolver.addresses(origin)


async def test_the_next_address_is_tried(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedUpstream(json_answer({})) as up:
        loop = asyncio.get_running_loop()

        async def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
            found = ("127.0.0.9", "127.0.0.1") if host == "two.example" else (host,)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
        incoming = await client.transport.open(Outgoing(Origin("http", "two.example", up.port, True), "GET", b"/", []))
        assert (incoming.status, up.requests[0].header("host")) == (200, f"two.example:{up.port}")
