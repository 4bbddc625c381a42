"""What answers mean, row by row, and waits in every form an upstream may give them."""

from __future__ import annotations

import email.utils
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.upstream.classify import MOST_WAIT_S, Outcome, classify_answer, classify_error, retry_after_s
from doorward.upstream.port import Lost, Silent, Stage, Unreachable

NOW_S = 1_800_000_000.0


def _error(code: str | None = None, message: str = "no", kind: str = "invalid_request_error") -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


TABLE = [
    (200, b"{}", Outcome.OK),
    (302, b"", Outcome.OK),
    (408, b"", Outcome.RETRY),
    (500, _error("server_error"), Outcome.RETRY),
    (502, b"<html>bad gateway</html>", Outcome.RETRY),
    (503, b"", Outcome.RETRY),
    (529, b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', Outcome.RETRY),
    (500, b'{"error":{"message":"late"},"usage":{"total_tokens":9}}', Outcome.AMBIGUOUS),
    (500, b'{"error":{"message":"cut he', Outcome.RETRY),
    (500, b'{"usage": {"total_tokens": 9}, "error":{"message":"cut he', Outcome.AMBIGUOUS),
    (500, b'{"error":{"message":"x"},"usage":null}', Outcome.RETRY),
    (429, _error("rate_limit_exceeded", kind="requests"), Outcome.REST),
    (429, b"", Outcome.REST),
    (429, b'{"error":"slow down"}', Outcome.REST),
    (429, _error("insufficient_quota", kind="insufficient_quota"), Outcome.REST_QUOTA_OWNER),
    (429, _error(None, kind="insufficient_quota"), Outcome.REST_QUOTA_OWNER),
    (400, _error("billing_hard_limit_reached"), Outcome.REST_QUOTA_OWNER),
    (400, _error(None, "Your credit balance is too low to access the API"), Outcome.REST_QUOTA_OWNER),
    (402, b"", Outcome.REST_QUOTA_OWNER),
    (401, _error("invalid_api_key"), Outcome.QUARANTINE),
    (403, _error("unsupported_country_region_territory"), Outcome.CALLERS_FAULT),
    (403, b"", Outcome.CALLERS_FAULT),
    (403, _error("invalid_api_key"), Outcome.CALLERS_FAULT),
    (400, _error("content_policy_violation"), Outcome.CONTENT_POLICY),
    (403, _error("moderation_blocked"), Outcome.CONTENT_POLICY),
    (400, _error("ResponsibleAIPolicyViolation"), Outcome.CONTENT_POLICY),
    (400, _error("context_length_exceeded"), Outcome.CONTEXT_LENGTH),
    (400, _error(None, "This model's maximum context length is 8192 tokens."), Outcome.CONTEXT_LENGTH),
    (400, _error(None, "prompt is too long: 210000 tokens > 200000 maximum"), Outcome.CONTEXT_LENGTH),
    (404, _error("model_not_found", "maximum context length"), Outcome.CALLERS_FAULT),
    (400, _error("invalid_value"), Outcome.CALLERS_FAULT),
    (400, b"\xff\xfe", Outcome.CALLERS_FAULT),
    (400, b"[1]", Outcome.CALLERS_FAULT),
    (400, _error(None, 'you sent "code": "insufficient_quota"'), Outcome.CALLERS_FAULT),
    (409, b"", Outcome.CALLERS_FAULT),
    (422, b"", Outcome.CALLERS_FAULT),
]


@pytest.mark.parametrize(("status", "body", "outcome"), TABLE)
def test_the_table(status: int, body: bytes, outcome: Outcome) -> None:
    verdict = classify_answer(status, [], body, NOW_S)
    assert verdict.outcome is outcome
    if status >= 400:
        assert (verdict.status, f"status {status}" in verdict.reason) == (status, True)


def test_the_code_is_found_in_a_body_cut_short() -> None:
    verdict = classify_answer(429, [], _error("insufficient_quota")[:-2], NOW_S)
    assert (verdict.outcome, verdict.code) == (Outcome.REST_QUOTA_OWNER, "insufficient_quota")


def test_the_reason_holds_no_content() -> None:
    verdict = classify_answer(400, [], _error("invalid_value", "Incorrect API key provided: sk-proj-abc"), NOW_S)
    assert "sk-proj" not in repr(verdict)


@pytest.mark.parametrize(
    ("error", "outcome", "silent"),
    [
        (Unreachable("h: refused"), Outcome.NOT_SENT, False),
        (Lost("h: reset", Stage.SENT), Outcome.AMBIGUOUS, False),
        (Lost("h: reset", Stage.BODY), Outcome.AMBIGUOUS, False),
        (Silent("h: nothing", Stage.SENT), Outcome.AMBIGUOUS, True),
        (Silent("h: nothing", Stage.HEAD), Outcome.AMBIGUOUS, True),
    ],
)
def test_transport_errors(error: Lost, outcome: Outcome, silent: bool) -> None:
    verdict = classify_error(error)
    assert (verdict.outcome, verdict.silent) == (outcome, silent)


def test_only_what_was_not_billed_may_go_elsewhere() -> None:
    assert {outcome for outcome in Outcome if outcome.elsewhere} == {
        Outcome.RETRY,
        Outcome.REST,
        Outcome.REST_QUOTA_OWNER,
        Outcome.QUARANTINE,
        Outcome.NOT_SENT,
        Outcome.FORBIDDEN,
    }


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({b"retry-after": b"2"}, 2.0),
        ({b"retry-after": b" 2 "}, 2.0),
        ({b"retry-after": b"0.5"}, 0.5),
        ({b"retry-after": b"0"}, 0.0),
        ({b"retry-after": b"-5"}, 0.0),
        ({b"retry-after": b"999999999999"}, MOST_WAIT_S),
        ({b"retry-after": b"1e400"}, MOST_WAIT_S),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b""}, None),
        ({b"retry-after": b"\xff"}, None),
        ({b"retry-after-ms": b"1500", b"retry-after": b"9"}, 1.5),
        ({b"retry-after-ms": b"junk", b"retry-after": b"9"}, 9.0),
        ({b"retry-after": email.utils.formatdate(NOW_S + 30, usegmt=True).encode()}, 30.0),
        ({b"retry-after": email.utils.formatdate(NOW_S - 30, usegmt=True).encode()}, 0.0),
        ({b"retry-after": b"Wed, 99 Foo 2026 00:00:00 GMT"}, None),
        ({b"retry-after": b"Fri, 31 Dec 9999 23:59:59 GMT"}, MOST_WAIT_S),
    ],
)
def test_waits(headers: dict[bytes, bytes], wait_s: float | None) -> None:
    assert retry_after_s(list(headers.items()), NOW_S) == wait_s


@settings(max_examples=100, deadline=None)
@given(st.integers(400, 599), st.binary(max_size=200), st.binary(max_size=40), st.binary(max_size=40))
def test_nothing_an_upstream_says_raises(status: int, body: bytes, wait: bytes, wait_ms: bytes) -> None:
    verdict = classify_answer(status, [(b"retry-after", wait), (b"retry-after-ms", wait_ms)], body, NOW_S)
    assert verdict.outcome is not Outcome.OK
    assert verdict.retry_after_s is None or 0 <= verdict.retry_after_s <= MOST_WAIT_S
    if status == 403:
        assert verdict.outcome is not Outcome.QUARANTINE


@settings(max_examples=60, deadline=None)
@given(st.integers(400, 599), st.dictionaries(st.sampled_from(["code", "type", "message"]), st.text(max_size=20) | st.integers()))
def test_error_objects_of_any_kind(status: int, error: dict[str, object]) -> None:
    whole = json.dumps({"error": error}).encode()
    for body in (whole, whole[:-4], json.dumps(error).encode()):
        classify_answer(status, [], body, NOW_S)
