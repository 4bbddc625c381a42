"""Budgets on real databases: held before, settled after, and nothing reserved at rest."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from pathlib import Path

import pytest
from tests.ledger.purse import (
    QUICK,
    ROUTE,
    TEST,
    billed,
    call,
    entry,
    eventually,
    exchange,
    key,
    leased,
    process,
    rows,
    spent,
    taken,
)

from doorward.core.errors import BudgetExceeded, CostUnbounded, StoreError, Unavailable
from doorward.core.money import Nanos, nanos_of_usd
from doorward.ledger import till
from doorward.ledger.budgets import Budgets
from doorward.ledger.entry import AttemptState, Entry
from doorward.ledger.pot import LeaseTimes
from doorward.providers.route import Plan, Route
from doorward.store.budgets import Cap


@pytest.fixture
def url(fresh_sqlite: str) -> str:
    return fresh_sqlite


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest) -> str:
    """For what rests on the database's own locking."""
    return str(request.getfixturevalue("fresh_sqlite" if request.param == "sqlite" else "postgres_url"))


async def test_a_budget_admits_until_it_is_used_up_and_says_what_to_do(both: str) -> None:
    async with process(both) as budgets:
        me = key("0.03", "month")
        for _ in range(3):
            await call(budgets, me)
        with pytest.raises(BudgetExceeded) as refused:
            await call(budgets, me)
        error = refused.value
        assert (error.status, error.code, error.should_retry) == (429, "budget_exceeded", False)
        for word in ("key k1", "0.03 USD", "0.01 USD", "starts anew at", "01 00:00 UTC"):
            assert word in error.message
        await eventually(lambda: spent(both) == Decimal("0.03"))
    assert leased(both) == 0


async def test_callers_without_a_budget_touch_nothing(url: str) -> None:
    async with process(url) as budgets:
        page = await call(budgets, key())
        assert page.held is None
        assert not budgets.leasing.pots
    assert rows(url, "SELECT * FROM leases") == []


@pytest.mark.parametrize(
    ("state", "usd", "charged"),
    [
        (AttemptState.DONE, "0.004", "0.004"),
        (AttemptState.DONE, None, "0.05"),
        (AttemptState.AMBIGUOUS, None, "0.05"),
        (AttemptState.FAILED, None, "0"),
        (AttemptState.CONNECTING, None, "0"),
    ],
)
async def test_every_way_a_call_can_end_settles_once(url: str, state: AttemptState, usd: str | None, charged: str) -> None:
    async with process(url) as budgets:
        me, asked = key("1"), exchange(5)
        page = entry(me, asked)

        async def dies() -> None:
            async with budgets.hold(me, ROUTE, asked, page):
                assert page.held == nanos_of_usd("0.05")
                billed(page, usd, state)
                raise ValueError("upstream dead")

        with pytest.raises(ValueError, match="upstream dead"):
            await dies()
        await eventually(lambda: leased(url) == 0)
        assert spent(url) == Decimal(charged)
        assert not any(lease.held for pot in budgets.leasing.pots.values() for lease in pot.leases())


async def test_a_refusal_or_a_cached_answer_costs_nothing(url: str) -> None:
    async with process(url) as budgets:
        me, asked = key("1"), exchange(5)
        async with budgets.hold(me, ROUTE, asked, entry(me, asked)):
            pass
        await eventually(lambda: leased(url) == 0)
        assert spent(url) == 0


async def test_cancelling_a_call_settles_it(url: str) -> None:
    async with process(url) as budgets:
        me = key("0.05")
        for _ in range(3):
            task = asyncio.create_task(call(budgets, me, cents=5, sleep_s=30))
            await asyncio.sleep(0.2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await eventually(lambda: leased(url) == 0)
        assert spent(url) == 0


async def test_key_user_and_all_are_taken_all_or_none(both: str) -> None:
    async with process(both, spend_cap_nanos=nanos_of_usd("0.04")) as budgets:
        await budgets.rows.set(Cap("user:u1", nanos_of_usd("0.02"), "day"))
        await budgets.refresh()
        me, other = key("1", user="u1"), key("1", user="u2", name="k2")
        await call(budgets, me)
        await call(budgets, me)
        with pytest.raises(BudgetExceeded, match="user u1"):
            await call(budgets, me)
        await call(budgets, other)
        await call(budgets, other)
        with pytest.raises(BudgetExceeded, match="everything together"):
            await call(budgets, other)
        await eventually(lambda: leased(both) == 0)
        assert [spent(both, who) for who in ("key:k1", "user:u1", "key:k2", "all")] == [
            Decimal(x) for x in ("0.02", "0.02", "0.02", "0.04")
        ]


async def test_what_was_leased_first_stays_until_a_slow_database_gave_the_rest(url: str) -> None:
    """Three budgets, and each answer takes longer than a slice may lie idle: the call is let in all the same."""
    async with process(url, spend_cap_nanos=nanos_of_usd("1")) as budgets:
        await budgets.rows.set(Cap("user:u1", nanos_of_usd("1"), "day"))
        await budgets.refresh()
        real = budgets._leases.grow

        async def slow(*args, **kwargs):
            grown = await real(*args, **kwargs)
            await asyncio.sleep(2 * QUICK.idle)
            return grown

        budgets._leases.grow = slow
        async with asyncio.timeout(4):
            await call(budgets, key("1", user="u1"))
        budgets._leases.grow = real
    assert spent(url) == Decimal("0.01")


async def test_a_database_that_is_too_slow_is_no_budget_that_is_used_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gave one call its slice in time, and kept another waiting: there is money, so that one is told to come again."""
    monkeypatch.setattr(till, "WAIT_S", 0.3)
    async with process(url) as budgets:
        real, asked = budgets._leases.grow, 0

        async def slower(*args, **kwargs):
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.1 if asked == 1 else 1)
            return await real(*args, **kwargs)

        budgets._leases.grow = slower
        me = key("1")
        first = asyncio.create_task(call(budgets, me, sleep_s=0.5))
        await asyncio.sleep(0.05)
        # more than the first one's slice: it waits for its turn, and then for the database
        with pytest.raises(Unavailable) as refused:
            await call(budgets, me, cents=90, usd="0.9")
        assert refused.value.code == "budget_unavailable"
        await first
        budgets._leases.grow = real


async def test_a_user_s_budget_counts_over_all_their_keys(url: str) -> None:
    async with process(url) as budgets:
        await budgets.rows.set(Cap("user:u1", nanos_of_usd("0.03"), "month"))
        await budgets.refresh()
        await asyncio.gather(*(call(budgets, key(user="u1", name=name)) for name in ("a", "b", "c")))
        with pytest.raises(BudgetExceeded):
            await call(budgets, key(user="u1", name="d"))


async def test_a_bill_above_its_hold_is_booked_in_full_and_shuts_the_budget(url: str) -> None:
    async with process(url) as budgets:
        me = key("0.10")
        await call(budgets, me, usd="0.25")
        assert budgets.hold_exceeded_total == 1
        with pytest.raises(BudgetExceeded):
            await call(budgets, me)
        await eventually(lambda: spent(url) == Decimal("0.25"))
        assert leased(url) == 0
        await call(budgets, key("0.30"))  # raised: it fits again


async def test_rescue_holds_and_settles_each_attempt_on_its_own(url: str) -> None:
    async with process(url) as budgets:
        me, asked = key("0.05"), exchange(2)
        page = entry(me, asked)
        async with budgets.hold(me, ROUTE, asked, page) as held:
            name, noted = page.facts[0]
            assert (name, [(subject, cap, free) for (subject, _, cap), free in zip(noted["of"], noted["free"], strict=True)]) == (
                "hold",
                [("key:k1", nanos_of_usd("0.05"), nanos_of_usd("0.03"))],
            )
            await held.more()
            assert page.held == nanos_of_usd("0.04")
            with pytest.raises(BudgetExceeded):
                await held.more()
            billed(page, "0.02", AttemptState.AMBIGUOUS)
            billed(page, "0.015")
        assert budgets.hold_exceeded_total == 0
        await eventually(lambda: leased(url) == 0)
        assert spent(url) == Decimal("0.035")


async def test_what_cannot_be_priced_is_refused_only_under_a_budget(url: str) -> None:
    route = Route("x", (Plan(TEST, None, "no-such-model"),))
    async with process(url) as budgets:
        asked = exchange()
        with pytest.raises(CostUnbounded) as refused:
            async with budgets.hold(key("1"), route, asked, entry(key("1"), asked)):
                pytest.fail("admitted")
        assert "doorward price set" in refused.value.message
        async with budgets.hold(key(), route, asked, entry(key(), asked)):
            pass


async def test_an_exact_count_admits_what_the_bound_would_refuse(url: str) -> None:
    from doorward.providers.tokens import Count

    async with process(url, count=lambda kind, body, model: Count(100, True)) as budgets:
        budgets.prices.replace([])
        route = Route("m", (Plan(budgets_provider(), None, "gpt-4o"),))
        asked = exchange(1, model="gpt-4o", messages=[{"role": "user", "content": "word " * 20_000}], service_tier="default")
        me = key("0.01")
        page = entry(me, asked)
        async with budgets.hold(me, route, asked, page):
            assert page.held is not None
            assert page.held < nanos_of_usd("0.001")


def budgets_provider():
    from doorward.providers.provider import Provider

    return Provider("openai", "OpenAI", "https://127.0.0.1:9")


async def test_idle_money_of_another_process_is_asked_for_before_a_refusal(both: str) -> None:
    lazy = LeaseTimes(ttl=20, margin=1, idle=30, flush=0.05, ask=0.6, poll=0.02, tick=0.05, refused=0.02)
    async with process(both, times=lazy) as one, process(both, times=lazy) as two:
        me = key("0.10")
        # the first call leases all of it, because it may need it, and uses a tenth
        await call(one, me, cents=10, usd="0.01")
        assert taken(both) == Decimal("0.10")
        page = await call(two, me, cents=5, usd="0.05")
        assert page.held == nanos_of_usd("0.05")
    assert spent(both) == Decimal("0.06")
    assert leased(both) == 0


async def test_unused_leases_go_home(url: str) -> None:
    async with process(url) as budgets:
        await call(budgets, key("100"))
        assert leased(url) > 0
        await eventually(lambda: leased(url) == 0)
        assert spent(url) == Decimal("0.01")


async def test_a_period_ends_with_calls_open(url: str) -> None:
    """A call belongs to the period in which it was admitted, however late it settles."""
    async with process(url) as budgets:
        me = key("0.05", "day")
        first = asyncio.create_task(call(budgets, me, cents=5, usd="0.05", sleep_s=0.8))
        await eventually(lambda: any(lease.held for pot in budgets.leasing.pots.values() for lease in pot.leases()))
        # tomorrow, by the database's clock
        ahead = budgets.leasing.wall

        budgets.leasing.wall = lambda: ahead() + 86_400  # type: ignore[method-assign]
        _look_anew(budgets)
        await call(budgets, me, cents=5, usd="0.02")
        await first
        await eventually(lambda: leased(url) == 0)
        assert sorted(row[0] for row in rows(url, "SELECT spent_nanos FROM budget_periods")) == [20_000_000, 50_000_000]


def _look_anew(budgets: Budgets) -> None:
    """At the periods' ends and what follows from them, which is otherwise done when they have come."""
    budgets.till._periods.clear()
    budgets.till._purses.clear()


async def test_a_jump_of_this_machine_s_clock_resets_no_period(url: str) -> None:
    class Jumping:
        def __init__(self) -> None:
            self.off = 0.0

        def monotonic(self) -> float:
            return time.monotonic()

        def wall(self) -> float:
            return time.time() + self.off

    clock = Jumping()
    async with process(url, clock=clock) as budgets:
        me = key("0.02", "day")
        await call(budgets, me)
        for jump in (86_400.0, -86_400.0, 3600.0):
            clock.off = jump
            _look_anew(budgets)
            await budgets.refresh()
        await call(budgets, me)
        with pytest.raises(BudgetExceeded):
            await call(budgets, me)
    assert len(rows(url, "SELECT period FROM budget_periods")) == 1


async def test_alerts_come_once_whatever_the_number_of_processes(both: str) -> None:
    sent: list[tuple[str, object]] = []

    class Hook:
        async def send(self, event: str, data: dict[str, object]) -> bool:
            sent.append((event, data["percent"]))
            return True

    from doorward.ledger.alerts import Alerts
    from doorward.store.budgets import BudgetRows
    from doorward.store.engine import Store

    store = await Store.open(both)
    alerts = [Alerts(BudgetRows(store), Hook()) for _ in range(2)]
    async with process(both, alerts=alerts[0]) as one, process(both, alerts=alerts[1]) as two:
        me = key("0.10")
        for number in range(10):
            await call((one, two)[number % 2], me)
            await asyncio.sleep(0.12)
        for budgets in (one, two):
            with pytest.raises(BudgetExceeded):
                await call(budgets, me)
        await eventually(lambda: len(sent) >= 3)
    await store.close()
    assert sorted(sent) == [("budget.reached", 50), ("budget.reached", 80), ("budget.reached", 100)] or sorted(
        p for _, p in sent
    ) == [50, 80, 100]


async def test_the_journal_is_written_before_anything_is_sent(url: str) -> None:
    written: list[int] = []

    class Journal:
        full = False

        def held(self, page: Entry, nanos: int) -> None:
            if self.full:
                from doorward.core.errors import Unavailable

                raise Unavailable("full")
            page.held = Nanos(nanos)
            written.append(nanos)

    journal = Journal()
    async with process(url, journal=journal, name="p1") as budgets:
        await call(budgets, key("1"))
        assert written == [10_000_000]
        journal.full = True
        with pytest.raises(Exception, match="full"):
            await call(budgets, key("1"))
        await eventually(lambda: leased(url) == 0)
    assert spent(url) == Decimal("0.01")


async def test_a_database_that_is_away_refuses_and_loses_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/doorward.db"
    async with process(url) as budgets:
        me = key("1")
        await call(budgets, me)
        away = budgets._leases.grow

        async def gone(*args, **kwargs):
            raise StoreError("away")

        budgets._leases.grow = gone
        budgets._leases.report, real = gone, budgets._leases.report
        await call(budgets, me)  # held against the lease that is there
        with pytest.raises(StoreError):
            await call(budgets, me, cents=90)
        await asyncio.sleep(0.3)
        budgets._leases.grow, budgets._leases.report = away, real
        await call(budgets, me)
        await eventually(lambda: leased(url) == 0)
        assert spent(url) == Decimal("0.03")
