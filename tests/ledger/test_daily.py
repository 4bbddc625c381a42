"""Days beside quarters of an hour: the same sums, a hundredth of the rows."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import text

from doorward.ledger.reports import BYS, Period, Reports
from doorward.store.book_check import BookCheck
from doorward.store.call_rows import CallRow, Settled
from doorward.store.calls import Calls
from doorward.store.engine import Store
from doorward.store.rollups import Rollups

DAY = 86_400
START = 1_790_000_000 // DAY * DAY


def row(number: int, started_at: float, chance: random.Random) -> Settled:
    call = CallRow(
        f"p-{number}", f"req_{number}", "p", f"user:{number % 3}", f"k{number % 3}", "web", f"{number % 3}",
        "/v1/chat/completions", '["a"]' if number % 2 else "[]", True, f"m{number % 4}", f"m{number % 4}", "openai", "acc", "done",
        200, None, "off", 0, chance.randrange(1000), 1, 2, 3, 0, None, "upstream", "", "v", started_at, 1.0, 2.0, started_at, "[]",
    )  # fmt: skip
    return Settled(call, [])


async def test_a_report_over_any_span_is_the_sum_of_its_quarters(calls: Calls, book_store: Store) -> None:
    chance = random.Random(4)
    rows = [row(n, START + chance.uniform(0, 4 * DAY), chance) for n in range(400)]
    await calls.absorb(rows[:250])
    await calls.absorb(rows[200:])  # some are there already
    reports = Reports(Rollups(book_store))
    for zone in ("UTC", "Asia/Kolkata", "America/New_York"):
        for _ in range(4):
            first = START + chance.randrange(0, 2 * DAY, 900)
            last = first + chance.randrange(900, 3 * DAY, 900)
            for by in BYS:
                found = await reports.usage(by, Period(first, last, ZoneInfo(zone)), owner=None)  # type: ignore[arg-type]
                within = [r.call for r in rows if first <= r.call.started_at < last and (by != "tag" or r.call.tags != "[]")]
                assert sum(each.calls for each in found) == len(within)
                assert sum(each.input_tokens for each in found) == sum(call.input_tokens for call in within)
                assert len({each.name for each in found}) == len(found)
    assert await BookCheck(book_store).findings() == []


async def test_verify_sees_a_day_that_was_changed(calls: Calls, book_store: Store) -> None:
    chance = random.Random(4)
    await calls.absorb([row(n, START + n, chance) for n in range(5)])
    async with book_store.writing() as connection:
        await connection.execute(text("UPDATE daily_rollups SET calls = calls + 1 WHERE tag = ''"))
    checks = [finding.check for finding in await BookCheck(book_store).findings()]
    assert checks == ["daily rollups that quarters do not add up to", "quarters that are not in the daily rollups"]


async def test_verify_sees_sums_of_an_owner_and_tallies_that_were_changed(calls: Calls, book_store: Store) -> None:
    chance = random.Random(4)
    ends = ["done", "failed", "cut", "gone", "crashed"]
    rows = []
    for number in range(60):
        made = row(number, START + number * 40, chance)
        call = msgspec.structs.replace(
            made.call,
            outcome=ends[number % 5],
            error_code="overloaded" if number % 10 == 1 else None,
            key_id=None if number % 7 == 0 else made.call.key_id,
            user_id=None if number % 6 == 0 else made.call.user_id,
            model_served=None if number % 9 == 0 else made.call.model_served,
            account_id=None if number % 8 == 0 else "acc",
            cache="hit" if number % 11 == 0 else "off",
            first_byte_ms=None if number % 4 == 0 else 7.0 * number,
        )
        rows.append(Settled(call, []))
    await calls.absorb(rows)
    assert [f for f in await BookCheck(book_store).findings() if "attempts" not in f.check] == []
    changes = {
        "UPDATE owner_rollups SET cost_nanos = cost_nanos + 1 WHERE owner = ''": "by owner",
        "DELETE FROM owner_rollups WHERE owner = 'user:1'": "by owner",
        "UPDATE tallies SET input_tokens = input_tokens + 1 WHERE kind = 'model' AND key_id = ''": "tallies",
        "DELETE FROM tallies WHERE kind = 'error'": "tallies",
        "UPDATE tallies SET calls = calls + 1 WHERE kind = 'first_byte' AND key_id <> ''": "tallies",
        "INSERT INTO refusals VALUES (1, 'o', '', '', '/v1', 'c', 0)": "refusals",
    }
    for change, word in changes.items():
        before = {finding.check for finding in await BookCheck(book_store).findings()}
        async with book_store.writing() as connection:
            await connection.execute(text(change))
        found = await BookCheck(book_store).findings()
        assert any(word in finding.check for finding in found), change
        assert before <= {finding.check for finding in found}
