"""Providers and accounts as the relay sees them: frozen rows of one snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from doorward.core.caller import OPERATOR


@dataclass(frozen=True, slots=True)
class Provider:
    """An upstream that speaks OpenAI's format. `base_url` never ends in ``/`` or ``/v1``."""

    id: str
    name: str
    base_url: str
    auth_type: str = "api_key"
    auth_strategy: str = "api_key"
    """``api_key`` (= ``bearer``), ``header:<name>``, or ``none``: needs no key, serves everyone."""
    supported_models: tuple[str, ...] = ()
    """Exact ids; an entry ending in ``*`` is a prefix. Compared without case."""
    is_active: bool = True
    allow_private: bool = False
    prices: str | None = None
    """The price list that applies: a provider's name in the data set, ``free``, or `None` = its own id."""
    added: int = 0
    """Order of adding; the later wins a tie."""
    is_draining: bool = False
    """For maintenance: its open calls end, new ones go to fallbacks or are told to come again."""

    @property
    def needs_key(self) -> bool:
        return self.auth_strategy != "none"


@dataclass(frozen=True, slots=True)
class Account:
    """A sealed key at a provider. The key itself lies in the vault under ``account:<id>``."""

    id: str
    provider_id: str
    label: str
    owner: str = OPERATOR
    weight: int = 1
    quota_owner: str | None = None
    """Keys of one organisation share one limit; `None` = the account stands alone."""
    organization: str | None = None
    project: str | None = None
    is_active: bool = True
    key_set_at: float | None = None
    """Unix seconds, or `None`: no key stored."""
    quarantined_at: float | None = None
    """Since when the upstream has refused this key (401); setting a new key ends it."""
    quarantine_reason: str | None = None

    @property
    def is_usable(self) -> bool:
        return self.is_active and self.quarantined_at is None

    @property
    def rests_as(self) -> str:
        return self.quota_owner or self.id
