"""One call explained: every step has a sentence, in the order in which it happened."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.ledger.conftest import answered, caller, exchange
from tests.telemetry.calls import settled

from doorward.ledger.entry import Entry
from doorward.ledger.why import Step, explain
from doorward.store.call_rows import AttemptRow


def explained(cache: str, attempts: int, *facts: tuple[str, dict[str, Any]], **changes: Any) -> list[Step]:
    made = settled(cache=cache, facts=msgspec.json.encode(facts).decode(), held_nanos=changes.pop("held_nanos", None), **changes)
    rows: list[AttemptRow] = []
    for number in range(1, attempts + 1):
        state = "done" if number == attempts else "failed"
        rows.append(msgspec.structs.replace(made.attempts[0], number=number, state=state, status=200 if state == "done" else 503))
    return explain(made.call, rows)


def told(cache: str = "off", attempts: int = 1, *facts: tuple[str, dict[str, Any]], **changes: Any) -> list[tuple[str, str]]:
    return [(step["step"], step["says"]) for step in explained(cache, attempts, *facts, **changes)]


def test_the_steps_stand_in_the_order_in_which_they_happened() -> None:
    steps = told(
        "miss",
        3,
        ("limits", {"left": {"rpm": [41, 60], "seats": [1, 2]}}),
        ("route", {"asked": "gpt-4o-mini", "why": "exact id at openai", "rescue": True}),
        ("hold", {"worst": {"nanos": 9_000, "model": "gpt-4o-mini", "reads": 85, "writes": 20}}),
        ("wait", {"s": 0.25, "provider": "openai", "after_attempt": 1}),
        ("hold", {"worst": {"nanos": 9_000, "words": "a further attempt"}, "after_attempt": 2}),
        ("rescue", {"by": "replay", "provider": "azure", "model": "gpt-4o", "after_attempt": 3}),
        ("price", {"attempt": 3, "known": False, "why": "no list", "after_attempt": 3}),
    )
    assert [name for name, _ in steps] == [
        "authenticated", "limits", "route", "cache", "hold", "attempt", "wait", "attempt", "hold", "attempt", "rescue", "price",
        "settled",
    ]  # fmt: skip
    says = dict(reversed(steps))
    assert says["limits"] == "Within its limits; left: 41 of 60 requests a minute, 1 of 2 calls at once"
    assert says["route"] == "Route: exact id at openai, with rescue"
    assert says["wait"] == "Waited 0.25 s before asking openai again"
    assert says["rescue"].startswith("The stream died and was continued by gpt-4o at azure")
    assert says["price"] == "Price not known: no list"


def test_a_hit_and_a_joined_call_say_that_they_cost_nothing() -> None:
    hit = dict(told("hit", 0, cost_nanos=0))
    assert hit["cache"] == "Answered from the cache: nothing was sent, nothing was charged"
    joined = dict(told("joined", 0, ("shared", {"by": "joining a call that runs"}), cost_nanos=0))
    assert joined["cache"].startswith("Joined an identical call")
    assert joined["shared"] == "The same call was running already: its answer was shared"


def test_every_kind_of_step_has_a_sentence_and_a_new_one_is_not_silent() -> None:
    for name, details in {
        "no_money": {"after": 1},
        "account_limit": {"provider": "openai", "limit": "tpm"},
        "adapter": {"name": "openai", "method": "POST", "api": "/v1/chat/completions"},
        "left_out": {"steps": 3},
        "rescue": {"by": "none", "why": "the new answer is another one"},
        "brand_new": {"a": {"b": 1}},
        "recovered": {},
    }.items():
        sentence = dict(told("off", 0, (name, details)))[name]
        assert sentence
        assert "{" not in sentence
    assert dict(told("off", 0, ("brand_new", {"a": {"b": 1}})))["brand_new"] == "Brand new: a b 1"


def test_a_refusal_says_what_its_caller_was_told() -> None:
    says = "This key's limit of 60 requests a minute is reached. Try again in 0.8 s."
    refused = told("off", 0, ("limits", {"left": {"rpm": [0, 60]}}), ("refused", {"says": says}), outcome="refused", cost_nanos=0)
    assert [name for name, _ in refused] == ["authenticated", "limits", "refused"]
    assert refused[-1][1] == f"Refused: {says} Nothing was sent, nothing was charged"
    other = told("off", 0, outcome="refused", error_code="key_not_configured")
    assert other[-1][1] == "Refused: key_not_configured. Nothing was sent, nothing was charged"


def test_a_hold_says_what_is_free_of_each_budget_after_it() -> None:
    of = [["key:k1", "2026-11", 10_000_000_000], ["all", "ever", 90_000_000_000]]
    worst = {"nanos": 13_400_000, "model": "text-embedding-3-small", "reads": 85}
    steps = explained("off", 1, ("hold", {"worst": worst, "of": of, "free": [3_190_000_000, None]}))
    (step,) = [step for step in steps if step["step"] == "hold"]
    assert step["says"] == "Held $0.0134: text-embedding-3-small: 85 tokens in; $3.19 of the $10 of the key free after it"
    assert step["details"] == {
        "nanos": 13_400_000,
        "how": "text-embedding-3-small: 85 tokens in",
        "budgets": [["key:k1", "2026-11", 10_000_000_000, 3_190_000_000], ["all", "ever", 90_000_000_000, None]],
    }


def test_a_note_remembers_how_many_attempts_had_begun() -> None:
    entry = Entry("req_00000001", caller(), exchange(), "/v1/chat/completions", 0.0, 0.0)
    entry.note("limits", left={})
    answered(entry)
    entry.note("wait", s=1.0)
    assert entry.facts == [("limits", {"left": {}}), ("wait", {"s": 1.0, "after_attempt": 1})]
