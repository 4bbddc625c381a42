"""Custody: whose stored keys a call may draw on. One setting, three policies, one accounts table (R1).

    per_user   a user's own accounts; an operator's client key draws on the operator's
    admin      the operator's accounts, for everybody who may call
    anonymous  the operator's accounts, for every visitor; no login at all

The policy is chosen at start and by nothing that a request carries.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from doorward.core.caller import OPERATOR, Caller
from doorward.core.errors import (
    BadRequest,
    DoorwardError,
    Forbidden,
    KeyNotConfigured,
    NotInThisMode,
    OpenAINotConfigured,
    Unauthenticated,
)

Custody = Literal["per_user", "admin", "anonymous"]

SLOT_PROVIDER = "openai"
SLOT_LABEL = "default"
"""The single slot: the operator's account with this label at this provider (R1)."""

ANONYMOUS = "anonymous"
"""Owner of what anonymous visitors make."""

SIGN_IN = "Sign in to use this feature"


@dataclass(frozen=True, slots=True)
class Policy:
    """What one custody mode means, as data."""

    users_bring_keys: bool
    """Users' calls draw on their own accounts, and `/api/v1/me/openai-key` exists."""
    login: bool
    """There are sessions, and a call without a credential is refused."""
    anyone_sets_key: bool
    """`PUT /api/v1/openai-key` needs no role."""


POLICIES: dict[Custody, Policy] = {
    "per_user": Policy(users_bring_keys=True, login=True, anyone_sets_key=False),
    "admin": Policy(users_bring_keys=False, login=True, anyone_sets_key=False),
    "anonymous": Policy(users_bring_keys=False, login=False, anyone_sets_key=True),
}

_OPERATOR_ONLY = frozenset({OPERATOR})


def user_owner(user_id: str) -> str:
    """The owner of a user's accounts and objects."""
    return f"user:{user_id}"


def draws_on(custody: Custody, user_id: str | None) -> frozenset[str]:
    """Owners of the accounts that a caller may use; `user_id` is `None` for the operator's keys and visitors."""
    if POLICIES[custody].users_bring_keys and user_id is not None:
        return frozenset({user_owner(user_id)})
    return _OPERATOR_ONLY


def anonymous_caller() -> Caller:
    return Caller(owner=ANONYMOUS, draws_on=_OPERATOR_ONLY, scopes=frozenset({"call"}), label=ANONYMOUS)


def no_account(custody: Custody, caller: Caller) -> DoorwardError:
    """The refusal when no account that `caller` draws on can serve the call (R3, R4, R5)."""
    policy = POLICIES[custody]
    if policy.login and caller.is_anonymous:
        return Unauthenticated(SIGN_IN)
    if policy.users_bring_keys and caller.user_id is not None:
        return KeyNotConfigured("Set your OpenAI API key first")
    return OpenAINotConfigured("OpenAI is not configured")


def require_call(custody: Custody, caller: Caller) -> None:
    """Raise unless `caller` may make model calls at all (R5: the user role; R14: scope `call`)."""
    policy = POLICIES[custody]
    if policy.login and caller.is_anonymous:
        raise Unauthenticated(SIGN_IN)
    if policy.login and caller.key_id is None and caller.role is None:
        raise Forbidden("Unauthorized")
    if "call" not in caller.scopes:
        raise Forbidden("This key may not make calls: it lacks the scope call. Use a key made with --scope call.")


def require_mode(custody: Custody, modes: Collection[Custody] | None) -> None:
    """A route that exists in some modes only is not there in the others, whoever asks (R1)."""
    if modes is not None and custody not in modes:
        raise NotInThisMode(_NOT_HERE[custody])


_NOT_HERE: dict[Custody, str] = {
    "per_user": "This is not part of custody per_user: everybody stores a key of their own, at /api/v1/me/openai-key.",
    "admin": "This is not part of custody admin: an admin stores the key for everybody, at /api/v1/openai-key.",
    "anonymous": "This is not part of custody anonymous: there is no sign-in, and one key for everybody, at /api/v1/openai-key.",
}

WITH_LOGIN: tuple[Custody, ...] = ("per_user", "admin")
"""The modes with users: sign-in, sessions, invitations."""
ONE_KEY: tuple[Custody, ...] = ("admin", "anonymous")
"""The modes whose calls share one key."""
OWN_KEYS: tuple[Custody, ...] = ("per_user",)


def require_startable(custody: Custody, host: str, *, allow_public: bool, has_spend_cap: bool) -> None:
    """Custody `anonymous` stands open: only on loopback or by a setting of its own, and only under a cap (R6)."""
    if POLICIES[custody].login:
        return
    if not allow_public and not _is_loopback(host):
        raise BadRequest(
            f"Custody anonymous does not listen on {host}: whoever reaches it could spend. "
            "Listen on 127.0.0.1, or set DOORWARD_ALLOW_PUBLIC_ANONYMOUS=1."
        )
    if not has_spend_cap:
        raise BadRequest("Custody anonymous needs a cap on what everybody together may spend. Set DOORWARD_SPEND_CAP_USD, like 5.")


def unreachable(custody: Custody, owners: Iterable[str]) -> str | None:
    """What a start in this mode says about stored keys that it will not use; `owners`: of accounts with a key."""
    if POLICIES[custody].users_bring_keys:
        return None
    resting = sum(1 for owner in owners if owner != OPERATOR)
    if not resting:
        return None
    keys = "1 user's key rests" if resting == 1 else f"{resting} users' keys rest"
    return f"{keys}, sealed: custody {custody} uses the operator's accounts alone. They serve again in custody per_user."


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
