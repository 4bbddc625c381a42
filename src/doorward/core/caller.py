"""Who calls: the one answer of `identity.credentials`, read by every room above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OPERATOR = "operator"
"""Owner of the operator's accounts and of objects that the operator itself makes."""

Scope = Literal["call", "me", "admin"]
Role = Literal["admin", "user"]


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """A client key's own bounds; `None` = no bound of its own (R32, R33)."""

    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    tpd: int | None = None
    concurrency: int | None = None
    budget_nanos: int | None = None
    budget_period: Literal["day", "month", "ever"] | None = None


NO_LIMITS = KeyLimits()


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller, or the anonymous one.

    `owner` decides which objects, conversations, cache entries and calls are the caller's
    (R14b): ``user:<id>``, ``key:<public id>``, ``share:<name>`` or ``anonymous``.
    `draws_on` decides which accounts its calls may use (R1): the owners of account rows,
    ``operator`` or ``user:<id>``.
    """

    owner: str
    draws_on: frozenset[str]
    scopes: frozenset[Scope]
    role: Role | None = None
    user_id: str | None = None
    key_id: str | None = None
    purse: str | None = None
    """The first key of a chain of rotations, whose budget this key's calls count against; `None`: `key_id`'s own."""
    label: str = ""
    session_id: str | None = None
    models: tuple[str, ...] | None = None
    """Allowed models (exact, or a prefix ending in `*`), `None` = all."""
    adapters: tuple[str, ...] | None = None
    limits: KeyLimits = NO_LIMITS
    content_days: int | None = None
    """What is said in its calls is kept for so many days; `None`: it is not kept."""

    @property
    def is_admin(self) -> bool:
        return "admin" in self.scopes

    @property
    def is_anonymous(self) -> bool:
        return self.user_id is None and self.key_id is None
