"""What it costs to know who calls: microseconds for a warm client key, and one query for a cold one.

    python benchmarks/credentials.py

Issue 3 asks for <= 15 µs warm. The headers are those that OpenAI's Python SDK sends.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from doorward.core import client_key
from doorward.core.clock import SystemClock
from doorward.identity.credentials import Credentials
from doorward.identity.desk import Desk
from doorward.settings import Settings
from doorward.store.client_keys import ClientKeys, KeyRow
from doorward.store.engine import Store

ROUNDS, CALLS = 9, 20_000


def sdk_headers(key: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"host", b"127.0.0.1:8080"),
        (b"accept-encoding", b"gzip, deflate"),
        (b"connection", b"keep-alive"),
        (b"accept", b"application/json"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"OpenAI/Python 3.52.0"),
        (b"x-stainless-lang", b"python"),
        (b"x-stainless-package-version", b"3.52.0"),
        (b"x-stainless-os", b"Linux"),
        (b"x-stainless-arch", b"x64"),
        (b"x-stainless-runtime", b"CPython"),
        (b"x-stainless-retry-count", b"0"),
        (b"authorization", b"Bearer " + key),
        (b"content-length", b"600"),
    ]


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(_env_file=None, data_dir=Path(directory))  # type: ignore[call-arg]  # pydantic-settings' own argument
        store = await Store.open(settings.url)
        desk = Desk.of(settings, store, SystemClock(), None)
        keys = ClientKeys(store)
        credentials = Credentials(keys, desk.sessions, SystemClock(), "per_user", keep_s=3600.0)
        public_id, whole, digest = client_key.make()
        await keys.add(KeyRow(public_id=public_id, digest=digest, label="bench"))
        headers = sdk_headers(whole.reveal())

        cold_us = []
        for _ in range(200):
            credentials.forget(public_id)
            started = time.perf_counter()
            await credentials.resolve(headers)
            cold_us.append((time.perf_counter() - started) * 1e6)
        warm_us = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for _ in range(CALLS):
                await credentials.resolve(headers)
            warm_us.append((time.perf_counter() - started) / CALLS * 1e6)
        print(f"warm: {min(warm_us):.2f} µs best, {statistics.median(warm_us):.2f} µs median of {ROUNDS} rounds of {CALLS}")
        print(f"cold (one SQLite query): {statistics.median(cold_us):.0f} µs median of 200")
        desk.passwords.close()
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
