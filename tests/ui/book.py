"""A book of calls as a month of a small company writes it: keys, users, models, failovers, limits, a cache, odd prices."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
from tests.house import House

from doorward.core.caller import KeyLimits
from doorward.core.client_key import make
from doorward.core.secret import Secret
from doorward.ledger.holds import Hold
from doorward.store.call_rows import AttemptRow, CallRow, Refusal, Settled
from doorward.store.calls import Calls
from doorward.store.client_keys import KeyRow

MODELS = (
    ("gpt-4o", 2500, 10_000),
    ("gpt-4o-mini", 150, 600),
    ("o3", 2000, 8000),
    ("text-embedding-3-small", 20, 0),
    ("gpt-5-mini", 250, 2000),
)
"""Name, and nano-dollars of an input and an output token."""
LABELS = ("mobile app", "support bot", "nightly summaries", "search", "data team notebook", "staging")
DAY_S = 86_400.0


@dataclass
class Book:
    keys: dict[str, str] = field(default_factory=dict)
    """Label -> public id."""
    users: dict[str, str] = field(default_factory=dict)
    """E-mail -> id."""
    accounts: dict[str, str] = field(default_factory=dict)
    """Label -> id."""
    rescued: str = "req_01JD8Y4QK2WVBT6M3X9ZC5RNEP"
    """A call that the second account answered."""
    refused: str = "req_01JD8Y5A7HD2T9K4W6QXV3MSFB"
    unknown: str = "req_01JD8Y5M3PGZJ8R1C4V7KXB2ND"
    """Its price is not known."""


async def fill(door: House, calls: int = 3000, days: float = 30, seed: int = 7) -> Book:
    """People, accounts and keys by the house's own means; rows as the ledger would settle them."""
    book = Book()
    users = door.app.people.desk.users
    for email in ("ben@example.com", "cleo@example.com"):
        book.users[email] = (await users.add(email, "user", Secret("correct horse battery"), actor="operator")).id
    for label, owner in (("main-1", "Example Ltd"), ("main-2", "Example Ltd"), ("reserve", None)):
        book.accounts[label] = (await door.account("openai", label=label, quota_owner=owner)).id
    now_s = door.app.clock.wall()
    for index, label in enumerate(LABELS):
        public_id, _, digest = make()
        limits = KeyLimits(rpm=60, tpm=90_000, concurrency=8) if index < 2 else KeyLimits()
        owner = book.users["ben@example.com"] if label == "data team notebook" else None
        row = KeyRow(
            public_id=public_id,
            digest=digest,
            label=label,
            owner_user_id=owner,
            limits=limits,
            expires_at=now_s + (3 + 30 * index) * DAY_S,
        )
        await door.app.ground.client_keys.add(row)
        book.keys[label] = public_id
    rows = many(book, calls, days, now_s, seed)
    rows += [rescued(book, now_s - 60), refused(book, now_s - 90), unknown(book, now_s - 120)]
    store = Calls(door.app.ground.store)
    minute = int(now_s // 60)
    refusals = [
        (
            Refusal(minute - back * 37, "operator", book.keys["support bot"], "", "/v1/chat/completions", "rate_limit_exceeded"),
            3 + back,
        )
        for back in range(20)
    ]
    for start in range(0, len(rows), 2000):
        await store.absorb(rows[start : start + 2000], refusals if start == 0 else ())
    return book


def many(book: Book, calls: int, days: float, now_s: float, seed: int = 7) -> list[Settled]:
    """`calls` rows over `days`, more by day than by night, the newest a few seconds ago."""
    chance = random.Random(seed)
    labels, accounts = list(book.keys.items()), list(book.accounts.values())
    rows = []
    for number in range(calls):
        back = days * DAY_S * chance.random() ** 1.3
        at = now_s - 5 - back
        hour = (at % DAY_S) / 3600
        if not 7 < hour < 20 and chance.random() < 0.7:
            at += (13 - hour) * 3600
            at = min(at, now_s - 5)
        model, reads, writes = chance.choices(MODELS, (30, 45, 8, 12, 5))[0]
        label, key = chance.choices(labels, (9, 7, 4, 4, 2, 1))[0]
        rows.append(_row(book, number, at, model, reads, writes, label, key, chance.choice(accounts[:2]), chance))
    return rows


def _row(
    book: Book,
    number: int,
    at: float,
    model: str,
    reads: int,
    writes: int,
    label: str,
    key: str,
    account: str,
    chance: random.Random,
) -> Settled:
    failed, cached = chance.random() < 0.012, chance.random() < 0.18
    tokens_in = int(chance.lognormvariate(6.3, 0.9))
    tokens_out = 0 if "embedding" in model else int(chance.lognormvariate(5.2, 0.8))
    first = chance.lognormvariate(5.9, 0.5)
    status, code = (
        (chance.choice(((502, "upstream_lost"), (504, "upstream_silent"), (429, "insufficient_quota"), (500, "server_error"))))
        if failed
        else (200, None)
    )
    cost = 0 if failed or cached else tokens_in * reads + tokens_out * writes
    user = book.users["ben@example.com"] if label == "data team notebook" else None
    call = _call(
        f"seed-{number}",
        f"req_{chance.getrandbits(96):024x}",
        at,
        owner=f"user:{user}" if user else f"key:{key}",
        key_id=key,
        key_label=label,
        user_id=user,
        endpoint="/v1/embeddings" if "embedding" in model else "/v1/chat/completions",
        streamed=chance.random() < 0.6,
        model_asked=model,
        model_served=model,
        account_id=None if cached else account,
        outcome="failed" if failed else "done",
        status=status,
        error_code=code,
        cache="hit" if cached else "miss",
        attempts=0 if cached else 1,
        input_tokens=0 if cached or failed else tokens_in,
        output_tokens=0 if cached or failed else tokens_out,
        cost_nanos=cost,
        first_byte_ms=None if failed else 4.0 if cached else first,
        duration_ms=5.0 if cached else first + tokens_out * 12,
        tags='["web"]' if chance.random() < 0.3 else "[]",
    )
    return Settled(call, [] if cached else [_attempt(call, 1, account, 1.4, "failed" if failed else "done", status)])


def rescued(book: Book, at: float) -> Settled:
    """`Answered by main-2 after main-1 was rate-limited.`"""
    facts = [
        ("limits", {"left": {"rpm": [46, 60], "tpm": [87_790, 90_000], "seats": [7, 8]}}),
        ("route", {"why": "gpt-4o at openai"}),
        (
            "hold",
            {
                "worst": Hold(13_400_000, "", "gpt-4o", 812, 1000),
                "of": [(f"key:{book.keys['mobile app']}", "2026-11", 10_000_000_000)],
                "free": [3_190_000_000],
            },
        ),
    ]
    call = _call(
        "seed-rescued",
        book.rescued,
        at,
        **_of(book, "mobile app"),
        input_tokens=812,
        cached_tokens=512,
        output_tokens=214,
        cost_nanos=2_100_000,
        held_nanos=13_400_000,
        attempts=2,
        first_byte_ms=521.0,
        duration_ms=2310.0,
        streamed=True,
        account_id=book.accounts["main-2"],
        facts=msgspec.json.encode(facts).decode(),
    )
    first = _attempt(
        call, 1, book.accounts["main-1"], 2.0, "failed", 429, reason="rate_limit_exceeded, rests 12 s", cost=0, ended=117.0
    )
    second = _attempt(call, 2, book.accounts["main-2"], 119.0, "done", 200, first=521.0, ended=2310.0)
    return Settled(call, [first, second])


def refused(book: Book, at: float) -> Settled:
    facts: list[tuple[str, dict[str, Any]]] = [
        ("limits", {"left": {"rpm": [0, 60], "tpm": [80_000, 90_000]}}),
        ("refused", {"says": "This key's limit of 60 requests a minute is reached. Try again in 0.82 s."}),
    ]
    return Settled(
        _call(
            "seed-refused",
            book.refused,
            at,
            **{**_of(book, "support bot"), "model_served": None},
            outcome="refused",
            status=429,
            error_code="rate_limit_exceeded",
            attempts=0,
            input_tokens=0,
            output_tokens=0,
            cost_nanos=0,
            duration_ms=0.6,
            first_byte_ms=None,
            cache="off",
            provider_id=None,
            facts=msgspec.json.encode(facts).decode(),
        ),
        [],
    )


def unknown(book: Book, at: float) -> Settled:
    call = _call(
        "seed-unknown",
        book.unknown,
        at,
        **{**_of(book, "search"), "model_asked": "ft:gpt-4o:house", "model_served": "ft:gpt-4o:house"},
        input_tokens=40,
        output_tokens=12,
        cost_nanos=None,
        reason="the model has no price",
        source="counted",
        first_byte_ms=300.0,
        duration_ms=900.0,
        account_id=book.accounts["reserve"],
    )
    return Settled(call, [_attempt(call, 1, book.accounts["reserve"], 1.0, "done", 200, cost=None)])


def _of(book: Book, label: str) -> dict[str, Any]:
    return {
        "owner": f"key:{book.keys[label]}",
        "key_id": book.keys[label],
        "key_label": label,
        "model_asked": "gpt-4o",
        "model_served": "gpt-4o",
    }


def _call(opening: str, id: str, at: float, **changes: Any) -> CallRow:
    usual: dict[str, Any] = {
        "process": "seed",
        "user_id": None,
        "endpoint": "/v1/chat/completions",
        "tags": "[]",
        "streamed": False,
        "provider_id": "openai",
        "account_id": None,
        "outcome": "done",
        "status": 200,
        "error_code": None,
        "cache": "miss",
        "attempts": 1,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "held_nanos": None,
        "source": "upstream",
        "reason": "",
        "price_version": "genai-prices 2026-11",
        "settled_at": at + 1,
        "facts": "[]",
    }
    return CallRow(opening=opening, id=id, started_at=at, **{**usual, **changes})


def _attempt(
    call: CallRow,
    number: int,
    account: str,
    started: float,
    state: str,
    status: int | None,
    *,
    reason: str = "",
    cost: int | None = -1,
    first: float | None = None,
    ended: float | None = None,
) -> AttemptRow:
    return AttemptRow(
        opening=call.opening,
        number=number,
        provider_id="openai",
        account_id=account,
        model=call.model_served,
        state=state,
        status=status,
        upstream_id=None,
        reason=reason,
        input_tokens=call.input_tokens if state == "done" else 0,
        cached_tokens=0,
        output_tokens=call.output_tokens if state == "done" else 0,
        reasoning_tokens=0,
        units="{}",
        cost_nanos=call.cost_nanos if cost == -1 else cost,
        held_nanos=None,
        source=call.source,
        price_version=call.price_version,
        started_ms=started,
        first_event_ms=first if first is not None else call.first_byte_ms if state == "done" else None,
        ended_ms=ended if ended is not None else call.duration_ms,
    )
