"""Every page of the console in both themes: no serious finding of axe's, nothing wider than a phone, pictures to look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.ui.book import Book, fill
from tests.ui.stage import DESK, PHONE, Stage, stage

from doorward.providers.route import Plan
from doorward.store.periods import name_at
from doorward.store.tables.budgets import budget_periods

pytestmark = pytest.mark.chromium

ADAPTERS = """apiVersion: doorward.dev/v1
kind: HTTP
metadata: {name: github}
spec:
  baseUrl: https://api.github.com
  headers:
    - {name: Authorization, value: "Bearer ${{ CONSOLE_PICTURE_TOKEN }}"}
---
apiVersion: doorward.dev/v1
kind: HTTP
metadata: {name: weather}
spec: {baseUrl: https://api.weather.example/v2}
"""

PAGES = {
    "overview": "/admin?range=7d",
    "calls": "/admin/calls",
    "why": "/calls/{rescued}",
    "why-refused": "/admin/calls?open={refused}",
    "accounts": "/admin/accounts",
    "account": "/admin/accounts?open={account}",
    "routes": "/admin/routes?model=gpt-4o",
    "routes-as-a-key": "/admin/routes?model=o3&key_id={key}",
    "keys": "/admin/keys",
    "key": "/admin/keys?open={key}",
    "users": "/admin/users",
    "user": "/admin/users?open={user}",
    "budgets": "/admin/budgets",
    "adapters": "/admin/adapters",
    "prices": "/admin/prices?model=gpt-4o",
    "audit": "/admin/audit",
}


@pytest.mark.parametrize("half", [0, 1])
async def test_every_page_is_fit_to_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: int) -> None:
    monkeypatch.setenv("CONSOLE_PICTURE_TOKEN", "not-in-any-picture")
    file = tmp_path / "adapters.yaml"
    file.write_text(ADAPTERS)
    async with stage(tmp_path, custody="admin", adapters=file) as s:
        book = await fill(s.door, calls=900, days=20)
        await s.sign_in()
        await _lived_in(s, book)
        places = {
            "rescued": book.rescued,
            "refused": book.refused,
            "account": book.accounts["main-1"],
            "key": book.keys["mobile app"],
            "user": book.users["ben@example.com"],
        }
        for name, place in list(PAGES.items())[half::2]:
            await s.page.goto(s.url + place.format(**places))
            await expect(s.page.locator("h1")).to_be_visible()
            await expect(s.page.get_by_role("status", name="Loading")).to_have_count(0)
            await s.page.wait_for_timeout(150)
            for theme in ("light", "dark"):
                await s.theme(theme)
                await s.axe(f"{name} in {theme}")
            await s.pictures(f"console-{name}")
            await _fits(s, name)


async def _lived_in(s: Stage, book: Book) -> None:
    """Limits that an upstream told, an account that rests, one that is refused, a route, budgets in use, an own price."""
    await _spent(s, book)
    catalog, health = s.door.app.ground.catalogue.now(), s.door.app.traffic.health
    accounts = {account.label: account for account in catalog.accounts.values()}
    told = {
        "limit-requests": "500",
        "remaining-requests": "410",
        "reset-requests": "50s",
        "limit-tokens": "90000",
        "remaining-tokens": "8100",
        "reset-tokens": "52s",
    }
    headers = [(f"x-ratelimit-{name}".encode(), value.encode()) for name, value in told.items()]
    health.saw_answer(Plan(catalog.providers["openai"], accounts["main-2"], "gpt-4o"), 200, headers, 0.4)
    health.rest(Plan(catalog.providers["openai"], accounts["reserve"], "gpt-4o"), 141)
    health.quarantine(await s.door.account("openai", label="old key"))
    puts: list[tuple[str, object]] = [
        ("budgets/all", {"cap_usd": "400", "period": "month"}),
        ("budgets/user:ben@example.com", {"cap_usd": "10", "period": "month"}),
        ("budgets/user:cleo@example.com", {"cap_usd": "25", "period": "day"}),
        (f"budgets/key:{book.keys['mobile app']}", {"cap_usd": "60", "period": "month"}),
        (f"budgets/key:{book.keys['staging']}", {"cap_usd": "5", "period": "ever"}),
        ("limits/user:ben@example.com", {"rpm": 100, "rpd": 5000, "concurrency": 4}),
        (f"limits/account:{book.accounts['main-1']}", {"tpm": 30_000}),
        ("routes/gpt-4o", {"fallbacks": ["gpt-4o-mini"], "first_event_timeout_s": 20}),
        ("aliases/fast", {"model": "gpt-4o-mini"}),
        ("prices", {"price_list": "openai", "model": "gpt-4o-mini", "unit": "input_mtok", "usd": "0.2"}),
    ]
    put = """async ([path, body]) => {
        const headers = {"content-type": "application/json"};
        return (await fetch(`/api/v1/${path}`, {method: "PUT", headers, body: JSON.stringify(body)})).status;
    }"""
    for path, body in puts:
        assert await s.page.evaluate(put, [path, body]) == 200, path


async def _spent(s: Stage, book: Book) -> None:
    """Budgets' sums as settled calls would leave them: within, nearly used, used up, with something held."""
    now_s = s.door.app.clock.wall()
    used = {
        ("all", "month"): (212.4, 1.2),
        (f"user:{book.users['ben@example.com']}", "month"): (8.1, 0.35),
        (f"user:{book.users['cleo@example.com']}", "day"): (3.0, 0.0),
        (f"key:{book.keys['mobile app']}", "month"): (31.07, 4.5),
        (f"key:{book.keys['staging']}", "ever"): (5.002, 0.0),
    }
    rows = [
        {"subject": subject, "period": name_at(period, now_s), "spent_nanos": int(spent * 1e9), "leased_nanos": int(held * 1e9)}
        for (subject, period), (spent, held) in used.items()
    ]
    async with s.door.app.ground.store.writing() as connection:
        await connection.execute(budget_periods.insert(), rows)


async def _fits(s: Stage, name: str) -> None:
    """A phone scrolls down, never sideways."""
    await s.page.set_viewport_size({"width": PHONE, "height": 844})
    wide = await s.page.evaluate("() => document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth")
    await s.page.set_viewport_size({"width": DESK, "height": 800})
    assert wide <= 0, f"{name} is {wide} px too wide for a phone"


def test_the_list_names_every_page_of_the_console(tmp_path: Path) -> None:
    """A page that is added is looked at, too."""
    routes = (Path(__file__).parents[2] / "ui/src/console/routes.ts").read_text()
    paths = {
        line.split('path: "/')[1].split('"')[0]
        for line in routes.replace("\n", " ").split("createRoute(")[5:]
        if 'path: "/' in line
    }
    seen = {place.removeprefix("/admin").split("?")[0].strip("/") for place in PAGES.values() if place.startswith("/admin")}
    assert paths == seen
