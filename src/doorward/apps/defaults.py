"""The figures of the app endpoints (R43, R47), all of them settings."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from doorward.core.money import nanos_of_usd
from doorward.settings import Settings


@dataclass(frozen=True, slots=True)
class Defaults:
    model: str = "gpt-4o-mini"
    embedding_model: str = "text-embedding-3-small"
    max_tokens: int = 2000
    temperature: float = 0.7
    history_tokens: int = 8000
    max_message_chars: int = 100_000
    summary_tokens: int = 200
    """At most, of one summary."""
    one_call_tokens: int = 8000
    """A longer text is cut there, unless everything is wished for."""
    whole_tokens: int = 100_000
    """A longer text is always read whole, in slices."""
    slice_tokens: int = 50_000
    parallel: int = 8
    """Model calls that one request makes at the same time."""
    answers_kept_s: float = 86_400.0
    cost_cap_nanos: int | None = None
    """Of one request to a summary, an agent or a batch; `None`: budgets alone bound it."""
    agent_steps: int = 12
    agent_s: float = 300.0
    agent_tokens: int = 200_000
    tool_s: float = 30.0
    tool_result_chars: int = 20_000

    @classmethod
    def of(cls, settings: Settings) -> Defaults:
        cap: Decimal | None = settings.app_cost_cap_usd
        return cls(
            model=settings.default_model,
            embedding_model=settings.embedding_model,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            history_tokens=settings.history_tokens,
            max_message_chars=settings.max_message_chars,
            parallel=settings.app_parallel,
            cost_cap_nanos=None if cap is None else nanos_of_usd(cap),
            agent_steps=settings.agent_steps,
            agent_s=settings.agent_s,
            agent_tokens=settings.agent_tokens,
            tool_s=settings.tool_s,
        )
