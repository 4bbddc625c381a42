"""The book in the database: rows once, roll-ups that add up, each tenant its own; on SQLite and on PostgreSQL."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from doorward.ledger.records import Held, Opened
from doorward.ledger.replay import crashed
from doorward.ledger.reports import By, Period, Reports, as_csv, as_data, period
from doorward.ledger.rows import rows_of
from doorward.store.book_check import BookCheck
from doorward.store.call_rows import Refusal, Settled
from doorward.store.calls import Calls, Filter
from doorward.store.engine import Store
from doorward.store.groups import MEASURES
from doorward.store.rollups import Rollups

T0 = 1_800_000_000.0


def row(number: int, owner: str = "1", at: float = T0, **changes: Any) -> Settled:
    """A settled call of `user:<owner>` by key `key<owner>`."""
    opened = Opened(
        f"p-{number}",
        f"req_{number}",
        "p",
        f"user:{owner}",
        f"key{owner}",
        "web",
        owner,
        "/v1/chat/completions",
        (),
        False,
        "m",
        at,
        70,
    )
    made = rows_of(crashed(opened, Held(f"p-{number}", 500, "openai", "acc", "m"), at + 1))
    cost = changes.pop("cost_nanos", 100 + number)
    defaults = {"outcome": "done", "source": "upstream", "reason": "", "status": 200, "cost_nanos": cost, "output_tokens": 5}
    call = msgspec.structs.replace(made.call, **{**defaults, **changes})
    attempt = msgspec.structs.replace(made.attempts[0], source=call.source, cost_nanos=cost, output_tokens=5, state="done")
    return Settled(call, [attempt])


SPAN = Period(T0 - 86400, T0 + 86400, period(None, None, "UTC", T0).zone)


async def test_a_row_is_booked_once_with_all_that_belongs_to_it(book_store: Store, calls: Calls) -> None:
    rows = [row(n) for n in range(50)]
    assert await calls.absorb(rows) == 50
    assert await calls.absorb(rows[:20] + [row(50)]) == 1
    totals = await BookCheck(book_store).totals()
    assert (totals.calls, totals.attempts, totals.rolled_calls) == (51, 51, 51)
    assert totals.cost_nanos == sum(100 + n for n in range(51))
    assert await BookCheck(book_store).findings() == []


async def test_a_batch_is_written_whole_or_not_at_all(book_store: Store, calls: Calls) -> None:
    spoilt = row(2)
    spoilt.attempts.append(spoilt.attempts[0])  # the same attempt twice: the database refuses it
    with pytest.raises(Exception):  # noqa: B017 - whichever error the driver has for it
        await calls.absorb([row(1), spoilt])
    totals = await BookCheck(book_store).totals()
    assert (totals.calls, totals.attempts, totals.rolled_calls) == (0, 0, 0)


@given(st.data())
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_rollups_are_the_sums_of_calls(book_store: Store, calls: Calls, data: st.DataObject) -> None:
    chance = random.Random(data.draw(st.integers()))
    salt = chance.randrange(10**9)
    rows = [
        row(
            salt * 1000 + n,
            owner=chance.choice("123"),
            at=T0 + chance.randrange(-5000, 5000),
            model_served=chance.choice(["a", "b"]),
            tags=chance.choice(["[]", '["x"]', '["x","y"]']),
            cost_nanos=chance.choice([None, 0, 7, 10**12]),
            source=chance.choice(["upstream", "counted"]),
            held_nanos=None,
            outcome=chance.choice(["done", "cut", "refused"]),
            cache=chance.choice(["off", "hit"]),
        )
        for n in range(60)
    ]
    for start in range(0, 60, 17):
        await calls.absorb(rows[start : start + 17])
    assert await BookCheck(book_store).findings() == []


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE rollups SET cost_nanos = cost_nanos + 1 WHERE tag = ''", "rollups that calls do not add up to"),
        ("DELETE FROM rollups WHERE tag <> ''", "tagged calls that are not in the rollups"),
        ("UPDATE calls SET cost_nanos = cost_nanos + 1 WHERE opening = 'p-1'", "calls whose cost is not the sum of their attempts"),
        ("DELETE FROM attempts WHERE opening = 'p-1'", "calls whose number of attempts is wrong"),
        ("DELETE FROM calls WHERE opening = 'p-1'", "attempts without a call"),
        ("UPDATE calls SET source = 'estimated', held_nanos = 1 WHERE opening = 'p-1'", "amounts of ours above what was held"),
    ],
)
async def test_verify_finds_each_kind_of_damage(book_store: Store, calls: Calls, damage: str, found: str) -> None:
    await calls.absorb([row(n, tags='["x"]') for n in range(5)])
    async with book_store.writing() as connection:
        await connection.execute(text(damage))
    assert found in {finding.check for finding in await BookCheck(book_store).findings()}


async def test_inexact_amounts_are_listed_with_their_reason(book_store: Store, calls: Calls) -> None:
    await calls.absorb(
        [row(1), row(2, source="counted", reason="the client left"), row(3, source="counted", reason="the client left")]
    )
    [listed] = await BookCheck(book_store).inexact()
    assert (listed.source, listed.reason, listed.calls) == ("counted", "the client left", 2)
    assert set(listed.examples) == {"req_2", "req_3"}


async def test_two_tenants_never_see_each_other(calls: Calls, book_store: Store) -> None:
    await calls.absorb([row(1, "1"), row(2, "2"), row(3, "2", id="req_1")])
    assert [c.id for c in await calls.page(Filter(owner="user:1"), 10)] == ["req_1"]
    assert await calls.one("req_2", "user:1") is None
    mine = await calls.one("req_1", "user:1")
    theirs = await calls.one("req_1", "user:2")
    assert mine is not None
    assert theirs is not None
    assert (mine[0].opening, theirs[0].opening) == ("p-1", "p-3")
    assert await calls.one("req_1", None) is not None
    reports = Reports(Rollups(book_store))
    [usage] = await reports.usage("key", SPAN, owner="user:1")
    assert (usage.key_id, usage.calls) == ("key1", 1)


async def test_pages_show_every_call_once_newest_first(calls: Calls) -> None:
    # several calls of one moment: the id settles their order
    await calls.absorb([row(n, at=T0 + n // 3) for n in range(20)])
    seen: list[str] = []
    after = None
    while page := await calls.page(Filter(), 3, after):
        seen += [call.id for call in page]
        after = (page[-1].started_at, page[-1].id)
    assert len(seen) == 20 == len(set(seen))
    times = [int(call_id.removeprefix("req_")) // 3 for call_id in seen]
    assert times == sorted(times, reverse=True)


async def test_filters_narrow(calls: Calls) -> None:
    await calls.absorb(
        [
            row(1, tags='["a","b"]'),
            row(2, tags='["ab"]', outcome="cut", source="counted"),
            row(3, model_asked="alias", status=404, at=T0 + 100),
        ]
    )

    async def ids(**wanted: Any) -> set[str]:
        return {call.id for call in await calls.page(replace(Filter(), **wanted), 10)}

    assert await ids(tag="a") == {"req_1"}
    assert await ids(tag="%") == set()
    assert await ids(outcome="cut") == {"req_2"} == await ids(source="counted")
    assert await ids(model="alias") == {"req_3"} == await ids(status=404) == await ids(from_s=T0 + 1)
    assert await ids(to_s=T0 + 1, key_id="key1") == {"req_1", "req_2"}


async def test_refusals_add_up_by_minute(calls: Calls) -> None:
    refusal = Refusal(30_000_000, "user:1", "key1", "1", "/v1/chat/completions", "budget_exceeded")
    await calls.absorb((), [(refusal, 2)])
    await calls.absorb((), [(refusal, 3), (msgspec.structs.replace(refusal, owner="user:2"), 1)])
    assert await calls.refused(Filter(owner="user:1"), 10) == [(refusal, 5)]


@pytest.mark.parametrize("by", ["key", "user", "model", "tag", "day", "provider", "endpoint"])
async def test_reports_add_up_by_everything(calls: Calls, book_store: Store, by: By) -> None:
    await calls.absorb([row(n, str(n % 2), tags='["t"]', cost_nanos=None if n == 9 else 1000) for n in range(10)])
    rows = await Reports(Rollups(book_store)).usage(by, SPAN, owner=None)
    assert sum(r.calls for r in rows) == 10
    assert sum(r.cost_nanos for r in rows) == 9000
    assert sum(r.unknown_cost_calls for r in rows) == 1
    assert sum(r.output_tokens for r in rows) == 50
    named = {"key": 2, "user": 2}.get(by, 1)
    assert len(rows) == named
    data = as_data(rows[0], by)
    assert {"calls", "input_tokens", "output_tokens", "cost_usd", "unknown_cost_calls"} <= set(data)
    assert len(as_csv(rows, by).splitlines()) == named + 1


async def test_a_day_is_a_day_of_the_zone(calls: Calls, book_store: Store) -> None:
    # 2026-11-01 is Berlin's winter time: its days begin at 23:00 UTC; Kathmandu's at 18:15 UTC
    evening = 1_793_570_400.0 - 1793570400 % 86400 + 22.75 * 3600
    await calls.absorb([row(1, at=evening - 0.5 * 3600), row(2, at=evening + 0.5 * 3600)])
    reports = Reports(Rollups(book_store))

    async def days(zone: str) -> list[int]:
        over = replace(period(None, None, zone, evening + 86400), from_s=evening - 5 * 86400)
        return [r.calls for r in await reports.usage("day", over, owner=None)]

    assert await days("Europe/Berlin") == [1, 1]
    assert await days("UTC") == [2]
    assert await days("Asia/Kathmandu") == [2]


def test_a_measure_of_a_row_is_a_measure_of_the_rollup() -> None:
    from doorward.ledger.reports import UsageRow

    assert tuple(UsageRow.__slots__)[2:] == MEASURES


def test_a_name_cannot_become_a_formula() -> None:
    from doorward.ledger.reports import UsageRow

    assert "'=SUM(A1)" in as_csv([UsageRow("=SUM(A1)", None, *(0,) * 10)], "tag")


async def test_reports_stay_quick_on_many_rollups(book_store: Store, calls: Calls) -> None:
    """The page reads roll-ups only: 20,000 calls of 30 days are summed in well under a second."""
    import time

    await calls.absorb([row(n, str(n % 20), at=T0 - (n % 2880) * 900) for n in range(20_000)])
    began = time.perf_counter()
    rows = await Reports(Rollups(book_store)).usage("key", Period(T0 - 30 * 86400, T0 + 900, SPAN.zone), owner=None)
    assert sum(r.calls for r in rows) == 20_000
    assert time.perf_counter() - began < 2.0
