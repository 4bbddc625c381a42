"""Write `providers/price_data/prices.json` from the installed `genai-prices`: facts only, one model a line.

    .venv/bin/python scripts/build_prices.py

The package costs 0.5 s and 39 MB to import; its prices as a table of text cost a few milliseconds.
A test compares the table with the installed package, so an upgrade cannot be forgotten.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "src/doorward/providers/price_data/prices.json"

BILLED = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "input_audio_mtok",
    "output_audio_mtok",
    "cache_audio_read_mtok",
    "input_image_mtok",
    "output_image_mtok",
    "cache_image_read_mtok",
    "input_mchars",
    "requests_kcount",
    "web_searches_kcount",
    "storage_searches_kcount",
)
"""Units that our endpoints can bill and `core.usage.Usage` can hold."""
HOURS = ("input_audio_hours", "audio_hours")
UNREAD = ("output_citation_mtok", "output_reasoning_mtok")
"""Units that may be billed on our endpoints and that no usage tells apart: the model's price is not known."""


def _clause(clause: Any) -> list[Any]:
    """A model's matching rule -> alternatives: ``=x`` equals, ``^x`` prefix, ``$x`` suffix, ``*x`` contains, ``~x`` regex."""
    name = type(clause).__name__
    if name == "ClauseOr":
        return [one for each in clause.or_ for one in _clause(each)]
    if name == "ClauseAnd":
        return [[_clause(each) for each in clause.and_]]
    mark, field = {
        "ClauseEquals": ("=", "equals"),
        "ClauseStartsWith": ("^", "starts_with"),
        "ClauseEndsWith": ("$", "ends_with"),
        "ClauseContains": ("*", "contains"),
        "ClauseRegex": ("~", "regex"),
    }[name]
    text = getattr(clause, field)
    return [mark + (text if mark == "~" else text.lower())]


def _amount(price: Any) -> Any:
    if hasattr(price, "tiers"):
        return [str(price.base), *([tier.start, str(tier.price)] for tier in price.tiers)]
    return str(price)


def _rates(prices: Any) -> dict[str, Any]:
    given = {name: price for name, price in vars(prices).items() if price is not None}
    rates = {name: _amount(given[name]) for name in BILLED if name in given}
    hours = next((given[name] for name in HOURS if name in given), None)
    if hours is not None:
        rates["audio_hours"] = _amount(hours)
    if any(name in given for name in UNREAD):
        rates["unread"] = "1"
    return rates


def _when(constraint: Any) -> dict[str, Any]:
    if constraint is None:
        return {}
    if hasattr(constraint, "start_date"):
        start: date = constraint.start_date
        return {"from": start.isoformat()}
    return {"hours": [_utc(constraint.start_time), _utc(constraint.end_time)]}


def _utc(moment: time) -> int:
    """Seconds of the UTC day."""
    if moment.tzinfo is not None:
        moment = datetime.combine(date(1970, 1, 1), moment).astimezone(UTC).time()
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _model(model: Any) -> dict[str, Any]:
    prices = model.prices if isinstance(model.prices, list) else None
    row: dict[str, Any] = {"id": model.id, "match": _clause(model.match)}
    if prices is None:
        row["rates"] = [{"rates": _rates(model.prices)}]
    else:
        row["rates"] = [_when(one.constraint) | {"rates": _rates(one.prices)} for one in prices]
    tiers = [
        _when(variant.constraint) | {"tier": variant.when["service_tier"], "rates": _rates(variant.prices)}
        for variant in model.price_variants or ()
        if set(variant.when) == {"service_tier"}
    ]
    if tiers:
        row["tiers"] = tiers
    return row


def build() -> str:
    from genai_prices.data_snapshot import get_snapshot

    lines = [f'{{"source": "genai-prices", "version": "{version("genai-prices")}", "providers": [']
    providers = get_snapshot().providers
    for number, provider in enumerate(providers):
        head = {"id": provider.id, "borrows": provider.fallback_model_providers or []}
        lines.append(json.dumps(head, separators=(",", ":"))[:-1] + ',"models":[')
        models = [json.dumps(_model(model), separators=(",", ":"), ensure_ascii=False) for model in provider.models]
        lines.append(",\n".join(models))
        lines.append("]}" + ("," if number + 1 < len(providers) else ""))
    return "\n".join([*lines, "]}"]) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(build(), encoding="utf-8")
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
