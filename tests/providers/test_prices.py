"""Prices: exact, unknown rather than 0, and never free by accident."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.core.errors import DoorwardError, PricesError, Unprocessable
from doorward.core.usage import Usage
from doorward.providers.model_facts import ModelFacts, parse
from doorward.providers.price_table import GRAINS_PER_NANO, PriceTable, grains_of, nanos, nanos_up
from doorward.providers.prices import Override, Prices, checked, overrides_of
from doorward.wire.endpoints import ENDPOINTS

TODAY = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC).timestamp()


class Wall:
    def __init__(self, wall: float = TODAY) -> None:
        self.now = wall

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices.load(clock=Wall())


def usd(prices: Prices, model: str, kind: str = "chat", price_list: str = "openai", **units: object) -> Decimal | None:
    found = prices.cost(price_list, model, kind, Usage(**units)).nanos
    return None if found is None else Decimal(found) / 10**9


def test_tokens_are_priced_by_kind(prices: Prices) -> None:
    assert usd(prices, "gpt-4o-mini", input_tokens=1_000_000) == Decimal("0.15")
    assert usd(prices, "gpt-4o-mini", input_tokens=1_000_000, cached_tokens=400_000) == Decimal("0.12")
    assert usd(prices, "gpt-4o-mini", output_tokens=1000, reasoning_tokens=900) == Decimal("0.0006")
    assert usd(prices, "GPT-4o-mini-2024-07-18", output_tokens=1000) == Decimal("0.0006")
    assert usd(prices, "gpt-6-sol", input_tokens=1000, cache_write_tokens=1000) == Decimal("0.0025")


def test_sound_has_a_price_of_its_own_or_none(prices: Prices) -> None:
    assert usd(prices, "gpt-audio", input_tokens=100, input_audio_tokens=100) == Decimal("0.0032")
    assert usd(prices, "gpt-audio", output_tokens=100, output_audio_tokens=90) == Decimal("0.00586")
    # listed with text prices alone: sound at those would be far too cheap
    assert usd(prices, "gpt-4o-audio-preview", input_tokens=100, input_audio_tokens=100) is None
    assert usd(prices, "gpt-4o-audio-preview", input_tokens=100) == Decimal("0.00025")


def test_models_priced_by_the_hour_or_character_are_not_free(prices: Prices) -> None:
    assert usd(prices, "whisper-1", "transcript", seconds=60.0) == Decimal("0.006")
    assert usd(prices, "whisper-1", "transcript", input_tokens=500, output_tokens=100) is None
    assert usd(prices, "tts-1", "speech", characters=1000) == Decimal("0.015")
    assert usd(prices, "tts-1", "speech", input_tokens=1000) is None
    assert usd(prices, "gpt-4o-mini-tts", "speech", characters=1000) is None
    assert usd(prices, "gpt-4o-mini-tts", "speech", input_tokens=10, output_tokens=100) == Decimal("0.001206")


def test_images_by_the_piece_and_by_token(prices: Prices) -> None:
    assert usd(prices, "dall-e-3", "image", images=2, image_size="1024x1792", image_quality="hd") == Decimal("0.24")
    assert usd(prices, "dall-e-2", "image", images=1, image_size="256x256") == Decimal("0.016")
    assert usd(prices, "dall-e-3", "image", images=1, image_size="640x480") is None
    assert usd(prices, "dall-e-3", "image", "azure", images=1) == Decimal("0.04")
    assert usd(prices, "dall-e-3", "image", "mistral", images=1) is None
    assert usd(prices, "gpt-image-1", "image", input_tokens=50, output_tokens=1056) == Decimal("0.04249")
    assert usd(prices, "gpt-image-1.5", "image", output_tokens=1000) == Decimal("0.032")


def test_long_inputs_cost_by_their_tier(prices: Prices) -> None:
    short, long = usd(prices, "gpt-5.4", input_tokens=272_000), usd(prices, "gpt-5.4", input_tokens=272_001)
    assert short == Decimal("0.68")
    assert long is not None
    assert long > short * Decimal("1.9")


def test_service_tiers(prices: Prices) -> None:
    assert usd(prices, "gpt-5", output_tokens=1000, service_tier="default") == Decimal("0.01")
    assert usd(prices, "gpt-5", output_tokens=1000, service_tier="priority") == Decimal("0.02")
    assert usd(prices, "gpt-5", output_tokens=1000, service_tier="flex") == Decimal("0.005")
    assert usd(prices, "o1", output_tokens=1000, service_tier="flex") == Decimal("0.06"), "no flex price is listed: the dearer one"
    assert usd(prices, "o1", output_tokens=1000, service_tier="priority") is None
    assert usd(prices, "gpt-5", output_tokens=1000, service_tier="scale") is None


def test_prices_follow_dates_and_hours() -> None:
    before, after = (Prices.load(clock=Wall(dt.datetime(2025, 6, day, tzinfo=dt.UTC).timestamp())) for day in (9, 11))
    assert usd(before, "o3", output_tokens=1000) == Decimal("0.04")
    assert usd(after, "o3", output_tokens=1000) == Decimal("0.008")
    clock = Wall(dt.datetime(2026, 11, 20, 2, tzinfo=dt.UTC).timestamp())
    prices = Prices.load(clock=clock)
    dear = usd(prices, "deepseek-flash", price_list="deepseek", input_tokens=1_000_000)
    clock.now += 3 * 3600
    assert dear == 2 * (usd(prices, "deepseek-flash", price_list="deepseek", input_tokens=1_000_000) or 0)


def test_hosted_tools_are_billed(prices: Prices) -> None:
    plain = usd(prices, "gpt-4.1", "responses", input_tokens=1000)
    assert plain is not None
    assert usd(prices, "gpt-4.1", "responses", input_tokens=1000, web_searches=3) == plain + Decimal("0.03")
    assert usd(prices, "gpt-4.1", "responses", input_tokens=1000, file_searches=2) == plain + Decimal("0.005")
    assert usd(prices, "gpt-4.1", "responses", input_tokens=1000, code_sessions=1) is None
    assert usd(prices, "gpt-4o-search-preview", input_tokens=1000) is None, "each call searches, and the search has no price"


def test_what_is_not_listed_is_unknown(prices: Prices) -> None:
    found = prices.cost("openai", "gpt-99", "chat", Usage(input_tokens=1))
    assert (found.nanos, found.version) == (None, prices.table.version)
    assert "gpt-99" in found.why
    assert prices.cost("nobody", "gpt-4o", "chat", Usage(input_tokens=1)).nanos is None
    assert prices.cost("openai", None, "chat", Usage(input_tokens=1)).nanos is None
    assert prices.cost("openai", "gpt-4o", "later", Usage(input_tokens=1)).nanos is None
    assert prices.cost("openai", "sim-1", "chat", Usage(input_tokens=1)).nanos is None
    assert prices.cost("openai", "gpt-4o", "chat", Usage()).nanos is None, "a sum of 0 is not free"


def test_what_is_listed_as_free(prices: Prices) -> None:
    assert usd(prices, "omni-moderation-latest", "moderation") == 0
    assert usd(prices, "sim-1", price_list="simulator", input_tokens=5) == 0
    assert usd(prices, "llama", price_list="free", input_tokens=5) == 0


UNITS = {
    "chat": {"input_tokens": 1000, "cached_tokens": 100, "output_tokens": 500, "reasoning_tokens": 100},
    "completion": {"input_tokens": 1000, "output_tokens": 500},
    "responses": {"input_tokens": 1000, "cached_tokens": 100, "output_tokens": 500},
    "embedding": {"input_tokens": 1000},
    "image": {"images": 1, "image_size": "1024x1024", "image_quality": "standard"},
    "speech": {"characters": 100},
    "transcript": {"seconds": 12.0},
    "later": {"input_tokens": 1000},
}


def test_every_endpoint_and_model_costs_more_than_0_or_is_unknown_or_free(prices: Prices) -> None:
    """The walk of R35: over every endpoint of `/v1` and every model that any list has."""
    names = [(name, row.id) for name in prices.table.lists for row in prices.table.models(name)]
    names += [("openai", model) for model in prices.facts.models] + [("openai", "dall-e-3"), ("openai", "no-such-model")]
    known = 0
    for kind, bills in {(endpoint.kind, endpoint.bills) for endpoint in ENDPOINTS}:
        if bills == "free":
            continue
        for price_list, model in names:
            found = prices.cost(price_list, model, kind, Usage(**UNITS[kind]))
            assert found.nanos is None or found.nanos > 0, (kind, price_list, model)
            assert found.why or found.nanos
            known += found.nanos is not None
    assert known > 5000


def test_known_models_of_each_endpoint_are_priced(prices: Prices) -> None:
    """The walk would also pass if everything were unknown."""
    for kind, model in {
        "chat": "gpt-4o",
        "completion": "gpt-3.5-turbo-instruct",
        "responses": "gpt-6.1-sol",
        "embedding": "text-embedding-3-small",
        "image": "dall-e-3",
        "speech": "tts-1-hd",
        "transcript": "whisper-1",
    }.items():
        assert (prices.cost("openai", model, kind, Usage(**UNITS[kind])).nanos or 0) > 0, kind


def test_the_table_is_the_installed_packages(prices: Prices) -> None:
    import runpy
    from pathlib import Path

    script = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "build_prices.py"))
    assert script["TARGET"].read_text() == script["build"](), "run scripts/build_prices.py"


def test_the_table_agrees_with_the_package(prices: Prices) -> None:
    from genai_prices import Usage as Theirs
    from genai_prices import calc_price

    when = dt.datetime.fromtimestamp(TODAY, dt.UTC)
    for price_list in ("openai", "anthropic", "mistral", "google", "deepseek", "azure"):
        for row in prices.table.models(price_list):
            ours = prices.cost(price_list, row.id, "chat", Usage(input_tokens=300_017, cached_tokens=1_003, output_tokens=517))
            if ours.nanos is None or prices.facts.of(row.id).searches:
                continue
            usage = Theirs(input_tokens=300_017, cache_read_tokens=1_003, output_tokens=517)
            theirs = calc_price(usage, row.id, provider_id=price_list, genai_request_timestamp=when)
            assert abs(Decimal(ours.nanos) - theirs.total_price * 10**9) <= Decimal("0.5"), (price_list, row.id)


def test_damage_stops_the_start() -> None:
    with pytest.raises(PricesError):
        PriceTable(b'{"source": "x"')
    with pytest.raises(PricesError):
        PriceTable(b'{"source": "genai-prices", "version": "1", "providers": []}')
    with pytest.raises(PricesError):
        parse("unlisted_image_tokens = -1")


def test_own_prices_take_precedence_and_change_the_version() -> None:
    prices = Prices.load(
        clock=Wall(), overrides=overrides_of({"openai/gpt-99": {"input_mtok": Decimal("1"), "output_mtok": Decimal("2")}})
    )
    assert usd(prices, "gpt-99", input_tokens=10, output_tokens=10) == Decimal("0.00003")
    prices.replace(
        [Override("openai", "gpt-4o*", "input_mtok", Decimal(100)), Override("openai", "gpt-4o", "input_mtok", Decimal(1))]
    )
    assert usd(prices, "gpt-4o", input_tokens=1_000_000) == 1
    assert usd(prices, "gpt-4o-mini", input_tokens=1_000_000) == 100
    assert usd(prices, "gpt-4o-mini", input_tokens=1_000_000, service_tier="priority") == 100, (
        "it is what the operator pays, in every tier"
    )
    assert "own" in prices.cost("openai", "gpt-4o", "chat", Usage(input_tokens=1)).version
    prices.replace([])
    assert usd(prices, "gpt-4o", input_tokens=1_000_000) == Decimal("2.5")


@pytest.mark.parametrize(
    ("override", "param"),
    [
        (Override("openai", "gpt-4o", "input_mtok", Decimal(-1)), "usd"),
        (Override("openai", "gpt-4o", "input_mtok", Decimal("NaN")), "usd"),
        (Override("openai", "gpt-4o", "input_mtok", Decimal("1e9")), "usd"),
        (Override("openai", "gpt-4o", "input_mtok", Decimal("1e-15")), "usd"),
        (Override("openai", "gpt-4o", "per_token", Decimal(1)), "unit"),
        (Override("free", "gpt-4o", "input_mtok", Decimal(1)), "price_list"),
        (Override("openai", "", "input_mtok", Decimal(1)), "model"),
    ],
)
def test_a_wrong_override_names_its_field(override: Override, param: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        checked(override)
    assert refused.value.param == param


def test_settings_prices_need_a_list_and_a_model() -> None:
    with pytest.raises(DoorwardError):
        overrides_of({"gpt-4o": {"input_mtok": Decimal(1)}})


@given(st.integers(0, 10**30))
@settings(max_examples=50)
def test_one_rounding_half_up(grains: int) -> None:
    exact = Decimal(grains) / GRAINS_PER_NANO
    assert abs(exact - nanos(grains)) <= Decimal("0.5000001")
    assert nanos(grains) <= nanos_up(grains) < exact + 1
    assert nanos(GRAINS_PER_NANO // 2) == 1
    assert nanos(GRAINS_PER_NANO // 2 - 1) == 0


@given(st.decimals(0, 1000, places=12), st.sampled_from([1, 1000, 10**6, 3600 * 10**6]))
@settings(max_examples=50)
def test_grains_are_exact(usd: Decimal, per: int) -> None:
    assert grains_of(usd, per) * per == int(usd * GRAINS_PER_NANO * 10**9)


def test_facts_cover_snapshots_and_fine_tuned_models() -> None:
    facts = ModelFacts.load()
    assert facts.of("gpt-4o-2024-11-20").max_output == 16_384
    assert facts.of("gpt-4o-2024-05-13").max_output == 4_096
    assert facts.of("ft:gpt-4o-mini-2024-07-18:me::x").window == 128_000
    assert facts.of("gpt-99") == facts.unlisted
    assert not any(facts.of(model).prefill for model in facts.models if model.startswith(("gpt", "o1", "o3", "o4")))
    assert facts.known_no_larger("gpt-4", "gpt-4o")
    assert not facts.known_no_larger("gpt-4.1", "gpt-4o")
    assert not facts.known_no_larger("gpt-99", "gpt-4o")


def test_cached_sound_is_billed_as_cached_sound() -> None:
    prices = Prices.load()
    # gpt-realtime: text 4 / cached 0.40, sound 32 / cached 0.40 dollars a million
    card = prices.card("openai", "gpt-realtime")
    assert card is not None
    told = Usage(100, cached_tokens=60, cached_audio_tokens=20, input_audio_tokens=40)
    bill = sum(units * grains for units, grains in card.lines("chat", told))
    rates = {unit: rate[0][1] for unit, rate in card.rates.items()}
    text, text_again = 100 - 40 - 40, 40
    expected = text * rates["input_mtok"] + text_again * rates["cache_read_mtok"]
    expected += 20 * rates["input_audio_mtok"] + 20 * rates["cache_audio_read_mtok"]
    assert bill == expected
