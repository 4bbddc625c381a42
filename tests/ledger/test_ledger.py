"""One entry for each call, settled once, however the call ends; nothing is lost, whatever happens to us."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.counts import count
from tests.ledger.conftest import CHAT, MemoryShelf, answered, caller, exchange

from doorward.core.clock import SystemClock
from doorward.core.errors import BudgetExceeded, Unavailable, UpstreamLost
from doorward.core.exchange import Exchange
from doorward.core.money import Nanos
from doorward.core.usage import Source, Usage
from doorward.ledger import book
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.ledger.journal import SETTLING_BYTES
from doorward.ledger.ledger import Ledger
from doorward.ledger.unbroken import unbroken
from doorward.providers.prices import Prices
from doorward.store.call_rows import CallRow


async def moved(shelf: MemoryShelf, rows: int) -> list[CallRow]:
    """The calls on the shelf once there are so many; the book has a second for it."""
    for _ in range(200):
        if len(shelf.rows) >= rows:
            break
        await asyncio.sleep(0.02)
    return [row.call for row in shelf.rows.values()]


async def ends_in(
    error: BaseException, ledger: Ledger, doing: Callable[[Entry], object] = answered, came: Exchange | None = None
) -> None:
    async with ledger.entry(caller(), came or exchange(), CHAT) as entry:
        doing(entry)
        raise error


async def test_a_call_that_went_well_has_one_row(ledger: Ledger, shelf: MemoryShelf) -> None:
    async with ledger.entry(caller(), exchange("req_good"), CHAT, ("a", "b")) as entry:
        ledger.held(entry, 9000)
        answered(entry, 1234)
    [call] = await moved(shelf, 1)
    assert (call.id, call.outcome, call.status, call.cost_nanos, call.held_nanos) == ("req_good", "done", 200, 1234, 9000)
    assert (call.owner, call.key_id, call.user_id, call.tags) == ("user:1", "key1", "1", '["a","b"]')
    assert (call.input_tokens, call.output_tokens, call.source, call.price_version) == (10, 5, "upstream", "test")
    assert '"route"' in call.facts
    assert ledger.open_calls == 0


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(UpstreamLost("lost"), "failed"), (asyncio.CancelledError(), "cut"), (RuntimeError("bug"), "cut")],
)
async def test_every_bad_end_settles_once_and_goes_on(
    ledger: Ledger, shelf: MemoryShelf, error: BaseException, outcome: str
) -> None:
    with pytest.raises(type(error)):
        await ends_in(error, ledger)
    [call] = await moved(shelf, 1)
    assert (call.outcome, call.cost_nanos) == (outcome, 1000)
    assert ledger.open_calls == 0


async def test_a_client_that_left_is_told_apart(ledger: Ledger, shelf: MemoryShelf) -> None:
    came = exchange()
    came.gone.happen()
    with pytest.raises(asyncio.CancelledError):
        await ends_in(asyncio.CancelledError(), ledger, came=came)
    [call] = await moved(shelf, 1)
    assert call.outcome == "gone"


def sent(entry: Entry, state: AttemptState, status: int | None = None) -> Attempt:
    attempt = Attempt(len(entry.attempts) + 1, "openai", "acc_1", "gpt-4o-mini", entry.started_s, state, status)
    entry.attempts.append(attempt)
    return attempt


async def test_a_lost_answer_is_charged_its_hold_with_the_reason(ledger: Ledger, shelf: MemoryShelf) -> None:
    def lose(entry: Entry) -> None:
        ledger.held(entry, 77_000)
        sent(entry, AttemptState.AMBIGUOUS)

    with pytest.raises(UpstreamLost):
        await ends_in(UpstreamLost("lost"), ledger, lose)
    [call] = await moved(shelf, 1)
    assert (call.cost_nanos, call.source, call.held_nanos) == (77_000, "estimated", 77_000)
    assert "answer was lost" in call.reason


async def test_a_stream_left_before_it_began_costs_its_input(ledger: Ledger, shelf: MemoryShelf) -> None:
    came = exchange(stream=True)

    def leave(entry: Entry) -> None:
        ledger.held(entry, 77_000)
        sent(entry, AttemptState.CONNECTING).was_sent()
        came.gone.happen()

    with pytest.raises(asyncio.CancelledError):
        await ends_in(asyncio.CancelledError(), ledger, leave, came)
    [call] = await moved(shelf, 1)
    assert call.cost_nanos is not None
    assert 0 < call.cost_nanos < 77_000
    assert (call.outcome, call.source) == ("gone", "estimated")
    assert "left before" in call.reason


async def test_what_a_lost_answer_costs_is_known_before_the_ledger_settles(ledger: Ledger) -> None:
    """Budgets settle first: they must see the same amount as the book."""
    async with ledger.entry(caller(), exchange(), CHAT) as entry:
        ledger.held(entry, 77_000)
        sent(entry, AttemptState.AMBIGUOUS)
        assert entry.cost is None
        assert not entry.is_metered
        await unbroken(entry.metered())
        assert entry.cost == 77_000
        assert entry.is_metered


async def test_a_lost_answer_without_a_hold_costs_its_input_at_least(ledger: Ledger, shelf: MemoryShelf) -> None:
    async with ledger.entry(caller(), exchange(), CHAT) as entry:
        sent(entry, AttemptState.SENT)
    [call] = await moved(shelf, 1)
    assert call.cost_nanos
    assert call.source == "estimated"
    assert call.input_tokens > 0


@pytest.mark.parametrize(
    ("state", "status"),
    [(AttemptState.CONNECTING, None), (AttemptState.FAILED, 429), (AttemptState.DONE, 400), (AttemptState.PLANNED, None)],
)
async def test_what_was_not_sent_or_was_refused_costs_nothing(
    ledger: Ledger, shelf: MemoryShelf, state: AttemptState, status: int | None
) -> None:
    async with ledger.entry(caller(), exchange(), CHAT) as entry:
        ledger.held(entry, 77_000)
        sent(entry, state, status)
    [call] = await moved(shelf, 1)
    assert (call.cost_nanos, call.source, call.input_tokens) == (0, "upstream", 0)


async def test_several_holds_are_charged_apart(ledger: Ledger, shelf: MemoryShelf) -> None:
    async with ledger.entry(caller(), exchange(), CHAT) as entry:
        ledger.held(entry, 50_000)
        sent(entry, AttemptState.AMBIGUOUS).held = Nanos(20_000)
        answered(entry, 1234)
    [call] = await moved(shelf, 1)
    assert call.cost_nanos == 21_234
    assert call.source == "estimated"


async def test_an_unknown_price_is_unknown_and_never_0(ledger: Ledger, shelf: MemoryShelf) -> None:
    async with ledger.entry(caller(), exchange(), CHAT) as entry:
        attempt = answered(entry)
        attempt.cost = None
    [call] = await moved(shelf, 1)
    assert call.cost_nanos is None
    assert call.source == "upstream"


class SlowTap:
    """A tap that needs a while to count, as a tokenizer does when it is loaded."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.finished = False
        self.times = 0

    async def finish(self) -> None:
        self.times += 1
        await asyncio.sleep(0.05)
        self.attempt.usage = Usage(10, output_tokens=3, source=Source.COUNTED)
        self.attempt.cost, self.attempt.price_version = Nanos(333), "test"
        self.finished = True


async def test_counting_a_cut_answer_is_not_interrupted(ledger: Ledger, shelf: MemoryShelf) -> None:
    async def call() -> None:
        async with ledger.entry(caller(), exchange(), CHAT) as entry:
            entry.taps.append(SlowTap(sent(entry, AttemptState.FIRST_EVENT, 200)))
            await asyncio.sleep(10)

    task = asyncio.create_task(call())
    await asyncio.sleep(0.02)
    for _ in range(5):
        task.cancel()
        await asyncio.sleep(0.005)
    with pytest.raises(asyncio.CancelledError):
        await task
    [row] = await moved(shelf, 1)
    assert (row.cost_nanos, row.source, row.outcome) == (333, "counted", "cut")


async def test_unbroken_raises_what_the_work_raises() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await unbroken(work())


async def test_refusals_are_counted_and_a_few_are_kept_whole(ledger: Ledger, shelf: MemoryShelf) -> None:
    for _ in range(3):
        for _ in range(20):
            with pytest.raises(BudgetExceeded):
                async with ledger.entry(caller(), exchange(), CHAT):
                    raise BudgetExceeded("used up")
        await moved(shelf, book.SAMPLED)
        await asyncio.sleep(0.3)  # the counts have moved on, and a minute's samples are still taken
    rows = await moved(shelf, book.SAMPLED)
    assert sum(shelf.refusals.values()) == 60
    assert {refusal.code for refusal in shelf.refusals} == {"budget_exceeded"}
    assert book.SAMPLED <= len(rows) <= 2 * book.SAMPLED, "samples of one minute, or of two"
    assert {(row.outcome, row.cost_nanos, row.error_code) for row in rows} == {("refused", 0, "budget_exceeded")}
    assert {row.facts for row in rows} == {'[["refused",{"says":"used up"}]]'}


async def test_what_we_answer_ourselves_is_no_upstream_call(ledger: Ledger, shelf: MemoryShelf) -> None:
    async with ledger.entry(caller(), exchange(), "/v1/models"):
        pass
    async with ledger.entry(caller(), exchange(), CHAT) as entry:
        entry.cache = "hit"
    [row] = await moved(shelf, 1)
    assert (row.cache, row.cost_nanos, row.outcome) == ("hit", 0, "done")
    assert not shelf.refusals


async def test_one_request_id_sent_twice_makes_two_rows(ledger: Ledger, shelf: MemoryShelf) -> None:
    async with ledger.entry(caller(), exchange("req_same"), CHAT) as first:
        answered(first)
        async with ledger.entry(caller("2"), exchange("req_same"), CHAT) as second:
            answered(second)
    rows = await moved(shelf, 2)
    assert [row.id for row in rows] == ["req_same", "req_same"]
    assert {row.owner for row in rows} == {"user:1", "user:2"}


async def test_while_the_database_is_away_nothing_is_lost(
    ledger: Ledger, shelf: MemoryShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "MEMORY_ROWS", 50)  # the rest waits in the journal alone
    monkeypatch.setattr(book, "RETRY_S", 0.02)
    shelf.away = True
    for _ in range(300):
        async with ledger.entry(caller(), exchange(), CHAT) as entry:
            answered(entry)
    await asyncio.sleep(0.3)
    assert not shelf.rows
    assert ledger.book.waiting == 300
    shelf.away = False
    assert len(await moved(shelf, 300)) == 300
    assert sum(row.cost_nanos or 0 for row in await moved(shelf, 300)) == 300_000


async def test_what_could_not_be_moved_is_moved_by_the_next_start(tmp_path: Path, prices: Prices) -> None:
    away, back = MemoryShelf(), MemoryShelf()
    away.away = True
    first = Ledger(tmp_path, "first", away, prices, SystemClock())
    await first.start()
    for _ in range(40):
        async with first.entry(caller(), exchange(), CHAT) as entry:
            answered(entry)
    await first.stop()
    told: list[tuple[str, int]] = []

    async def replayed(process: str, rows: object) -> None:
        told.append((process, len(rows)))  # type: ignore[arg-type]  # a sequence

    second = Ledger(tmp_path, "second", back, prices, SystemClock(), replayed=replayed)
    await second.start()
    rows = await moved(back, 40)
    await second.stop()
    assert len(rows) == 40
    assert {row.outcome for row in rows} == {"done"}
    assert told == [("first", 40)]
    assert list(tmp_path.iterdir()) == []


async def test_an_opening_without_a_hold_is_settled_too(tmp_path: Path, prices: Prices) -> None:
    shelf = MemoryShelf()
    dead = Ledger(tmp_path, "dead", shelf, prices, SystemClock())
    dead.journal.open()
    entry = await dead.entry(caller(), exchange("req_open"), CHAT).__aenter__()
    dead.begin(entry)  # its first attempt is about to be sent
    dead.journal.close()  # as a kill does: the lock is gone, the opening stays
    living = Ledger(tmp_path, "living", shelf, prices, SystemClock())
    await living.start()
    [row] = await moved(shelf, 1)
    await living.stop()
    assert (row.id, row.outcome, row.cost_nanos, row.source) == ("req_open", "crashed", None, "estimated")
    assert "nothing was held" in row.reason


async def test_moving_twice_changes_nothing(ledger: Ledger, shelf: MemoryShelf, tmp_path: Path) -> None:
    async with ledger.entry(caller(), exchange(), CHAT) as entry:
        answered(entry)
    await moved(shelf, 1)
    assert await ledger.book.absorb(list(shelf.rows.values())) == 0


async def test_a_full_disk_refuses_before_anything_is_sent(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for what_comes_first in ("attempt", "hold"):
        with pytest.raises(Unavailable):  # noqa: PT012  the entry is refused inside its own block
            async with ledger.entry(caller(), exchange(), CHAT) as entry:
                if what_comes_first == "hold":
                    ledger.held(entry, 1000)
                else:
                    entry.begins(Attempt(1, "openai", "acc_1", "gpt-4o-mini", 0.0))
        assert entry.attempts == []
    assert ledger.open_calls == 0


async def test_what_looks_like_a_key_is_in_no_name(ledger: Ledger, shelf: MemoryShelf) -> None:
    """Clients send keys as models and tags, upstreams say them back: neither journal nor row has one."""
    key = "sk-proj-Canary9fK2mQ7xT4vB8nL1pZ6wR3yD5hJ0cA"
    async with ledger.entry(caller(), exchange(model=key), CHAT, (key,)) as entry:
        ledger.held(entry, 9000)
        attempt = answered(entry)
        entry.route = replace(entry.route, asked=key, why=f"{key} was asked for") if entry.route is not None else None
        attempt.model = entry.model_served = attempt.upstream_id = key
        attempt.reason = f"said {key}"
    [call] = await moved(shelf, 1)
    assert key not in repr(shelf.rows[call.opening])
    assert all(key.encode() not in path.read_bytes() for path in ledger.journal.directory.iterdir())
    assert call.model_asked != "gpt-4o-mini"


async def test_a_row_says_what_was_so_when_the_call_ended(ledger: Ledger, shelf: MemoryShelf) -> None:
    async with ledger.entry(caller(), exchange(), CHAT) as entry:
        attempt = answered(entry, 1234)
        entry.note("wait", s=1)
    attempt.cost, attempt.state = Nanos(9), AttemptState.AMBIGUOUS
    entry.facts.clear()
    [call] = await moved(shelf, 1)
    assert (call.cost_nanos, shelf.rows[call.opening].attempts[0].state) == (1234, "done")
    assert '"wait"' in call.facts


async def test_steps_without_end_leave_room_for_the_amounts(ledger: Ledger, shelf: MemoryShelf) -> None:
    async with ledger.entry(caller(), exchange(), CHAT) as entry:
        ledger.held(entry, 9000)
        answered(entry, 1234)
        for number in range(5_000):
            entry.note("wait", s=number)
    [call] = await moved(shelf, 1)
    assert call.cost_nanos == 1234
    assert len(call.facts) < 5_000
    assert '"left_out"' in call.facts
    assert '"route"' in call.facts
    [path] = ledger.journal.directory.glob("*.journal")
    assert len(path.read_bytes().rstrip(b"\0")) < 2 * SETTLING_BYTES


async def test_tail_sees_calls_as_they_are_settled(ledger: Ledger) -> None:
    following = ledger.subscribe()
    first = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    async with ledger.entry(caller(), exchange("req_live"), CHAT) as entry:
        answered(entry)
    assert (await first).id == "req_live"
    await following.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_killed_at_random_every_opened_call_has_exactly_one_row(tmp_path: Path, prices: Prices) -> None:
    """SIGKILL while calls are opened, held and settled: what was let in is charged, once."""
    for number in range(count("SIGKILL of a writer", small=3, full=200)):
        directory = tmp_path / str(number)
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.ledger.writer", str(directory), f"w{number}", stdout=asyncio.subprocess.PIPE
        )
        assert writer.stdout is not None
        seen = [await writer.stdout.readline()]
        await asyncio.sleep(random.random() * 0.2)
        writer.send_signal(signal.SIGKILL)
        seen += (await writer.stdout.read()).splitlines()
        await writer.wait()
        let_in = {line.split()[1].decode() for line in seen if line.startswith(b"in ")}
        done = {line.split()[1].decode() for line in seen if line.startswith(b"done ")}
        shelf = MemoryShelf()
        ledger = Ledger(directory, "next", shelf, prices, SystemClock())
        await ledger.start()
        await moved(shelf, len(let_in))
        await ledger.stop()
        assert let_in <= set(shelf.rows), "an opened call without a row"
        assert len(set(shelf.rows) - let_in) <= 8, "rows of calls that were just being opened, at most"
        for opening, row in shelf.rows.items():
            if opening in done:
                assert (row.call.outcome, row.call.cost_nanos) == ("done", 5000)
            else:
                assert (row.call.outcome, row.call.cost_nanos) in (("crashed", 77_000), ("crashed", None), ("done", 5000))
        assert list(directory.iterdir()) == []
