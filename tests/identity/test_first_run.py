"""The one-time link: those who come second learn it at once, and nothing is hashed for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.house import settings_of

from doorward.core.clock import SystemClock
from doorward.core.errors import Forbidden
from doorward.core.secret import Secret
from doorward.identity.desk import Desk
from doorward.identity.passwords import Passwords
from doorward.store.engine import Store


class Counting(Passwords):
    def __init__(self) -> None:
        super().__init__(workers=1, time_cost=1, memory_kib=8)
        self.hashed = 0

    async def hash(self, password: Secret) -> str:
        self.hashed += 1
        return await super().hash(password)


async def test_fifty_at_once_cost_one_hash(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    store = await Store.open(settings.url)
    passwords = Counting()
    first_run = Desk.of(settings, store, SystemClock(), None, passwords=passwords).first_run
    token = await first_run.renew()
    assert token is not None
    tries = [first_run.finish(token, f"user{number}@example.com", Secret(b"correct horse battery")) for number in range(50)]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(end, Forbidden) and end.code == "setup_link_used" for end in ends) == 49
    assert passwords.hashed == 1
    with pytest.raises(Forbidden):
        await first_run.finish(token, "late@example.com", Secret(b"correct horse battery"))
    passwords.close()
    await store.close()
