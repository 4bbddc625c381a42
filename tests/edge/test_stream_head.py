"""The head of a stream says once that it must not be kept or gathered, whatever the upstream says of it."""

from __future__ import annotations

from pathlib import Path

import httpx2
from tests.house import house


async def test_a_stream_says_once_that_it_is_not_to_be_kept(tmp_path: Path) -> None:
    chat = {"model": "sim-gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    async with house(tmp_path) as door:
        headers = {"authorization": f"Bearer {await door.key()}"}
        async with httpx2.AsyncClient(base_url=door.url, headers=headers, timeout=20, trust_env=False) as client:
            answer = await client.post("/v1/chat/completions", json=chat)
    assert answer.headers.get_list("cache-control") == ["no-cache"]
    assert answer.headers.get_list("x-accel-buffering") == ["no"]
