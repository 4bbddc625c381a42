"""No path, query or base URL reaches another scheme, host, port or prefix: by numbers, with a canary that hears nothing."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from tests.answers import json_answer
from tests.counts import FULL, count
from tests.house import house
from tests.scripted import ScriptedUpstream

from doorward.adapters import base_url, target
from doorward.adapters.adapter import Adapter
from doorward.adapters.base_url import BaseUrl, NotABaseUrl
from doorward.core.errors import BadRequest, NotFound
from doorward.upstream.port import Origin, Outgoing
from doorward.upstream.transport import HttpTransport

SEGMENTS = [
    b"", b".", b"..", b"...", b"a", b"v1", b"%2e", b"%2E%2e", b".%2e", b"%252e%252e", b"%25252e", b"%2f", b"%2F%2f",
    b"%252f", b"%5c", b"%255C", b"\\", b"@", b"@me", b"a@b", b":80", b"%00", b"%0d%0a", b"%09", b"%c0%ae",
    b"%e0%80%af", b"..;", b"..;a=b", b";", b"%", b"%zz", b"%2", b"~", b"%20", b"%7e", b"http:", b"https:", b"?", b"&",
    b"%3f", b"%23", b"%40", b"x%2e%2e", b"%u002e", b"*", b"%2e%2f", b"%25%32%65", b"%25%32%66", b"%2525%32e", b"a..b",
    b"%ef%bc%8f", b"|", b"{", b"[", b'"', b"<",
]  # fmt: skip
HIDDEN = re.compile(rb"(^|/)\.{1,2}(;[^/]*)?(/|$)|\\|//|[\x00-\x1f\x7f]")


def paths(seed: int, number: int, canary: int) -> list[bytes]:
    """Raw request targets below an adapter, with tricks from every angle."""
    rng = random.Random(seed)
    host = b"127.0.0.1:%d" % canary
    plain = [b"a", b"v1", b"models", b"gpt-4.1", b"@me", b"a%20b", b"x:y", b"~", b"a;b=c"]
    tricks = [*SEGMENTS, host, b"@" + host, b"//" + host, b"%40" + host, b"\\\\" + host, b"http://" + host, b"http:%2f%2f" + host]
    made = []
    for _ in range(number):
        odd = rng.random() < 0.6
        separators = (b"/", b"/", b"/", b"//", b"", b"%2f", b"\\") if odd else (b"/",)
        words = [*plain, *tricks] if odd else plain
        path = b"".join(rng.choice(separators) + rng.choice(words) for _ in range(rng.randint(1, 5)))
        query = rng.choice((b"", b"", b"?", b"?@" + host, b"?/../" + host, b"?a=%2e%2e%2f&b=http://" + host, b"?a#b", b"??"))
        name = rng.choice((b"api", b"api", b"api", b"api", b"api@" + host, b"api%2f..", b"", b"..", b"API", b"api;x"))
        made.append(b"/v1/apis/http/" + name + path + query)
    return made


def decoded(path: bytes) -> bytes:
    """Everything that any number of decodings could bring out."""
    for _ in range(20):
        path = unquote_to_bytes(path)
    return path


def test_what_is_built_stays_below_the_base_path() -> None:
    adapter = Adapter("api", 1, BaseUrl("https", "x.example", 443, b"/base"))
    built = 0
    for raw in paths(1, count("paths built", small=5000, full=100_000), 9):
        path, _, query = raw.partition(b"?")
        try:
            name, rest = target.split(path)
            whole = target.build(adapter, rest, query)
        except (BadRequest, NotFound):
            continue
        built += name == "api"
        assert whole.startswith((b"/base/", b"/base?")) or whole == b"/base", raw
        assert whole == b"/base" + rest + (b"?" + query if query else b"")
        assert not HIDDEN.search(decoded(rest)), raw
        assert not HIDDEN.search(rest), raw
        parts = urlsplit(b"https://x.example" + whole)
        assert (parts.scheme, parts.netloc, parts.query) == (b"https", b"x.example", query)
    assert built > 100


ORDINARY = [
    b"", b"/", b"/a", b"/@me", b"/a:b", b"/a;v=1", b"/v1/models/gpt-4.1", b"/%20%C3%A9", b"/a...b", b"/.well-known/x",
    b"/x/.hidden", b"/a%3fb",
]  # fmt: skip


@pytest.mark.parametrize("path", ORDINARY)
def test_ordinary_paths_pass(path: bytes) -> None:
    target.refuse_odd(path)


ODD = [
    b"/..", b"/a/../b", b"/./a", b"//a", b"/a//b", b"/%2e%2e/a", b"/%252e", b"/a%2fb", b"/a%5cb", b"/%25252f",
    b"/..;/a", b"/%0a", b"/%", b"/\\a", b"/%c0%ae", b"/a b", b"/%25%32%65",
]  # fmt: skip


@pytest.mark.parametrize("path", ODD)
def test_odd_paths_are_refused(path: bytes) -> None:
    with pytest.raises(BadRequest):
        target.refuse_odd(path)


@pytest.fixture
async def canary() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(json_answer({"stolen": True})) as upstream:
        yield upstream


@pytest.mark.timeout(1200 if FULL else 60)
async def test_no_path_reaches_another_host(tmp_path: Path, canary: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_API_TOKEN", "t-canary-1")
    async with ScriptedUpstream(json_answer({})) as up:
        file = tmp_path / "doorward.yaml"
        file.write_text(
            "apiVersion: doorward.dev/v1\nkind: HTTP\nmetadata: {name: api}\nspec:\n"
            f"  baseUrl: {up.base_url}/base\n  headers: [{{name: X-Token, value: '${{{{ TEST_API_TOKEN }}}}'}}]\n"
        )
        async with house(tmp_path, config=file) as home:
            key = await home.key()
            number = count("paths sent", small=150, full=100_000)
            host, port = home.url.removeprefix("http://").split(":")
            await asyncio.gather(*[_send(host, int(port), key, paths(seed, number // 4, canary.port)) for seed in range(2, 6)])
        assert up.calls > number // 20
        told = f"{number:,} paths through a whole door: {up.calls:,} reached the API, {number - up.calls:,} were refused"
        print(f"{told}, {len(canary.connections)} connections at the canary")
        assert all(request.target.startswith(("/base/", "/base?")) or request.target == "/base" for request in up.requests)
        assert all(request.header("host") == f"127.0.0.1:{up.port}" for request in up.requests)
    assert canary.connections == []


async def _send(host: str, port: int, key: str, targets: list[bytes]) -> None:
    """Each as raw bytes: a client library would tidy them up."""
    reader, writer = await asyncio.open_connection(host, port)
    for raw in targets:
        if writer.is_closing() or reader.at_eof():
            reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET %b HTTP/1.1\r\nhost: door\r\nauthorization: Bearer %b\r\n\r\n" % (raw, key.encode()))
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        if b"connection: close" in head.lower():
            writer.close()
            reader, writer = await asyncio.open_connection(host, port)
    writer.close()


SCHEMES = ["https://", "http://", "HTTP://", "//", "", "ftp://", "https:/", "https:\\\\", "javascript:"]
HOSTS = [
    "good.example",
    "GOOD.example",
    "1.2.3.4",
    "[::1]",
    "[::ffff:1.2.3.4]",
    "good.example.",
    "-x",
    "a..b",
    "0x7f.1",
    "é.example",
    "",
]
TRICKS = [
    "@{c}", "#@{c}", "?@{c}", "\\@{c}", "%40{c}", ":80@{c}", ":80", ":0", ":99999", ":", ":80:81", "%2e{c}", " {c}",
    "\t{c}", "\n{c}", "%00.{c}", "/..//{c}", "/@{c}", ";@{c}", "，{c}", "。{c}",
]  # fmt: skip
PATHS = ["", "/", "/v1", "/v1/", "//{c}", "/a/../b", "/%2e%2e", "/a?b", "/a#b", "/\\{c}", "/a b", "/@{c}", "/a//b", "/."]


async def test_a_base_url_is_read_one_way_or_not_at_all(canary: ScriptedUpstream) -> None:
    rng, taken = random.Random(7), 0
    number = count("base URLs read", small=3000, full=10_000)
    transport = HttpTransport()
    async with ScriptedUpstream(json_answer({})) as good:
        for _ in range(number):
            odd = rng.random() < 0.7
            scheme = rng.choice(SCHEMES if odd else SCHEMES[:2])
            host = rng.choice([*HOSTS, f"127.0.0.1:{good.port}", f"127.0.0.1:{good.port}"])
            text = scheme + host + (rng.choice(TRICKS) if odd else "") + rng.choice(PATHS)
            text = text.replace("{c}", f"127.0.0.1:{canary.port}")
            try:
                url = base_url.parse(text)
            except NotABaseUrl as error:
                assert not error.args or str(canary.port) not in error.args[0]  # noqa: PT017  the other branch goes on
                continue
            taken += 1
            theirs = urlsplit(text)
            assert (url.scheme, url.host, url.path) == (theirs.scheme, theirs.hostname, theirs.path.rstrip("/").encode()), text
            assert url.port == (theirs.port or {"https": 443, "http": 80}[url.scheme])
            assert not theirs.username
            assert not theirs.query + theirs.fragment
            if url.host == "127.0.0.1":
                origin = Origin("http", url.host, url.port, allow_private=True)
                (await transport.open(Outgoing(origin, "GET", url.path + b"/x", []))).close()
        assert good.calls > number / 100
    await transport.close()
    assert taken > number / 20
    assert canary.connections == []
