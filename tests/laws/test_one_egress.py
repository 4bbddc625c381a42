"""I14: one egress. Whatever calls out does it through `upstream/`; the exceptions are named here and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "doorward"

CLIENTS = frozenset(
    (
        "aiohttp",
        "aiosmtplib",
        "ftplib",
        "http.client",
        "httpcore",
        "httpx",
        "httpx2",
        "imaplib",
        "niquests",
        "nntplib",
        "poplib",
        "pycurl",
        "pyreqwest",
        "requests",
        "smtplib",
        "telnetlib",
        "urllib.request",
        "urllib3",
        "websocket",
        "websockets",
        "xmlrpc.client",
        # libraries that bring a client of their own
        "anthropic",
        "asyncpg",
        "authlib.integrations",
        "boto3",
        "mcp",
        "openai",
        "opentelemetry.exporter",
        "psycopg",
        "redis",
        "sentry_sdk",
    )
)
"""Modules that open connections. A dotted name stands for itself and what is below it."""

DIALS = frozenset(
    (
        "create_connection",
        "create_datagram_endpoint",
        "create_unix_connection",
        "open_connection",
        "open_unix_connection",
        "sock_connect",
        "sock_sendto",
        "HttpResponseParser",
        "urlopen",
    )
)
"""Names whose use is calling out, whatever object they hang on."""

SOCKETS = frozenset(("socket", "_socket"))
"""Needed to listen as well: allowed to the listeners, as long as they do not dial."""

LISTENERS = frozenset(("edge/server.py", "simulator/serve.py"))

EXCEPTIONS = {
    "upstream/": "the egress itself",
    "store/": "database drivers",
    "shared/redis": "Redis: the files whose name says so",
    "telemetry/": "the trace exporter",
    "apps/tools/": "MCP processes, in a clean environment",
    "apps/tools.py": "MCP processes, in a clean environment",
    "connector/": "the client library, for other people's processes",
    "proxy_fetch.py": "calls to our own running server, from other people's processes",
    "cli/": "calls to our own running server, and the port check",
}


def _named(module: str, names: frozenset[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in names)


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            name = node.args[0]
            yield name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else "?"


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


def breaches(place: str, text: str) -> set[str]:
    """What a file at `place` (relative to the package) does that only the egress may."""
    if any(place.startswith(exception) for exception in EXCEPTIONS):
        return set()
    tree = ast.parse(text)
    found = {module for module in _imported(tree) if _named(module, CLIENTS) or module.rpartition(".")[2] in DIALS}
    if place not in LISTENERS:
        found |= {module for module in _imported(tree) if _named(module, SOCKETS)}
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in DIALS:
            found.add(name)
    # A listener's socket could still be connected.
    found |= {
        "connect" for node in ast.walk(tree) if isinstance(node, ast.Call) and place in LISTENERS and _called(node) == "connect"
    }
    return found


def test_nothing_else_calls_out() -> None:
    found = {}
    files = sorted(SOURCE.rglob("*.py"))
    for path in files:
        place = path.relative_to(SOURCE).as_posix()
        if done := breaches(place, path.read_text()):
            found[place] = sorted(done)
    assert len(files) > 50, "the walk found too little to mean anything"
    assert found == {}, f"call out through upstream/transport.py instead: {found}"


@pytest.mark.parametrize(
    "text",
    [
        "import httpx",
        "import httpx2 as web",
        "from aiohttp import ClientSession",
        "import urllib.request",
        "from urllib import request",
        "from urllib.request import urlopen",
        "import http.client",
        "from http import client",
        "import requests",
        "import socket",
        "from socket import create_connection",
        "def f():\n    import openai",
        "import importlib\nimportlib.import_module('httpx')",
        "__import__('requests')",
        "import asyncio\nasync def f(): await asyncio.open_connection('a', 1)",
        "async def f(loop): await loop.create_connection(object, 'a', 1)",
        "from asyncio import open_connection",
        "import httptools\nhttptools.HttpResponseParser(None)",
        "from authlib.integrations.httpx_client import AsyncOAuth2Client",
        "import redis.asyncio",
    ],
)
def test_canary_the_law_bites(text: str) -> None:
    assert breaches("identity/oidc.py", text), text


@pytest.mark.parametrize(
    "text", ["import socket\nsocket.create_connection(('a', 1))", "import socket\nsocket.socket().connect(('a', 1))"]
)
def test_canary_listeners_may_not_dial(text: str) -> None:
    assert breaches("edge/server.py", text), text


@pytest.mark.parametrize(
    "text",
    [
        "from urllib.parse import urlsplit",
        "import http",
        "from http import HTTPStatus",
        "import httptools\nhttptools.HttpRequestParser(None)",
    ],
)
def test_canary_the_law_does_not_bite_the_innocent(text: str) -> None:
    assert breaches("edge/pages.py", text) == set(), text


def test_exceptions_are_no_wider_than_named() -> None:
    assert breaches("shared/memory.py", "import redis")
    assert breaches("apps/chat.py", "import mcp")
    assert not breaches("shared/redis.py", "import redis")
