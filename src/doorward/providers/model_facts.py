"""What is known about models beside prices: windows, largest outputs, prefill, tool fees. From `limits.toml`, dated.

`None` is unknown, never a guess; who needs a bound then takes `DOORWARD_MAX_OUTPUT_TOKENS` or refuses.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any

from doorward.core.errors import PricesError
from doorward.core.money import nanos_of_usd

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True, slots=True)
class Facts:
    """One model. Tokens everywhere."""

    window: int | None = None
    """Input and output together."""
    max_output: int | None = None
    image_tokens: int = 50_000
    """The most that one input image counts."""
    prefill: bool = False
    """Continues a trailing assistant message (R29)."""
    searches: bool = False
    """Each chat call makes one web search, billed apart."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The table. `read` is the date when its facts were looked up."""

    read: str
    models: Mapping[str, Facts]
    image_usd: Mapping[str, Mapping[tuple[str, str], Decimal]]
    """Images billed by the piece: model -> (size, quality) -> dollars."""
    tool_nanos: Mapping[str, int]
    """Hosted tool -> dearest fee of one call."""
    free_tools: frozenset[str]
    local_tools: frozenset[str]
    """Run by the caller: the model's turn ends with them."""
    unlisted: Facts

    @classmethod
    def load(cls) -> ModelFacts:
        """Raises `PricesError`: without bounds no hold is safe, so the start stops."""
        return _load()

    def of(self, model: str | None) -> Facts:
        """A model's row; snapshots and fine-tuned models take their base's. Without a row: everything unknown."""
        if not model:
            return self.unlisted
        name = model.lower()
        if name.startswith("ft:"):
            name = name.split(":")[1]
        found = self.models.get(name)
        if found is None:
            found = self.models.get(_SNAPSHOT.sub("", name), self.unlisted)
        return found

    def fee_of(self, tool: str) -> int | None:
        """Nano-dollars of one call of a hosted tool, 0 for one without a fee; `None`: unknown. Dated names take their base's."""
        if tool in self.free_tools or tool in self.local_tools:
            return 0
        name = next((name for name in self.tool_nanos if tool.startswith(name)), None)
        return self.tool_nanos[name] if name is not None else None

    def known_no_larger(self, fallback: str, model: str) -> bool:
        """Both windows are known and the fallback's is not larger: a context-length error will come again (R31)."""
        there, here = self.of(fallback).window, self.of(model).window
        return there is not None and here is not None and there <= here


@cache
def _load() -> ModelFacts:
    try:
        return parse(files("doorward.providers").joinpath("limits.toml").read_text(encoding="utf-8"))
    except OSError as error:
        raise PricesError("providers/limits.toml cannot be read: the installation is damaged, install Doorward again") from error


def parse(text: str) -> ModelFacts:
    """Raises `PricesError` for a table that is not of the documented shape."""
    try:
        table = tomllib.loads(text)
        unlisted = Facts(image_tokens=_whole(table["unlisted_image_tokens"]))
        models: dict[str, Facts] = {}
        for row in table["model"]:
            facts = _facts(row, unlisted)
            for name in row["ids"]:
                if name in models:
                    raise ValueError(f"{name} stands there twice")
                models[name] = facts
        tools = table["tools"]
        return ModelFacts(
            read=str(table["read"]),
            models=models,
            image_usd={row["model"]: {_size_quality(key): _usd(usd) for key, usd in row["usd"].items()} for row in table["image"]},
            tool_nanos={name: nanos_of_usd(_usd(usd)) for name, usd in tools.items() if isinstance(usd, str)},
            free_tools=frozenset(tools["free"]),
            local_tools=frozenset(tools["local"]),
            unlisted=unlisted,
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise PricesError(f"providers/limits.toml is damaged ({error}): install Doorward again") from error


def _facts(row: Mapping[str, Any], unlisted: Facts) -> Facts:
    return Facts(
        window=_whole(row["window"]) if "window" in row else None,
        max_output=_whole(row["max_output"]) if "max_output" in row else None,
        image_tokens=_whole(row.get("image_tokens", unlisted.image_tokens)),
        prefill=row.get("prefill") is True,
        searches=row.get("searches") is True,
    )


def _size_quality(key: str) -> tuple[str, str]:
    size, quality = key.split()
    return size, quality


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a count of tokens must be a whole number, 0 or more")
    return value


def _usd(value: object) -> Decimal:
    amount = Decimal(str(value))
    if not amount.is_finite() or amount < 0:
        raise ValueError("a price must be 0 or more")
    return amount
