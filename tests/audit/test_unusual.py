"""Alarms: a new address, ten times the usual rate; none for what is usual."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.clock import FakeClock

from doorward.audit.chain import Audit
from doorward.audit.unusual import LEARN_S, QUIET_S, Unusual
from doorward.core.caller import Caller
from doorward.store.engine import Store
from doorward.store.key_addresses import KeyAddresses

CI = Caller(owner="key:k1", draws_on=frozenset(), scopes=frozenset(), key_id="k1", label="ci")


class Watch:
    def __init__(self, store: Store) -> None:
        self.clock = FakeClock()
        self.raised: list[tuple[str, Mapping[str, Any]]] = []
        self.audit = Audit(store)
        self.unusual = Unusual(KeyAddresses(store), self.audit, self.clock, self.alarm)

    async def alarm(self, event: str, details: Mapping[str, Any]) -> None:
        self.raised.append((event, details))

    def minutes(self, many: int, calls_a_minute: int) -> None:
        for _ in range(many):
            for _ in range(calls_a_minute):
                self.unusual.saw(CI, "192.0.2.1")
            self.clock.at += 60


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    store = await Store.open(f"sqlite:///{tmp_path / 'audit.db'}")
    yield Watch(store)
    await store.close()


async def test_the_first_address_is_usual_and_the_second_raises_once(watch: Watch) -> None:
    for address in ("192.0.2.1", "192.0.2.1", "203.0.113.5", "203.0.113.5"):
        watch.unusual.saw(CI, address)
        await watch.unusual.look()
    assert [event for event, _ in watch.raised] == ["key_new_address"]
    [row] = await watch.audit.page()
    assert (row.action, row.target, row.from_addr) == ("key_new_address", "key:k1", "203.0.113.5")


async def test_a_restart_remembers_addresses(watch: Watch) -> None:
    watch.unusual.saw(CI, "192.0.2.1")
    await watch.unusual.look()
    again = Unusual(watch.unusual._addresses, watch.audit, watch.clock, watch.alarm)
    again.saw(CI, "192.0.2.1")
    await again.look()
    assert watch.raised == []


async def test_ten_times_the_usual_rate_raises_once_an_hour(watch: Watch) -> None:
    watch.minutes(int(LEARN_S // 60) + 1, 10)
    watch.minutes(3, 50)
    await watch.unusual.look()
    assert watch.raised == []
    watch.minutes(3, 400)
    await watch.unusual.look()
    assert [event for event, _ in watch.raised] == ["key_unusual_rate"]
    watch.clock.at += QUIET_S
    watch.minutes(1, 3000)
    await watch.unusual.look()
    assert len(watch.raised) == 2


async def test_a_new_key_that_starts_busy_and_a_quiet_one_below_the_floor_raise_nothing(watch: Watch) -> None:
    watch.minutes(1, 500)
    watch.clock.at += LEARN_S
    watch.minutes(5, 1)
    watch.minutes(1, 40)
    await watch.unusual.look()
    assert watch.raised == []
