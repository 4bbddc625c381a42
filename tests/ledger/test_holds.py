"""Holds: never below what a call can cost, and a refusal that names the field where there is no bound."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.core.errors import CostUnbounded
from doorward.core.exchange import Exchange, MemoryBody
from doorward.core.usage import Usage
from doorward.ledger import demand
from doorward.ledger.holds import Bounds, Hold, hold_for
from doorward.ledger.worst_case import WorstCase
from doorward.providers.prices import Override, Prices
from doorward.providers.provider import Provider
from doorward.providers.route import Plan, Route
from doorward.providers.tokens import Count
from doorward.wire.openai import read_asks

PRICES = Prices.load()
OPENAI = Provider("openai", "OpenAI", "https://api.openai.com")
FREE = Provider("simulator", "Simulator", "simulator:", auth_strategy="none", prices="free")
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "completion": "/v1/completions",
    "embedding": "/v1/embeddings",
    "image": "/v1/images/generations",
    "speech": "/v1/audio/speech",
    "moderation": "/v1/moderations",
}


def exchange(kind: str, body: dict[str, Any]) -> Exchange:
    raw = json.dumps(body).encode()
    return Exchange("r", "POST", PATHS[kind], b"", [], MemoryBody(raw), read_asks(raw), "127.0.0.1", 0.0)


def hold(kind: str, *, bounds: Bounds | None = None, also: tuple[str, ...] = (), counted: int | None = None, **body: Any) -> Hold:
    asked = exchange(kind, body)
    plans = tuple(Plan(OPENAI, None, model) for model in (body.get("model"), *also))
    return held(asked, Route(None, plans), bounds or Bounds(), counted)


def held(asked: Exchange, route: Route, bounds: Bounds, counted: int | None = None) -> Hold:
    """What a call's budgets hold, and that it is the same whether the route's terms were worked out before or not."""
    raw = asked.body.data or b""
    kind = next(kind for kind, path in PATHS.items() if path == asked.path)
    worst = WorstCase(PRICES, bounds, lambda *_: Count(0, False))
    try:
        found = hold_for(demand.read(kind, asked, raw), route, PRICES, bounds, counted=counted)
    except CostUnbounded:
        worst.bounded(route, asked, raw)
        pytest.fail("what has no bound is held all the same")
    if counted is None:
        known = worst.bounded(route, asked, raw)
        assert (known.nanos, known.how) == (found.nanos, found.how)
    return found


def cost(model: str, kind: str, **units: Any) -> int:
    return PRICES.cost("openai", model, kind, Usage(**units)).nanos or 0


SAY = [{"role": "user", "content": "hello"}]


def test_input_is_bounded_by_bytes_and_output_by_its_limit() -> None:
    plain = hold("chat", model="gpt-4o", messages=SAY, max_tokens=100, service_tier="default").nanos
    size = len(json.dumps({"model": "gpt-4o", "messages": SAY, "max_tokens": 100, "service_tier": "default"}))
    assert plain == cost("gpt-4o", "chat", input_tokens=size + 64, output_tokens=100)
    assert hold("chat", model="gpt-4o", messages=SAY, max_tokens=100, n=100, service_tier="default").nanos > 50 * plain


def test_without_a_limit_the_models_largest_output_counts() -> None:
    assert hold("chat", model="gpt-4o", messages=SAY).nanos > cost("gpt-4o", "chat", output_tokens=16_384)
    assumed = Bounds(max_output_tokens=1000, assume_usd_mtok_nanos=10**9)
    assert hold("chat", model="gpt-99", messages=SAY, bounds=assumed).nanos > 1000 * 1000


def test_an_unset_tier_may_be_the_dearest_and_flex_may_fall_back() -> None:
    named, unset, flex = (
        hold("chat", model="gpt-5", messages=SAY, max_tokens=10_000, service_tier=t).nanos for t in ("default", "auto", "flex")
    )
    assert unset > 1.9 * named
    assert flex == pytest.approx(named, rel=0.01)
    with pytest.raises(CostUnbounded):
        hold("chat", model="gpt-5", messages=SAY, service_tier="scale")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("responses", {"input": "x", "previous_response_id": "resp_1"}),
        ("responses", {"input": "x", "conversation": {"id": "conv_1"}}),
        ("responses", {"input": [{"type": "item_reference", "id": "msg_1"}]}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://a/b.png"}]}]}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]}),
        (
            "responses",
            {"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "file_id": "file-1"}}]},
        ),
        ("chat", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b.png"}}]}]}),
        (
            "chat",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AA"}}]}
                ]
            },
        ),
        ("chat", {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}),
    ],
)
def test_what_is_not_in_the_body_costs_the_window(kind: str, body: dict[str, Any]) -> None:
    held = hold(kind, model="gpt-4o", service_tier="default", **body).nanos
    assert held >= cost("gpt-4o", kind, input_tokens=128_000)
    with pytest.raises(CostUnbounded):
        hold(kind, model="gpt-99", bounds=Bounds(assume_usd_mtok_nanos=1), **body)


def test_hidden_spelling_of_a_reference_is_read() -> None:
    raw = rb'{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"x","image\u005furl":{"url":"https://a/b"}}]}]}'
    asked = Exchange("r", "POST", PATHS["chat"], b"", [], MemoryBody(raw), read_asks(raw.replace(rb"\u005f", b"_")), "", 0.0)
    assert demand.read("chat", asked, raw).by_reference == "messages.image_url"


def test_an_image_in_the_body_costs_more_than_its_bytes() -> None:
    dot = "data:image/png;base64," + base64.b64encode(b"x" * 60).decode()
    parts = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": dot}}]}]
    held = hold("chat", model="gpt-4o-mini", messages=parts, max_tokens=1, service_tier="default").nanos
    assert held >= cost("gpt-4o-mini", "chat", input_tokens=48_169)


def test_sound_costs_as_sound() -> None:
    heard = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "A" * 4000, "format": "wav"}}]}]
    held = hold("chat", model="gpt-audio", messages=heard, modalities=["text", "audio"], max_tokens=100).nanos
    assert held >= cost("gpt-audio", "chat", input_tokens=4000, input_audio_tokens=4000, output_tokens=100, output_audio_tokens=100)
    with pytest.raises(CostUnbounded, match="audio"):
        hold("chat", model="gpt-4o-audio-preview", messages=heard)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "max_tool_calls"),
        ({"tools": [{"type": "image_generation"}], "max_tool_calls": 1}, "tools"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": 5, "tools": "all"}, "tools"),
    ],
)
def test_what_has_no_bound_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(CostUnbounded) as refused:
        hold("responses", model="gpt-4.1", **({"input": "x"} | body))
    assert refused.value.param == param
    assert (refused.value.status, refused.value.code) == (400, "cost_unbounded")


def test_hosted_tools_cost_their_fee_and_read_the_window_again() -> None:
    body = {"model": "gpt-4.1", "input": "x", "max_output_tokens": 10, "service_tier": "default"}
    none = hold("responses", **body, tools=[{"type": "function", "name": "f"}], max_tool_calls=9).nanos
    two, three = (
        hold("responses", **body, tools=[{"type": "web_search_preview_2025_03_11"}], max_tool_calls=n).nanos for n in (2, 3)
    )
    assert none < 10**6
    assert three - two == 25_000_000 + cost("gpt-4.1", "responses", input_tokens=1_047_576)


def test_other_kinds_each_have_their_bound() -> None:
    assert hold("image", model="dall-e-3", prompt="a cat").nanos == 120_000_000
    assert hold("image", model="dall-e-3", prompt="a cat", size="1024x1024", quality="standard").nanos == 40_000_000
    assert hold("image", model="dall-e-2", prompt="a cat", n=10, size="256x256").nanos == 160_000_000
    assert hold("image", model="gpt-image-1", prompt="a cat", n=2).nanos >= cost("gpt-image-1", "image", output_tokens=2 * 6240)
    assert hold("speech", model="tts-1", input="hi" * 10).nanos >= cost("tts-1", "speech", characters=20)
    assert hold("embedding", model="text-embedding-3-small", input=["a" * 100] * 9).nanos >= cost(
        "text-embedding-3-small", "embedding", input_tokens=900
    )
    many = hold("completion", model="gpt-3.5-turbo-instruct", prompt=["a", "b", "c"], best_of=4, max_tokens=50).nanos
    assert many >= cost("gpt-3.5-turbo-instruct", "completion", output_tokens=600)
    assert hold("moderation", model="omni-moderation-latest", input="x").nanos == 0


def test_transcripts_are_bounded_by_the_files_size() -> None:
    asked = Exchange(
        "r", "POST", "/v1/audio/transcriptions", b"", [], MemoryBody(b"x" * 1_000_000), exchange("chat", {}).asks, "", 0.0
    )
    read = demand.read("transcript", asked, b"", form=True)
    held = hold_for(read, Route(None, (Plan(OPENAI, None, "whisper-1"),)), PRICES, Bounds()).nanos
    assert held == cost("whisper-1", "transcript", seconds=4000.0)


def test_the_worst_plan_counts_and_an_unpriced_one_refuses() -> None:
    alone = hold("chat", model="gpt-4o-mini", messages=SAY).nanos
    assert hold("chat", model="gpt-4o-mini", messages=SAY, also=("gpt-4o",)).nanos > 10 * alone
    with pytest.raises(CostUnbounded) as refused:
        hold("chat", model="gpt-4o-mini", messages=SAY, also=("gpt-99",))
    assert refused.value.param == "model"
    assert "doorward price set" in refused.value.message
    free = Route(None, (Plan(FREE, None, "sim-1"),))
    asked = exchange("chat", {"model": "sim-1", "messages": SAY})
    assert hold_for(demand.read("chat", asked, asked.body.data or b""), free, PRICES, Bounds()).nanos == 0


def test_an_exact_count_lowers_the_bound() -> None:
    text = [{"role": "user", "content": "word " * 2000}]
    bound, counted = (
        hold("chat", model="gpt-4o", messages=text, max_tokens=1, counted=c, service_tier="default").nanos for c in (None, 2000)
    )
    assert counted == cost("gpt-4o", "chat", input_tokens=2000 + 40 + 64, output_tokens=1)
    assert counted < bound / 3


MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-5.4", "gpt-6-sol", "o1", "gpt-4.1")


@given(
    st.sampled_from(MODELS),
    st.text(max_size=300),
    st.integers(1, 500),
    st.integers(1, 4),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([None, "default", "flex", "priority"]),
)
@settings(max_examples=80, deadline=None)
def test_no_bill_within_the_request_passes_its_hold(
    model: str, text: str, limit: int, n: int, read: float, cached: float, tier: str | None
) -> None:
    """I5: whatever the upstream says was used, as long as it kept to the request."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": limit, "n": n}
    raw = json.dumps(body, ensure_ascii=False).encode()
    asked = Exchange("r", "POST", PATHS["chat"], b"", [], MemoryBody(raw), read_asks(raw), "", 0.0)
    most = held(asked, Route(None, (Plan(OPENAI, None, model),)), Bounds()).nanos
    tokens = int(len(raw) * read)
    used = Usage(
        input_tokens=tokens,
        cached_tokens=int(tokens * cached / 2),
        cache_write_tokens=int(tokens * (1 - cached) / 2),
        output_tokens=limit * n,
        service_tier=tier,
    )
    assert (PRICES.cost("openai", model, "chat", used).nanos or 0) <= most


def test_a_price_that_moves_moves_the_hold_of_a_route_that_is_known() -> None:
    prices = Prices.load()
    worst = WorstCase(prices, Bounds(), lambda *_: Count(0, False))
    asked = exchange("chat", {"model": "gpt-4o", "messages": SAY, "max_tokens": 100})
    route = Route(None, (Plan(OPENAI, None, "gpt-4o"),))
    before = worst.bounded(route, asked, asked.body.data or b"").nanos
    prices.replace([Override("openai", "gpt-4o", "output_mtok", Decimal(10_000))])
    assert worst.bounded(route, asked, asked.body.data or b"").nanos > 100 * before


def test_the_dearest_plan_of_a_route_counts() -> None:
    asked = exchange("chat", {"model": "gpt-4o-mini", "messages": SAY, "max_tokens": 100})
    cheap, dear = Plan(OPENAI, None, "gpt-4o-mini"), Plan(OPENAI, None, "gpt-4o")
    alone = held(asked, Route(None, (dear,)), Bounds())
    assert held(asked, Route(None, (cheap, dear, cheap)), Bounds()) == alone
    assert held(asked, Route(None, (Plan(FREE, None, "sim-gpt"), dear)), Bounds()) == alone
