"""Rests, quarantines, breakers, headroom: who may be asked, when again, and how much of the load."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.providers.provider import Account, Provider
from doorward.providers.route import Plan
from doorward.upstream.breaker import Breaker, BreakerLimits, State
from doorward.upstream.classify import Outcome, Verdict
from doorward.upstream.headroom import duration_s, headroom_of
from doorward.upstream.health import QUARANTINE_S, QUOTA_REST_S, REST_S, Health

OPENAI = Provider("openai", "OpenAI", "https://api.example")
LOCAL = Provider("local", "Local", "http://127.0.0.1:1", auth_strategy="none")
OTHER = Provider("other", "Other", "http://127.0.0.1:2", auth_strategy="none")


class Hand:
    """A clock moved by hand."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return 1_800_000_000.0 + self.now_s


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def health(clock: Hand) -> Health:
    return Health(clock, BreakerLimits(failures=3, window_s=30, open_s=10, most_open_s=20, probe_s=60))


def _plan(account: str = "a", model: str | None = "m", **fields: object) -> Plan:
    return Plan(OPENAI, Account(account, "openai", account, **fields), model)  # type: ignore[arg-type]


def _fail(health: Health, plan: Plan, times: int = 1, verdict: Verdict = Verdict(Outcome.RETRY, status=500)) -> None:
    for _ in range(times):
        health.begin(plan).judged(verdict)


def test_a_429_rests_the_model_and_not_the_account(health: Health, clock: Hand) -> None:
    _fail(health, _plan(), verdict=Verdict(Outcome.REST, 7.0, 429))
    assert health.wait_s(_plan()) == 7.0
    assert not health.usable(_plan())
    assert health.usable(_plan(model="fallback"))
    assert health.usable(_plan("b"))
    clock.now_s += 7.0
    assert health.usable(_plan())


def test_keys_of_one_quota_owner_rest_together(health: Health) -> None:
    _fail(health, _plan("a", quota_owner="org"), verdict=Verdict(Outcome.REST, None, 429))
    assert health.wait_s(_plan("b", quota_owner="org")) == REST_S
    assert health.usable(_plan("c", quota_owner="org2"))
    assert health.usable(Plan(OTHER, Account("d", "other", "d", quota_owner="org"), "m"))


def test_used_up_quota_rests_every_model(health: Health) -> None:
    _fail(health, _plan("a", quota_owner="org"), verdict=Verdict(Outcome.REST_QUOTA_OWNER, None, 429))
    assert health.wait_s(_plan("b", "other", quota_owner="org")) == QUOTA_REST_S


def test_a_rest_is_never_shortened(health: Health) -> None:
    health.rest(_plan(), 30)
    health.rest(_plan(), 1)
    assert health.wait_s(_plan()) == 30


def test_quarantine_ends_with_a_new_key_or_in_time(health: Health, clock: Hand) -> None:
    refused = _plan(key_set_at=1.0)
    _fail(health, refused, verdict=Verdict(Outcome.QUARANTINE, status=401))
    assert health.wait_s(refused) == QUARANTINE_S
    assert not health.usable(_plan(model="other", key_set_at=1.0))
    assert health.usable(_plan(key_set_at=2.0))
    clock.now_s += QUARANTINE_S
    assert health.usable(refused)
    _fail(health, refused, verdict=Verdict(Outcome.QUARANTINE, status=401))
    health.release("a")
    assert health.usable(refused)


@pytest.mark.parametrize("outcome", [Outcome.CALLERS_FAULT, Outcome.CONTENT_POLICY, Outcome.CONTEXT_LENGTH])
def test_the_callers_faults_blame_nobody(health: Health, outcome: Outcome) -> None:
    _fail(health, _plan(), times=20, verdict=Verdict(outcome, status=403))
    assert health.usable(_plan())
    assert health.score(_plan()).health == 1.0


@pytest.mark.parametrize("outcome", [Outcome.RETRY, Outcome.AMBIGUOUS, Outcome.NOT_SENT])
def test_breaker_opens_probes_once_and_closes(health: Health, clock: Hand, outcome: Outcome) -> None:
    _fail(health, _plan(), times=2, verdict=Verdict(outcome))
    assert health.usable(_plan())
    _fail(health, _plan(), verdict=Verdict(outcome))
    assert health.wait_s(_plan()) == 10
    assert health.usable(_plan(model="other"))
    clock.now_s += 10
    assert health.usable(_plan())
    probe = health.begin(_plan())
    assert probe.probe
    assert not health.usable(_plan())  # one at a time
    probe.succeeded()
    assert health.usable(_plan())
    assert not health.begin(_plan()).probe


def test_an_address_that_is_not_allowed_says_nothing_of_the_upstream(health: Health, clock: Hand) -> None:
    _fail(health, _plan(), times=3)
    clock.now_s += 10
    _fail(health, _plan(), verdict=Verdict(Outcome.FORBIDDEN))
    assert health.begin(_plan()).probe


def test_failed_probes_wait_longer_but_recovery_is_seen_within_30_s(health: Health, clock: Hand) -> None:
    _fail(health, _plan(), times=3)
    waits = []
    for _ in range(5):
        waits.append(health.wait_s(_plan()))
        clock.now_s += waits[-1]
        _fail(health, _plan())
    assert waits == [10, 20, 20, 20, 20]
    assert max(waits) < 30


def test_an_abandoned_or_lost_probe_frees_its_place(health: Health, clock: Hand) -> None:
    _fail(health, _plan(), times=3)
    clock.now_s += 10
    health.begin(_plan()).abandoned()
    assert health.usable(_plan())
    health.begin(_plan())  # never tells its end
    assert not health.usable(_plan())
    clock.now_s += 60
    assert health.usable(_plan())


def test_failures_far_apart_or_between_successes_open_nothing(health: Health, clock: Hand) -> None:
    for _ in range(10):
        _fail(health, _plan(), times=2)
        health.begin(_plan()).succeeded()
    for _ in range(10):
        _fail(health, _plan())
        clock.now_s += 31
    assert health.usable(_plan())


def test_late_failures_do_not_lengthen_an_open_breaker(health: Health, clock: Hand) -> None:
    late = [health.begin(_plan()) for _ in range(5)]
    _fail(health, _plan(), times=3)
    clock.now_s += 5
    for trial in late:
        trial.judged(Verdict(Outcome.RETRY))
    assert health.wait_s(_plan()) == 5


def test_a_503_that_names_its_wait_is_given_it(health: Health) -> None:
    _fail(health, _plan(), verdict=Verdict(Outcome.RETRY, 4.0, 503))
    assert health.wait_s(_plan()) == 4.0


def test_providers_without_accounts_are_told_apart(health: Health) -> None:
    _fail(health, Plan(LOCAL, None, "m"), times=3)
    assert not health.usable(Plan(LOCAL, None, "m"))
    assert health.usable(Plan(OTHER, None, "m"))


def test_in_flight_returns_to_nothing_however_it_ends(health: Health) -> None:
    trials = [health.begin(_plan()) for _ in range(3)]
    assert health.score(_plan()).in_flight == 3
    trials[0].succeeded()
    trials[1].judged(Verdict(Outcome.RETRY))
    trials[2].abandoned()
    for trial in trials:  # a second end does nothing
        trial.abandoned()
        trial.succeeded()
    assert health.score(_plan()).in_flight == 3, "an answer that has begun is on its way to its end"
    for trial in trials * 2:
        trial.over()
    assert health.score(_plan()).in_flight == 0


def test_share_follows_weight_headroom_health_and_load(health: Health) -> None:
    limits = [(b"x-ratelimit-limit-requests", b"100"), (b"x-ratelimit-reset-requests", b"60s")]
    health.saw_answer(_plan("low"), 200, [*limits, (b"x-ratelimit-remaining-requests", b"10")], 0.2)
    health.saw_answer(_plan("full"), 200, [*limits, (b"x-ratelimit-remaining-requests", b"100")], 0.2)
    assert health.score(_plan("full")).share == pytest.approx(10 * health.score(_plan("low")).share)
    assert health.score(_plan("w", weight=3)).share == 3 * health.score(_plan("x")).share
    _fail(health, _plan("ill"))
    assert 0 < health.score(_plan("ill")).share < 1
    health.begin(_plan("busy"))
    assert health.score(_plan("busy")).share == 0.5


def test_headroom_refills_and_is_forgotten_after_its_reset(health: Health, clock: Hand) -> None:
    headers = [
        (b"x-ratelimit-limit-tokens", b"30000"),
        (b"x-ratelimit-remaining-tokens", b"0"),
        (b"x-ratelimit-reset-tokens", b"1m0s"),
    ]
    health.saw_answer(_plan(), 429, headers)
    assert health.score(_plan()).headroom == 0.01
    clock.now_s += 30
    assert health.score(_plan()).headroom == pytest.approx(0.5)
    clock.now_s += 31
    assert health.score(_plan()).headroom == 1.0


def test_snapshot_is_plain_and_complete(health: Health) -> None:
    health.begin(_plan()).succeeded([], 0.25)
    health.rest(_plan("b"), 5)
    health.quarantine(_plan("c").account or dataclasses.replace(Account("c", "openai", "c")))
    shown = json.loads(json.dumps(health.snapshot()))
    assert shown["routes"][0] | {"headroom": {}} == {
        "account": "a",
        "model": "m",
        "breaker": "closed",
        "in_flight": 1,
        "failure_rate": 0.0,
        "took_s": 0.25,
        "headroom": {},
        "resets_s": {},
    }
    assert shown["rests"] == [{"quota_owner": "openai:b", "model": "m", "for_s": 5.0}]
    assert shown["quarantined"] == [{"account": "c", "for_s": QUARANTINE_S}]


def test_invented_model_names_do_not_pile_up(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.upstream.health._MOST_ROUTES", 100)
    for number in range(500):
        trial = health.begin(_plan(model=f"m{number}"))
        trial.succeeded()
        trial.over()
        health.rest(_plan(model=f"m{number}"), 0.0)
    assert len(health.snapshot()["routes"]) <= 100
    assert len(health._rests) <= 101


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"1s", 1.0),
        (b"6m0s", 360.0),
        (b"12ms", 0.012),
        (b"1h2m", 3720.0),
        (b"1h2m3.5s", 3723.5),
        (b"59.951s", 59.951),
        (b"1d", 86400.0),
        (b"0s", 0.0),
        (b"7", 7.0),
        (b"9999d", 604800.0),
        (b"", None),
        (b"-1s", None),
        (b"1x", None),
        (b"s", None),
        (b"1s junk", None),
        (b"nan", None),
        (b"2026-01-01T00:00:00Z", None),
        (b"\xff", None),
    ],
)
def test_durations(text: bytes, seconds: float | None) -> None:
    assert duration_s(text) == (None if seconds is None else pytest.approx(seconds))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["limit", "remaining", "reset"]), st.binary(max_size=12) | st.sampled_from([b"5", b"1s"])))
def test_no_header_makes_headroom_raise_or_leave_its_bounds(values: dict[str, bytes]) -> None:
    headers = [(f"x-ratelimit-{name}-requests".encode(), value) for name, value in values.items()]
    for seen in headroom_of(headers, 100.0).values():
        for now_s in (100.0, 100.5, 200.0, 1e9):
            assert 0.0 <= seen.share(now_s) <= 1.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["begin", "ok", "fail", "gone", "wait"]), max_size=60))
def test_a_breaker_never_lets_two_probes_in_and_never_stays_shut(moves: list[str]) -> None:
    limits = BreakerLimits(failures=2, window_s=30, open_s=10, most_open_s=20, probe_s=60)
    breaker, now_s, running = Breaker(limits), 0.0, []
    for move in moves:
        if move == "wait":
            now_s += 7
        elif move == "begin":
            if breaker.wait_s(now_s) == 0:
                running.append(breaker.begin(now_s))
        elif running:
            probe = running.pop()
            if move == "ok":
                breaker.succeeded()
            elif move == "fail":
                breaker.failed(now_s, probe)
            else:
                breaker.abandoned(probe)
        assert breaker.wait_s(now_s) <= 60
        if breaker.state(now_s) is State.CLOSED:
            assert breaker.wait_s(now_s) == 0
    assert breaker.wait_s(now_s + 200) == 0
