"""`/api/v1/account-states`: what this process knows of each of the operator's accounts now, in words and shares."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from doorward.core.caller import OPERATOR
from doorward.edge.control_plane.caller import HasParts
from doorward.edge.control_plane.console import HasConsole
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.fields import Answer
from doorward.edge.control_plane.handed import Console
from doorward.edge.control_plane.parts import Parts
from doorward.providers.provider import Account
from doorward.store.tallies import MEASURES, Range

routes = router("accounts")

DAY_S = 86400.0
State = Literal["ready", "resting", "refused", "off", "no_key"]


class HeadroomOut(Answer):
    left: float = Field(description="Share of the limit that is left, 0 to 1: the tightest of its models.")
    resets_in_s: float = Field(description="Until the whole limit is there again.")


class AccountStateOut(Answer):
    id: str
    label: str
    provider_id: str
    state: State
    why: str = Field(description="Why it takes no calls; empty if it does.")
    for_s: float | None = Field(description="How long it rests still; null: until somebody acts.")
    in_flight: int
    requests: HeadroomOut | None = Field(description="null: the provider has not told yet.")
    tokens: HeadroomOut | None = Field(description="null: the provider has not told yet.")
    calls_24h: int
    cost_nanos_24h: int
    unknown_cost_calls_24h: int


class AccountStateList(Answer):
    data: list[AccountStateOut]


@routes.get("/api/v1/account-states")
@declared(auth="either", scope="admin")
async def account_states(parts: HasParts, console: HasConsole) -> AccountStateList:
    """State, headroom and the last day's spend, in the order of adding."""
    return AccountStateList(data=await states(parts, console))


async def states(parts: Parts, console: Console) -> list[AccountStateOut]:
    now_s = parts.clock.wall()
    spent = await console.tallies.sums("account", Range(now_s - DAY_S, now_s + 1))
    seen = console.health.snapshot()
    return [_state(account, seen, spent.get(account.id)) for account in await parts.accounts.of_owner(OPERATOR)]


def _state(account: Account, seen: dict[str, list[dict[str, object]]], spent: tuple[int, ...] | None) -> AccountStateOut:
    lines = [line for line in seen["routes"] if line["account"] == account.id]
    sums = dict(zip(MEASURES, spent or (0,) * len(MEASURES), strict=True))
    state, why, for_s = _word(account, seen, lines)
    return AccountStateOut(
        id=account.id,
        label=account.label,
        provider_id=account.provider_id,
        state=state,
        why=why,
        for_s=for_s,
        in_flight=sum(int(str(line["in_flight"])) for line in lines),
        requests=_headroom(lines, "requests"),
        tokens=_headroom(lines, "tokens"),
        calls_24h=sums["calls"],
        cost_nanos_24h=sums["cost_nanos"],
        unknown_cost_calls_24h=sums["unknown_cost_calls"],
    )


def _word(
    account: Account, seen: dict[str, list[dict[str, object]]], lines: list[dict[str, object]]
) -> tuple[State, str, float | None]:
    if not account.is_active:
        return "off", "switched off", None
    if account.key_set_at is None:
        return "no_key", "no key is stored", None
    if account.quarantined_at is not None:
        return "refused", account.quarantine_reason or "the provider refuses the key", None
    for row in seen["quarantined"]:
        if row["account"] == account.id:
            return "refused", "the provider refuses the key", _seconds(row["for_s"])
    owner = f"{account.provider_id}:{account.rests_as}"
    rests = [row for row in seen["rests"] if row["quota_owner"] == owner]
    if rests:
        longest = max(rests, key=lambda row: _seconds(row["for_s"]))
        of = f"for {longest['model']}" if longest["model"] else "for every model"
        return "resting", f"the provider asked to wait, {of}", _seconds(longest["for_s"])
    broken = [str(line["model"]) for line in lines if line["breaker"] != "closed"]
    if broken:
        return "resting", f"too many failures in a row, for {', '.join(sorted(broken))}", None
    return "ready", "", None


def _headroom(lines: list[dict[str, object]], kind: str) -> HeadroomOut | None:
    told = [(line["headroom"], line["resets_s"]) for line in lines]
    found = [(h[kind], r[kind]) for h, r in told if isinstance(h, dict) and isinstance(r, dict) and kind in h]
    if not found:
        return None
    left, resets_in_s = min(found)
    return HeadroomOut(left=left, resets_in_s=resets_in_s)


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
