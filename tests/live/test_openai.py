"""The real API through the whole door, with `OPENAI_TEST_API_KEY`: `make test-live`. A few cents at the most.

The folder's files are not collected by a plain run; without the key they are skipped and say why.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.house import House, house

KEY = os.environ.get("OPENAI_TEST_API_KEY", "").strip()
MODEL = os.environ.get("OPENAI_TEST_MODEL", "gpt-4o-mini")
EMBEDDING_MODEL = "text-embedding-3-small"
ASK: Any = [{"role": "user", "content": "Answer with the single word: door"}]

pytestmark = [
    pytest.mark.skipif(not KEY, reason="OPENAI_TEST_API_KEY is not set: nothing was asked of the real API"),
    pytest.mark.timeout(120),
]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose operator's account holds the real key; real upstreams only."""
    async with house(tmp_path, allow_private_upstreams=False, log_level="error", retry_wait_s=20.0) as home:
        await home.account("openai", key=KEY)
        yield home


@pytest.fixture
async def client(door: House) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official client, with our address and one of our keys in place of the real one."""
    async with openai.AsyncOpenAI(base_url=door.api, api_key=await door.key(), max_retries=0, timeout=60) as made:
        yield made


async def booked(door: House, endpoint: str) -> Any:
    """The one row of that endpoint: billed as the upstream said, with a known price."""
    row = next(row for row in await door.rows(1, within_s=10) if row.endpoint == endpoint)
    assert row.outcome == "done"
    assert row.source == "upstream"
    assert row.input_tokens > 0
    assert row.cost_nanos > 0
    return row


async def test_chat(door: House, client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model=MODEL, messages=ASK, max_completion_tokens=200)
    assert "door" in (answer.choices[0].message.content or "").lower()
    assert answer.usage is not None
    row = await booked(door, "/v1/chat/completions")
    assert (row.input_tokens, row.output_tokens) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)


async def test_stream(door: House, client: openai.AsyncOpenAI) -> None:
    """Pieces as they come; the usage chunk that we asked for stays ours."""
    text, with_usage = "", 0
    stream = await client.chat.completions.create(model=MODEL, messages=ASK, max_completion_tokens=200, stream=True)
    async for chunk in stream:
        with_usage += chunk.usage is not None
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    assert "door" in text.lower()
    assert with_usage == 0
    await booked(door, "/v1/chat/completions")


async def test_embeddings(door: House, client: openai.AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model=EMBEDDING_MODEL, input=["a door", "a window"])
    assert [len(one.embedding) for one in answer.data] == [1536, 1536]
    await booked(door, "/v1/embeddings")


async def test_models(client: openai.AsyncOpenAI) -> None:
    """Upstream's own list, with our simulator's models beside it."""
    names = {model.id async for model in client.models.list()}
    assert MODEL in names
    assert EMBEDDING_MODEL in names


async def test_an_error_passes_through(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model=MODEL, messages=ASK, temperature=9)
    assert isinstance(caught.value.body, dict)
    assert caught.value.param == "temperature"
    assert KEY not in str(caught.value.body)


async def test_a_wrong_key_is_ours_to_tell(tmp_path: Path) -> None:
    """A key that the upstream refuses is the operator's fault, not the caller's: 502."""
    async with house(tmp_path, allow_private_upstreams=False, log_level="error") as home:
        await home.account("openai", key="sk-proj-" + "x" * 40)
        async with openai.AsyncOpenAI(base_url=home.api, api_key=await home.key(), max_retries=0, timeout=60) as client:
            with pytest.raises(openai.InternalServerError) as caught:
                await client.chat.completions.create(model=MODEL, messages=ASK, max_completion_tokens=16)
            assert caught.value.status_code == 502
            assert caught.value.code == "upstream_credentials_refused"


async def test_a_stream_that_is_left_is_booked(door: House, client: openai.AsyncOpenAI) -> None:
    long = [{"role": "user", "content": "Count from 1 to 200 in words."}]
    stream = await client.chat.completions.create(model=MODEL, messages=long, max_completion_tokens=800, stream=True)
    seen = 0
    async for _ in stream:
        seen += 1
        if seen == 5:
            break
    await stream.close()
    await asyncio.sleep(0.5)
    (row,) = await door.rows(1, within_s=10)
    assert row.outcome == "gone"
    assert row.cost_nanos > 0
    assert row.source in ("counted", "estimated")
