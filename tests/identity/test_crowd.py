"""A storm of sign-ins: who cannot be served in time is told so, and nobody pays for it with a lock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.house import settings_of
from tests.identity.front import GOOD, front

from doorward.core.clock import SystemClock
from doorward.core.errors import LimitExceeded, Unauthenticated, Unavailable
from doorward.core.secret import Secret
from doorward.identity.desk import Desk
from doorward.identity.passwords import MOST_WAITING, Passwords
from doorward.identity.sign_in import A_ACCOUNT, A_ADDRESS
from doorward.store.engine import Store

RIGHT, GUESS = Secret(GOOD.encode()), Secret(b"wrong password")


async def test_who_waits_too_long_for_a_turn_is_told_to_come_back() -> None:
    passwords = Passwords(workers=1, most_wait_s=0.01)
    ends = await asyncio.gather(*(passwords.matches(None, GUESS) for _ in range(MOST_WAITING + 9)), return_exceptions=True)
    told = [end for end in ends if isinstance(end, Unavailable)]
    assert ends[0] is False, "the first in the queue is served"
    assert len(told) >= MOST_WAITING
    assert {end.retry_after_s for end in told} == {3}
    passwords.require_room()
    assert await passwords.matches(None, GUESS) is False, "afterwards there is room again"
    passwords.close()


class Crowded(Passwords):
    is_crowded = True

    async def matches(self, kept: str | None, password: Secret) -> bool:
        if self.is_crowded:
            raise Unavailable("Too many people are signing in at once.", retry_after_s=3)
        return await super().matches(kept, password)


async def test_a_try_that_nobody_looked_at_is_no_failure(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    store = await Store.open(settings.url)
    passwords = Crowded(workers=1, time_cost=1, memory_kib=8)
    desk = Desk.of(settings, store, SystemClock(), None, passwords=passwords)
    await desk.users.add("ann@example.com", "user", RIGHT, actor="operator")
    for _ in range(A_ACCOUNT + 2):
        with pytest.raises(Unavailable):
            await desk.sign_in.by_password("ann@example.com", RIGHT, from_addr="192.0.2.1")
    passwords.is_crowded = False
    for _ in range(A_ACCOUNT):
        with pytest.raises(Unauthenticated):
            await desk.sign_in.by_password("ann@example.com", GUESS, from_addr="192.0.2.1")
    with pytest.raises(LimitExceeded):
        await desk.sign_in.by_password("ann@example.com", RIGHT, from_addr="192.0.2.1")
    passwords.close()
    await store.close()


async def test_people_who_come_in_do_not_lock_their_address(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("ann@example.com")
        for _ in range(A_ADDRESS + 2):
            await door.desk.sign_in.by_password("ann@example.com", RIGHT, from_addr="192.0.2.1")
        for number in range(A_ADDRESS):
            with pytest.raises(Unauthenticated):
                await door.desk.sign_in.by_password(f"user{number}@example.com", GUESS, from_addr="192.0.2.1")
        with pytest.raises(LimitExceeded):
            await door.desk.sign_in.by_password("ann@example.com", RIGHT, from_addr="192.0.2.1")
