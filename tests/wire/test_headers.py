"""Allow-lists: what is not listed stays behind, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.core.errors import BadRequest, UpstreamFailed
from doorward.wire.headers import REQUEST, RESPONSE, RESPONSE_PREFIXES, back, forward

NEVER_FORWARD = [
    b"authorization", b"x-api-key", b"api-key", b"cookie", b"host", b"openai-organization", b"openai-project", b"connection",
    b"keep-alive", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"content-length", b"expect",
    b"idempotency-key", b"x-request-id", b"x-stainless-lang", b"x-doorward-provider", b"x-forwarded-for", b"forwarded",
    b"accept-encoding", b"x-goog-api-key", b"origin", b"referer", b"traceparents",
]  # fmt: skip
NEVER_BACK = [
    b"set-cookie", b"openai-organization", b"openai-project", b"authorization", b"connection", b"transfer-encoding", b"keep-alive",
    b"x-request-id", b"x-should-retry", b"server", b"via", b"cf-ray", b"alt-svc", b"strict-transport-security", b"content-encoding",
    b"access-control-allow-origin", b"content-security-policy", b"www-authenticate", b"location", b"refresh", b"clear-site-data",
]  # fmt: skip


@pytest.mark.parametrize("name", NEVER_FORWARD)
def test_these_never_reach_an_upstream(name: bytes) -> None:
    for spelling in (name, name.upper(), name.title()):
        assert forward([(spelling, b"x")]) == []


@pytest.mark.parametrize("name", NEVER_BACK)
def test_these_never_reach_a_client(name: bytes) -> None:
    for spelling in (name, name.upper()):
        assert back([(spelling, b"x")], 200, unchanged=True) == []


def test_listed_ones_pass_in_order_with_lower_case_names() -> None:
    assert forward([(b"OpenAI-Beta", b"a"), (b"Cookie", b"b"), (b"Content-Type", b"c")]) == [
        (b"openai-beta", b"a"),
        (b"content-type", b"c"),
    ]
    assert back([(b"X-RateLimit-Limit-Requests", b"1"), (b"Set-Cookie", b"b")], 200) == [(b"x-ratelimit-limit-requests", b"1")]


def test_what_connection_names_stays_behind() -> None:
    assert forward([(b"connection", b"close, OpenAI-Beta"), (b"openai-beta", b"a"), (b"accept", b"b")]) == [(b"accept", b"b")]
    assert back([(b"etag", b"a"), (b"connection", b"ETag")], 200) == []


def test_the_length_passes_only_with_an_unchanged_body() -> None:
    length = [(b"content-length", b"5")]
    assert back(length, 200, unchanged=True) == length
    assert back(length, 200) == back(length, 204, unchanged=True) == back(length, 304, unchanged=True) == []


def test_two_content_types_are_refused() -> None:
    with pytest.raises(BadRequest):
        forward([(b"content-type", b"application/json"), (b"Content-Type", b"multipart/form-data")])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"a b", b""),
        (b"", b""),
        (b"a:", b""),
        (b"a\r\nb", b""),
        (b"a\n", b""),
        (b"\xe9", b""),
        (b"accept", b"a\r\nx: y"),
        (b"etag", b"\x00"),
    ]
    + [(b"a", b"x\ny"), (b"a", b"x\ry"), (b"a", b"\x7f")],
)
def test_names_and_values_that_split_a_head_are_refused_both_ways(name: bytes, value: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        forward([(name, value)])
    assert "x: y" not in refused.value.message
    with pytest.raises(UpstreamFailed):
        back([(name, value)], 200)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.binary(max_size=12) | st.sampled_from([*REQUEST, *RESPONSE, *NEVER_BACK]), st.binary(max_size=12)), max_size=8
    )
)
def test_any_headers_give_only_listed_and_harmless_ones(headers: list[tuple[bytes, bytes]]) -> None:
    for pick, listed, refusal in (
        (forward, lambda name: name in REQUEST, BadRequest),
        (lambda given: back(given, 200), lambda name: name in RESPONSE or name.startswith(RESPONSE_PREFIXES), UpstreamFailed),
    ):
        try:
            kept = pick(headers)
        except refusal:
            continue
        for name, value in kept:
            assert listed(name)
            assert not set(value) & {0, 10, 13}
            assert (name, value) in [(n.lower(), v) for n, v in headers]
