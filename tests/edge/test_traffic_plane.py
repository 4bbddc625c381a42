"""Routes, aliases, limits, health and what-if over the control plane; what makes no sense is refused when it is set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.answers import chat_answer, error_answer, json_answer
from tests.edge.plane import Plane, plane
from tests.scripted import ScriptedUpstream


@pytest.fixture
async def up() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(chat_answer()) as upstream:
        yield upstream


@pytest.fixture
async def desk(tmp_path: Path, up: ScriptedUpstream) -> AsyncIterator[Plane]:
    async with plane(tmp_path, total_s=600) as desk:
        await desk.door.provider("one", up.base_url, "big-*", prices="free")
        await desk.door.provider("two", up.base_url, "small", prices="free")
        await desk.door.account("one", label="first")
        await desk.door.account("one", label="second", weight=3)
        await desk.door.account("two")
        yield desk


async def chat(desk: Plane, model: str, key: str | None = None) -> Any:
    headers = {"authorization": f"Bearer {key or desk.admin}"}
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return await desk.http.post("/v1/chat/completions", headers=headers, json=body)


async def test_a_route_is_set_shown_used_and_removed(desk: Plane, up: ScriptedUpstream) -> None:
    wish = {"fallbacks": ["small"], "first_event_timeout_s": 5, "idle_timeout_s": 7, "rescue": True}
    made = await desk.ask("PUT", "/routes/big-*", wish)
    assert made == {"match": "big-*", **wish}
    assert (await desk.ask("GET", "/routes"))["data"] == [made]
    up.script = lambda request: error_answer(400, "context_length_exceeded") if request.json["model"] == "big-1" else chat_answer()
    assert (await chat(desk, "big-1")).status_code == 200, "in force at once"
    await desk.ask("DELETE", "/routes/big-*")
    assert (await chat(desk, "big-1")).status_code == 400
    await desk.refused("DELETE", "/routes/big-*", 404)


@pytest.mark.parametrize(
    ("match", "wish", "says"),
    [
        ("big-1", {"fallbacks": []}, "at least one"),
        ("big-1", {"fallbacks": ["big-1"]}, "own fallback"),
        ("big-1", {"fallbacks": ["BIG-1"]}, "own fallback"),
        ("big-1", {"fallbacks": ["one/big-1"]}, "own fallback"),
        ("big-*", {"fallbacks": ["big-*"]}, "one model's name"),
        ("big-1", {"fallbacks": ["nobody-has-this"]}, "No provider has"),
        ("nobody-has-this", {"fallbacks": ["small"]}, "No provider has"),
        ("big-1", {"fallbacks": ["small"] * 1 + [f"small{i}" for i in range(20)]}, "at most"),
        ("big-1", {"fallbacks": ["small"], "first_event_timeout_s": 0.001}, "at least"),
        ("big-1", {"fallbacks": ["small"], "idle_timeout_s": 601}, "never be reached"),
        ("big *x", {"fallbacks": ["small"]}, "prefix"),
    ],
)
async def test_routes_that_make_no_sense_are_refused(desk: Plane, match: str, wish: dict[str, Any], says: str) -> None:
    error = await desk.refused("PUT", f"/routes/{match}", 422, wish)
    assert says in error["message"]
    assert (await desk.ask("GET", "/routes"))["data"] == []


@pytest.mark.parametrize("seconds", [0, -1, "nan", 1e400])
async def test_time_limits_are_numbers_above_zero(desk: Plane, seconds: Any) -> None:
    raw = '{"fallbacks": ["small"], "idle_timeout_s": %s}' % ("1e400" if seconds == 1e400 else f'"{seconds}"')
    headers = {"authorization": f"Bearer {desk.admin}", "content-type": "application/json"}
    answer = await desk.http.put("/api/v1/routes/big-1", headers=headers, content=raw)
    assert answer.status_code in (400, 422), answer.text


async def test_unknown_models_with_force(desk: Plane) -> None:
    await desk.ask("PUT", "/routes/big-1", {"fallbacks": ["later"], "force": True})
    assert (await chat(desk, "big-1")).status_code == 200


async def test_other_names_for_models(desk: Plane, up: ScriptedUpstream) -> None:
    await desk.ask("PUT", "/aliases/fast", {"model": "small"})
    assert (await desk.ask("GET", "/aliases"))["data"] == [{"name": "fast", "model": "small"}]
    assert (await chat(desk, "fast")).status_code == 200
    assert up.requests[-1].json["model"] == "small"
    for name, model, status in (
        ("fast", "FAST", 422),
        ("other", "fast", 409),
        ("small", "big-1", 409),
        ("x", "nobody-has-this", 422),
        ("x*", "small", 422),
        ("one/x", "small", 422),
    ):
        await desk.refused("PUT", f"/aliases/{name}", status, {"model": model})
    await desk.ask("DELETE", "/aliases/fast")
    assert (await chat(desk, "fast")).status_code == 404


async def test_limits_of_an_account_pass_it_over_like_a_rest(desk: Plane, up: ScriptedUpstream) -> None:
    accounts = {row["label"]: row["id"] for row in (await desk.ask("GET", "/accounts"))["data"] if row["provider_id"] == "one"}
    limited = await desk.ask("PUT", f"/limits/account:{accounts['second']}", {"rpm": 2})
    assert limited["rpm"] == 2
    for _ in range(12):
        assert (await chat(desk, "big-1")).status_code == 200
    rows = (await desk.ask("GET", "/health"))["routes"]
    assert {row["account"] for row in rows} == set(accounts.values())
    assert (await desk.ask("GET", "/limits"))["data"] == [limited]
    await desk.ask("PUT", f"/limits/account:{accounts['first']}", {"rpm": 1})
    answers = [await chat(desk, "big-1") for _ in range(3)]
    assert answers[-1].status_code == 503
    assert float(answers[-1].headers["retry-after"]) > 0
    await desk.ask("DELETE", f"/limits/account:{accounts['first']}")
    assert (await chat(desk, "big-1")).status_code == 503, "what it was told to wait, it waits"


async def test_limits_of_a_user_count_over_all_its_keys(desk: Plane) -> None:
    made = await desk.ask("POST", "/users", {"email": "ann@example.com"}, status=201)
    await desk.ask("PUT", "/limits/user:ann@example.com", {"rpm": 2, "concurrency": 1})
    keys = [await desk.door.key(label=f"k{i}", owner_user_id=made["id"]) for i in range(2)]
    await desk.door.provider("open", (await desk.ask("GET", "/providers/one"))["base_url"], "open-*", auth="none", prices="free")
    statuses = [(await chat(desk, "open-1", key)).status_code for key in (*keys, keys[0])]
    assert statuses == [200, 200, 429]
    refused = await chat(desk, "open-1", keys[1])
    assert "This user" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("subject", "wish", "status"),
    [
        ("user:nobody@example.com", {"rpm": 1}, 404),
        ("account:acc_none", {"rpm": 1}, 404),
        ("key:x", {"rpm": 1}, 422),
        ("nonsense", {"rpm": 1}, 422),
        ("user:x", {}, 422),
        ("user:x", {"rpm": 0}, 422),
        ("user:x", {"rpm": 10**10}, 422),
        ("user:x", {"rpm": 100, "rpd": 10}, 422),
    ],
)
async def test_limits_that_make_no_sense_are_refused(desk: Plane, subject: str, wish: dict[str, Any], status: int) -> None:
    await desk.refused("PUT", f"/limits/{subject}", status, wish)


async def test_what_if_says_where_and_why_and_calls_nobody(desk: Plane, up: ScriptedUpstream) -> None:
    await desk.ask("PUT", "/routes/big-1", {"fallbacks": ["small"], "first_event_timeout_s": 9})
    found = await desk.ask("POST", "/routes/what-if", {"model": "big-1", "messages": []})
    assert up.calls == 0
    assert "PUT /api/v1/routes/{match:path}" in (written := {row["action"] for row in (await desk.ask("GET", "/audit"))["data"]})
    assert not any("what-if" in action for action in written), "it changes nothing"
    assert (found["first_event_s"], found["has_fallback"], found["rescue"]) == (9, True, False)
    assert [(plan["provider"], plan["label"]) for plan in found["plans"]] == [("one", "first"), ("one", "second"), ("two", "main")]
    assert [plan["share"] for plan in found["plans"]] == [0.25, 0.75, 0.0]
    assert "by route big-1" in found["why"]
    assert {plan["headroom"] for plan in found["plans"]} == {None}, "what no provider has told is not called whole"
    told = {"limit-requests": "100", "remaining-requests": "40", "reset-requests": "9000s"}
    up.script = json_answer(
        {"object": "chat.completion", "choices": []}, headers={f"x-ratelimit-{name}": text for name, text in told.items()}
    )
    await chat(desk, "big-1")
    found = await desk.ask("POST", "/routes/what-if", {"model": "big-1", "messages": []})
    assert sorted(str(plan["headroom"]) for plan in found["plans"]) == ["0.4", "None", "None"]
    up.script = error_answer(429, "rate_limit_exceeded", headers={"retry-after": "9"})
    await chat(desk, "big-1")
    found = await desk.ask("POST", "/routes/what-if", {"endpoint": "/v1/chat/completions", "body": {"model": "big-1"}})
    assert any(not plan["is_usable"] and plan["wait_s"] > 0 and not plan["is_refused"] for plan in found["plans"])
    up.script = error_answer(401, "invalid_api_key")
    await chat(desk, "big-2")
    found = await desk.ask("POST", "/routes/what-if", {"model": "big-2"})
    assert any(plan["is_refused"] and not plan["is_usable"] for plan in found["plans"])
    await desk.refused("POST", "/routes/what-if", 404, {"model": "nobody-has-this"})
    await desk.refused("POST", "/routes/what-if", 404, {"endpoint": "/v1/nothing", "body": {}})


async def test_what_if_as_a_chosen_key_follows_its_powers(desk: Plane, up: ScriptedUpstream) -> None:
    """Its owner's accounts, its models, its end: as a call with it would be treated, not as an admin's."""
    ann = await desk.ask("POST", "/users", {"email": "ann@example.com"}, status=201)
    made = {
        label: (await desk.ask("POST", "/keys", {"label": label, **wish}, status=201))["id"]
        for label, wish in {
            "operator's": {},
            "small only": {"models": ["small"]},
            "ann's": {"owner": "ann@example.com"},
            "over": {},
        }.items()
    }
    asks = {"model": "big-1", "messages": []}

    def place(label: str) -> str:
        return f"/routes/what-if?key_id={made[label]}"

    found = await desk.ask("POST", place("operator's"), asks)
    assert (found["key_id"], [plan["label"] for plan in found["plans"]]) == (made["operator's"], ["first", "second"])
    refused = await desk.refused("POST", place("small only"), 403, asks)
    assert "may not use the model 'big-1'" in refused["message"]
    refused = await desk.refused("POST", place("ann's"), 403, asks)
    assert refused["code"] == "key_not_configured", "in custody per_user her key never draws on the operator's accounts"
    theirs = await desk.door.account("one", label="hers", owner=f"user:{ann['id']}")
    found = await desk.ask("POST", place("ann's"), asks)
    assert [plan["account"] for plan in found["plans"]] == [theirs.id]
    await desk.ask("POST", f"/keys/{made['over']}/revoke")
    assert "was revoked" in (await desk.refused("POST", place("over"), 422, asks))["message"]
    await desk.refused("POST", "/routes/what-if?key_id=nobody", 404, asks)
    unused = {row["id"]: row["last_used_at"] for row in (await desk.ask("GET", "/keys"))["data"] if row["id"] in made.values()}
    assert set(unused.values()) == {None}
    assert up.calls == 0


async def test_a_drained_provider_gets_no_new_calls(desk: Plane, up: ScriptedUpstream) -> None:
    await desk.ask("PATCH", "/providers/one", {"is_draining": True})
    refused = await chat(desk, "big-1")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "all_accounts_resting")
    assert "x-should-retry" not in refused.headers
    await desk.ask("PUT", "/routes/big-1", {"fallbacks": ["small"]})
    assert (await chat(desk, "big-1")).status_code == 200
    assert up.requests[-1].json["model"] == "small"
    await desk.ask("PATCH", "/providers/one", {"is_draining": False})
    await chat(desk, "big-1")
    assert up.requests[-1].json["model"] == "big-1"


async def test_only_admins(desk: Plane) -> None:
    plain = await desk.door.key(label="plain")
    for method, path in (("GET", "/routes"), ("GET", "/aliases"), ("GET", "/limits"), ("GET", "/health")):
        await desk.refused(method, path, 403, key=plain)
    await desk.refused("PUT", "/routes/big-1", 403, {"fallbacks": ["small"]}, key=plain)
