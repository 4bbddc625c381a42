"""A chat whose answer came whole is booked as whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
from tests.house import house


async def test_a_whole_answer_is_no_cut_one(tmp_path: Path) -> None:
    async with house(tmp_path, default_model="sim-gpt-4o-mini") as door:
        headers = {"authorization": f"Bearer {await door.key()}"}
        async with httpx2.AsyncClient(base_url=door.url, headers=headers, timeout=20) as client:
            reply = await client.post("/apps/chat/stream", json={"message": "Hello"})
            assert reply.text.endswith("data: [DONE]\n\n")
            for _ in range(100):
                calls = (await client.get("/api/v1/calls")).json()["data"]
                if calls:
                    break
                await asyncio.sleep(0.05)
            assert [call["outcome"] for call in calls] == ["done"], calls
