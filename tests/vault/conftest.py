"""A store on each database, a vault over it, and a clock that stands still until it is told otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from doorward.store.engine import Store
from doorward.vault.opening import open_vault
from doorward.vault.vault import Vault


@dataclass
class HandClock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/doorward.db"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await Store.open(url)
    yield opened
    await opened.close()


@pytest.fixture
async def vault(store: Store, tmp_path: Path, clock: HandClock) -> Vault:
    opened, _ = await open_vault(store, value=None, file=None, data_dir=tmp_path, clock=clock, cache_s=4.0)
    return opened
