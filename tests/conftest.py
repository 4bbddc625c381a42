"""Fixtures that every room's tests share: real services, each run in a corner of its own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import hypothesis  # noqa: F401  its plugin imports it at a run's end, where CPython 3.11 may fail to parse after greenlets ran
import psycopg
import pytest
from psycopg import sql

RUN = f"dw{os.getpid()}{uuid.uuid4().hex[:6]}"
"""Prefix of everything this process makes in a shared service."""


def _postgres_server() -> str | None:
    """A server's maintenance URL: the variable, then the usual port, else `None`."""
    for url in (
        os.environ.get("DOORWARD_TEST_POSTGRES_URL"),
        "postgresql://root@127.0.0.1:5432/postgres",
        "postgresql://postgres@127.0.0.1:5432/postgres",
    ):
        if not url:
            continue
        try:
            psycopg.connect(url, connect_timeout=3).close()
        except psycopg.Error:
            continue
        return url
    return None


def required(what: str) -> None:
    """Skip on a laptop, fail in CI: there every real component is required."""
    reason = f"no {what} found; set DOORWARD_TEST_{what.upper()}_URL or start one on its usual port"
    if os.environ.get("DOORWARD_TEST_REQUIRE"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """`postgresql://…` of a new, empty database, dropped afterwards."""
    server = _postgres_server()
    if server is None:
        required("postgres")
    assert server is not None
    name = f"{RUN}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield server.rsplit("/", 1)[0] + "/" + name
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def redis_url() -> str:
    """A Redis to use under `redis_prefix` only; nothing is ever flushed."""
    import redis

    url = os.environ.get("DOORWARD_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
    try:
        client = redis.Redis.from_url(url, socket_connect_timeout=3)
        client.ping()
        client.close()
    except redis.RedisError:
        required("redis")
    return url


@pytest.fixture
def redis_prefix() -> str:
    return f"{RUN}:{uuid.uuid4().hex[:8]}:"
