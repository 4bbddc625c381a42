"""The console's figures, states, adapters and exports over the control plane: right sums, admins only, never a value."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.edge.plane import Plane, plane
from tests.telemetry.calls import settled
from tests.ui.book import Book, fill, many

from doorward.providers.route import Plan
from doorward.store.calls import Calls
from doorward.store.groups import bin_of
from doorward.store.tallies import MEASURES, Tallies, percentile_ms
from doorward.store.tallies import Range as Over

DAY_S = 86_400
ADMINS_ONLY = ("/overview", "/overview/live", "/account-states", "/user-states", "/adapters")


async def filled(door: Plane, calls: int = 400) -> Book:
    return await fill(door.door, calls=calls, days=3)


async def test_figures_are_the_sums_of_the_calls(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        book = await filled(door)
        now_s = door.door.app.clock.wall()
        found = await door.ask("GET", f"/overview?from={now_s - 4 * DAY_S:.0f}")
        usage = (await door.ask("GET", f"/usage?by=model&from={now_s - 4 * DAY_S:.0f}"))["rows"]
        for name in ("calls", "failed_calls", "cached_calls", "unknown_cost_calls", "input_tokens", "output_tokens", "cost_nanos"):
            assert found["now"][name] == sum(row[name] for row in usage), name
        assert sum(found["calls"]) == found["now"]["calls"]
        assert sum(sum(one["values"]) for one in found["spend"]) == found["now"]["cost_nanos"]
        assert found["now"]["refused_calls"] == sum(range(3, 23))
        assert {one["name"] for one in found["errors"]} >= {"rate_limit_exceeded"}
        assert found["top_keys"][0]["cost_nanos"] == max(row["cost_nanos"] for row in found["top_keys"])
        assert {row["name"] for row in found["top_users"]} == {"(operator)", "ben@example.com"}
        assert all(len(series["values"]) == len(found["starts"]) for series in (*found["spend"], *found["errors"]))
        assert found["has_calls"] is True
        key = book.keys["mobile app"]
        one = await door.ask("GET", f"/overview?from={now_s - 4 * DAY_S:.0f}&key_id={key}&model=gpt-4o")
        calls = (await door.ask("GET", f"/calls?key_id={key}&model=gpt-4o&limit=200"))["data"]
        assert one["now"]["calls"] == len([call for call in calls if call["outcome"] != "refused"])
        assert one["now"]["cost_nanos"] == sum(call["cost_nanos"] for call in calls)
        assert one["models"] == found["models"], "the choice of models does not shrink to what is chosen"


async def test_deltas_compare_with_the_time_before(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        await filled(door)
        now_s = door.door.app.clock.wall()
        middle = int(now_s - 1.5 * DAY_S) // 900 * 900
        later = await door.ask("GET", f"/overview?from={middle}&to={middle + DAY_S}")
        earlier = await door.ask("GET", f"/overview?from={middle - DAY_S}&to={middle}")
        assert later["before"]["calls"] == earlier["now"]["calls"] > 0
        assert later["before"]["first_byte_p95_ms"] == earlier["now"]["first_byte_p95_ms"]


@pytest.mark.parametrize(("days", "size_s"), [(1, 900), (7, 3 * 3600), (30, DAY_S)])
async def test_a_range_has_steps_that_a_chart_can_show(tmp_path: Path, days: int, size_s: int) -> None:
    async with plane(tmp_path) as door:
        now_s = door.door.app.clock.wall()
        found = await door.ask("GET", f"/overview?from={now_s - days * DAY_S:.0f}&tz=Asia/Kathmandu")
        starts = found["starts"]
        assert {after - before for before, after in zip(starts, starts[1:], strict=False)} == {size_s}
        assert starts[0] <= now_s - days * DAY_S < starts[1]
        assert len(starts) < 110
        if size_s == DAY_S:
            assert all((start + 20_700) % DAY_S == 0 for start in starts), "days of the zone, 5 h 45 min ahead of UTC"
        assert found["has_calls"] is False
        assert found["now"]["first_byte_p95_ms"] is None


def test_percentiles_are_exact_to_a_bin() -> None:
    spans = [1.5 * 1.01**n for n in range(500)]
    bins: dict[int, int] = {}
    for span in spans:
        bins[bin_of(span)] = bins.get(bin_of(span), 0) + 1
    for share in (0.5, 0.95, 0.99):
        told, true = percentile_ms(bins, share), spans[int(share * len(spans)) - 1]
        assert told is not None
        assert abs(told / true - 1) < 0.19
    assert percentile_ms({}, 0.5) is None
    assert bin_of(0.0) == 0
    assert bin_of(1e12) == 100


async def test_a_first_byte_is_shown_in_the_bin_that_its_calls_had(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        await Calls(door.door.app.ground.store).absorb([settled(first_byte_ms=100.0) for _ in range(40)])
        now_s = door.door.app.clock.wall()
        found = await door.ask("GET", f"/overview?from={now_s - DAY_S:.0f}")
        assert 2.0 ** (26 / 4) < found["now"]["first_byte_p95_ms"] < 2.0 ** (27 / 4), "100 ms lies between 90.5 and 107.6"


async def test_tallies_of_every_level_add_up_to_the_same(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        book = await filled(door, calls=200)
        tallies = Tallies(door.door.app.ground.store)
        whole = Over(0, 1e11)
        calls = MEASURES.index("calls")
        by_model = sum(row[calls] for row in (await tallies.sums("model", whole)).values())
        assert by_model == sum(row[calls] for row in (await tallies.sums("key", whole)).values())
        assert by_model == sum(row[calls] for row in (await tallies.sums("user", whole)).values())
        by_key = [await tallies.sums("model", Over(0, 1e11, key)) for key in book.keys.values()]
        assert by_model == sum(row[calls] for found in by_key for row in found.values())


async def test_live_tells_each_second_what_came(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        key = await door.door.key()
        headers = {"authorization": f"Bearer {door.admin}"}
        async with door.http.stream("GET", "/api/v1/overview/live", headers=headers) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            first = json.loads((await anext(line async for line in lines if line.startswith("data: ")))[6:])
            assert first["calls"] == 0
            chat = {"model": "sim-gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
            answer = await door.http.post("/v1/chat/completions", json=chat, headers={"authorization": f"Bearer {key}"})
            assert answer.status_code == 200
            async with asyncio.timeout(8):
                after = json.loads((await anext(line async for line in lines if line.startswith("data: ")))[6:])
        assert after["calls"] == 1
        assert after["output_tokens"] > 0


async def test_live_ends_when_its_key_does(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        made = await door.ask("POST", "/keys", {"label": "watcher", "scopes": ["call", "me", "admin"]}, status=201)
        async with door.http.stream("GET", "/api/v1/overview/live", headers={"authorization": f"Bearer {made['key']}"}) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            await door.ask("POST", f"/keys/{made['id']}/revoke")
            began = time.monotonic()
            async with asyncio.timeout(5):
                async for _ in lines:
                    pass
        assert time.monotonic() - began < 5


async def test_accounts_say_what_they_do_and_what_is_left(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        book = await filled(door, calls=50)
        catalog, health = door.door.app.ground.catalogue.now(), door.door.app.traffic.health
        provider = catalog.providers["openai"]
        accounts = {account.label: account for account in catalog.accounts.values()}
        told = {
            b"limit-requests": b"500",
            b"remaining-requests": b"400",
            b"reset-requests": b"60s",
            b"limit-tokens": b"90000",
            b"remaining-tokens": b"9000",
            b"reset-tokens": b"40s",
        }
        headers = [(b"x-ratelimit-" + name, value) for name, value in told.items()]
        health.saw_answer(Plan(provider, accounts["main-2"], "gpt-4o"), 200, headers)
        health.rest(Plan(provider, accounts["reserve"], "gpt-4o"), 41)
        health.quarantine(accounts["main-1"])
        await door.ask("PATCH", f"/accounts/{book.accounts['main-2']}", {"is_active": False})
        states = {row["label"]: row for row in (await door.ask("GET", "/account-states"))["data"]}
        assert (states["main-1"]["state"], states["reserve"]["state"], states["main-2"]["state"]) == ("refused", "resting", "off")
        assert 35 < states["reserve"]["for_s"] <= 41
        assert states["reserve"]["requests"] is None, "not known is not 100 %"
        assert states["main-2"]["requests"]["left"] == pytest.approx(0.8, abs=0.05)
        assert 30 < states["main-2"]["tokens"]["resets_in_s"] <= 40
        assert sum(row["calls_24h"] for row in states.values()) > 0
        attention = (await door.ask("GET", "/overview"))["attention"]
        assert [(item["kind"], item["level"]) for item in attention][:1] == [("account", "bad")]
        assert {item["subject"] for item in attention if item["kind"] == "account"} == {
            book.accounts["main-1"],
            book.accounts["reserve"],
        }


async def test_what_needs_attention_is_told_worst_first(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        book = await filled(door, calls=50)
        key = book.keys["search"]
        await door.ask("PUT", f"/budgets/key:{key}", {"cap_usd": 0, "period": "month"})
        attention = (await door.ask("GET", "/overview"))["attention"]
        assert attention[0] == {
            "kind": "budget",
            "subject": f"key:{key}",
            "level": "bad",
            "says": attention[0]["says"],
        }
        assert attention[0]["says"].startswith('Budget "search" is used up ($0.00 of $0.00); it resets on 1 ')
        says = [item["says"] for item in attention]
        assert "The price of 1 call is not known and not in the spend" in says
        assert any(text.startswith('Key "mobile app" expires on ') for text in says)


FILE = """apiVersion: doorward.dev/v1
kind: HTTP
metadata: {name: github}
spec:
  baseUrl: https://api.github.com
  headers:
    - {name: Authorization, value: "Bearer ${{ CONSOLE_TEST_TOKEN }}"}
    - name: X-Fixed
      value: kept-to-ourselves
"""


async def test_adapters_show_names_and_never_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSOLE_TEST_TOKEN", "tok-not-to-be-seen")
    file = tmp_path / "adapters.yaml"
    file.write_text(FILE)
    async with plane(tmp_path, adapters=file) as door:
        good = await door.ask("GET", "/adapters")
        (one,) = good["data"]
        assert (one["name"], one["base_url"], one["headers"]) == ("github", "https://api.github.com", ["Authorization", "X-Fixed"])
        assert one["variables"] == [{"name": "CONSOLE_TEST_TOKEN", "is_set": True}]
        assert (one["in_force"], good["problems"]) == (True, [])
        file.write_text(FILE.replace("CONSOLE_TEST_TOKEN", "CONSOLE_TEST_NOT_SET").replace("name: github", "name: other"))
        async with asyncio.timeout(8):
            while not (bad := await door.ask("GET", "/adapters"))["problems"]:
                await asyncio.sleep(0.1)
        assert {row["name"]: row["in_force"] for row in bad["data"]} == {"other": False, "github": True}
        assert bad["data"][0]["variables"] == [{"name": "CONSOLE_TEST_NOT_SET", "is_set": False}]
        (problem,) = bad["problems"]
        assert (problem["line"], "CONSOLE_TEST_NOT_SET is not set" in problem["says"]) == (7, True)
        assert [line["number"] for line in problem["around"]] == [5, 6, 7, 8, 9]
        assert "${{ CONSOLE_TEST_NOT_SET }}" in problem["around"][2]["text"]
        everything = json.dumps([good, bad])
        for secret in ("tok-not-to-be-seen", "kept-to-ourselves"):
            assert secret not in everything


async def test_lists_turn_both_ways_and_narrow_by_account(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        book = await filled(door, calls=120)
        first = await door.ask("GET", "/calls?limit=40")
        second = await door.ask("GET", f"/calls?limit=40&after={first['after']}")
        assert first["before"] is None
        back = await door.ask("GET", f"/calls?limit=40&before={second['before']}")
        assert [row["id"] for row in back["data"]] == [row["id"] for row in first["data"]]
        assert back["before"] is None, "the newest page has nothing newer"
        by_account = (await door.ask("GET", f"/calls?account_id={book.accounts['reserve']}"))["data"]
        assert [row["id"] for row in by_account] == [book.unknown]
        by_code = (await door.ask("GET", "/calls?error_code=rate_limit_exceeded"))["data"]
        assert [row["id"] for row in by_code] == [book.refused]


async def test_exports_are_the_filter_as_a_file(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        book = await filled(door, calls=60)
        key = book.keys["mobile app"]
        headers = {"authorization": f"Bearer {door.admin}"}
        answer = await door.http.get(f"/api/v1/calls/export?format=csv&key_id={key}", headers=headers)
        assert answer.headers["content-disposition"] == 'attachment; filename="calls.csv"'
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        listed = (await door.ask("GET", f"/calls?limit=200&key_id={key}"))["data"]
        assert [row["id"] for row in rows] == [row["id"] for row in listed]
        lines = (await door.http.get(f"/api/v1/calls/export?format=json&key_id={key}", headers=headers)).text.splitlines()
        assert [json.loads(line) for line in lines] == listed
        plain = await door.door.key()
        own = await door.http.get("/api/v1/calls/export", headers={"authorization": f"Bearer {plain}"})
        assert len(own.text.splitlines()) == 1, "others get their own calls: none but the header line"


async def test_admins_make_keys_with_limits_for_somebody(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        book = await filled(door, calls=1)
        wish = {
            "label": "team",
            "owner": "ben@example.com",
            "limits": {"rpm": 5, "budget_usd": "2.50", "budget_period": "day"},
            "adapters": ["github"],
        }
        made = await door.ask("POST", "/keys", wish, status=201)
        assert made["key"].startswith(f"dw-{made['id']}-")
        assert (made["owner"], made["owner_user_id"]) == ("ben@example.com", book.users["ben@example.com"])
        assert (made["limits"]["rpm"], made["limits"]["budget_usd"], made["limits"]["budget_period"]) == (5, "2.5", "day")
        listed = {row["id"]: row for row in (await door.ask("GET", "/keys"))["data"]}
        assert listed[made["id"]] == {name: value for name, value in made.items() if name != "key"}
        assert (await door.refused("POST", "/keys", 404, wish | {"owner": "nobody@example.com"}))["param"] == "owner"
        await door.refused("POST", "/keys", 403, wish | {"scopes": ["call", "admin"]})


async def test_users_are_shown_with_their_ways_and_spend(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        book = await filled(door, calls=300)
        await door.door.account("openai", owner=f"user:{book.users['cleo@example.com']}", label="default")
        first = await door.ask("GET", "/user-states?limit=1")
        assert (first["data"][0]["email"], first["next"]) == ("ben@example.com", "ben@example.com")
        assert first["data"][0]["ways"] == ["password"]
        (cleo,) = (await door.ask("GET", "/user-states?after=ben@example.com"))["data"]
        assert (cleo["configured"], first["data"][0]["configured"], cleo["calls"]) == (True, False, 0)


@pytest.mark.parametrize("path", ADMINS_ONLY)
async def test_what_concerns_everybody_is_for_admins(tmp_path: Path, path: str) -> None:
    async with plane(tmp_path) as door:
        await door.refused("GET", path, 403, key=await door.door.key())


async def test_pages_are_quick_with_twenty_thousand_rows_behind_them(tmp_path: Path) -> None:
    """The bound is generous for a busy machine; benchmarks say what it is with a million."""
    async with plane(tmp_path) as door:
        book = await fill(door.door, calls=0)
        rows = many(book, 20_000, 30, door.door.app.clock.wall())
        await Calls(door.door.app.ground.store).absorb(rows)
        now_s, key = door.door.app.clock.wall(), book.keys["mobile app"]
        for path in (
            f"/overview?from={now_s - 30 * DAY_S:.0f}",
            f"/overview?from={now_s - 30 * DAY_S:.0f}&key_id={key}",
            "/calls?outcome=failed",
            f"/calls?key_id={key}",
            "/usage?by=model",
            "/account-states",
        ):
            took = [await _took(door, path) for _ in range(3)]
            assert min(took) < 0.3, f"{path}: {min(took):.3f} s"


async def _took(door: Plane, path: str) -> float:
    began = time.monotonic()
    answer: Any = await door.ask("GET", path)
    assert answer
    return time.monotonic() - began


async def test_every_call_is_in_the_step_of_its_time(tmp_path: Path) -> None:
    async with plane(tmp_path) as door:
        await filled(door, calls=100)
        now_s = door.door.app.clock.wall()
        found = await door.ask("GET", f"/overview?from={now_s - DAY_S:.0f}")
        starts = found["starts"]
        told = [
            call for call in (await door.ask("GET", f"/calls?limit=200&from_s={starts[0]}"))["data"] if call["outcome"] != "refused"
        ]
        counted = [sum(start <= call["started_at"] < start + 900 for call in told) for start in starts]
        assert found["calls"] == counted
        assert sum(counted) > 3
