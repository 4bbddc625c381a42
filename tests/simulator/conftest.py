"""A simulator on a real socket, and OpenAI's released client in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from openai import AsyncOpenAI
from tests.serving import serving

from doorward.simulator.app import Simulator


@dataclass
class Running:
    simulator: Simulator
    url: str
    client: AsyncOpenAI


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    simulator = Simulator()
    async with serving(simulator) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="anything", max_retries=0) as client:
        yield Running(simulator, url, client)
