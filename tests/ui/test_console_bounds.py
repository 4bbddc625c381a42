"""What bounds a call, on the console: limits of users and accounts, an account's troubles, and what-if as a chosen key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from tests.ui.book import Book, fill
from tests.ui.stage import Stage, stage

from doorward.providers.route import Plan

pytestmark = pytest.mark.chromium


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[tuple[Stage, Book]]:
    async with stage(tmp_path, custody="admin") as s:
        book = await fill(s.door, calls=20, days=2)
        await s.sign_in()
        yield s, book


async def limits(s: Stage) -> dict[str, dict[str, Any]]:
    answer = await s.context.request.get(s.url + "/api/v1/limits")
    return {row["subject"]: row for row in (await answer.json())["data"]}


async def test_limits_of_a_user_are_set_shown_refused_and_lifted(shown: tuple[Stage, Book]) -> None:
    s, book = shown
    page, subject = s.page, f"user:{book.users['ben@example.com']}"
    await page.goto(f"{s.url}/admin/users?open={book.users['ben@example.com']}")
    panel = page.get_by_role("dialog", name="ben@example.com", exact=True)
    await expect(panel).to_contain_text("none of its own")
    await panel.get_by_role("button", name="Limits").click()
    form = page.get_by_role("dialog", name="Limits of ben@example.com")
    await expect(form.get_by_label("Requests a minute")).to_be_focused()
    await form.get_by_label("Requests a minute").fill("100")
    await form.get_by_label("Requests a day").fill("10")
    await page.keyboard.press("Enter")
    await expect(form.get_by_role("alert")).to_be_visible()
    await expect(form.get_by_label("Requests a minute")).to_have_value("100")
    await form.get_by_label("Requests a day").fill("5000")
    await form.get_by_label("Calls at once").fill("4")
    await s.axe("limits")
    await page.keyboard.press("Enter")
    await expect(form).to_have_count(0)
    await expect(panel).to_contain_text("100 requests/min · 5,000 requests/day · 4 at once")
    stored = (await limits(s))[subject]
    assert (stored["rpm"], stored["rpd"], stored["tpm"], stored["concurrency"]) == (100, 5000, None, 4)
    await panel.get_by_role("button", name="Limits").click()
    for field in ("Requests a minute", "Requests a day", "Calls at once"):
        await form.get_by_label(field).fill("")
    await form.get_by_role("button", name="Save").click()
    await expect(panel).to_contain_text("none of its own")
    assert await limits(s) == {}


async def test_an_account_shows_its_limits_and_its_troubles_as_they_are(shown: tuple[Stage, Book]) -> None:
    s, book = shown
    page = s.page
    catalog, health = s.door.app.ground.catalogue.now(), s.door.app.traffic.health
    accounts = {account.label: account for account in catalog.accounts.values()}
    health.quarantine(accounts["main-1"])
    told = [
        (b"x-ratelimit-limit-requests", b"500"),
        (b"x-ratelimit-remaining-requests", b"20"),
        (b"x-ratelimit-reset-requests", b"50s"),
    ]
    health.saw_answer(Plan(catalog.providers["openai"], accounts["main-2"], "gpt-4o"), 200, told, 0.4)
    health.rest(Plan(catalog.providers["openai"], accounts["reserve"], "gpt-4o"), 80)
    await page.goto(f"{s.url}/admin/accounts")
    rows = {label: page.locator("tbody [data-row]", has_text=label) for label in accounts}
    await expect(rows["main-1"]).to_contain_text("refused: key invalid")
    await expect(rows["main-2"]).to_contain_text("ready")
    await expect(rows["main-2"]).to_contain_text("%, whole in")
    await expect(rows["reserve"]).to_contain_text("resting")
    await rows["main-2"].click()
    panel = page.get_by_role("dialog", name="main-2", exact=True)
    await expect(panel.get_by_role("heading", name="main-2")).to_be_focused()
    await panel.get_by_role("button", name="Limits").click()
    form = page.get_by_role("dialog", name="Limits of main-2")
    await form.get_by_label("Tokens a minute").fill("30000")
    await page.keyboard.press("Enter")
    await expect(panel).to_contain_text("30,000 tokens/min")
    assert (await limits(s))[f"account:{book.accounts['main-2']}"]["tpm"] == 30_000


async def test_what_if_is_asked_as_a_chosen_key(shown: tuple[Stage, Book]) -> None:
    s, _ = shown
    page = s.page
    made = await s.context.request.post(
        s.url + "/api/v1/keys", data={"label": "only small", "models": ["gpt-4o-mini"]}, headers={"origin": s.url}
    )
    key_id = (await made.json())["id"]
    await page.goto(f"{s.url}/admin/routes?model=gpt-4o")
    way = page.get_by_role("list", name="The way of this call")
    await expect(way).to_contain_text("Account main-1")
    await expect(way).to_contain_text("its limits not known yet")
    await page.get_by_label("With the key").select_option(key_id)
    await expect(page.get_by_role("alert")).to_contain_text("It would be refused: This key may not use the model 'gpt-4o'.")
    assert f"key_id={key_id}" in page.url
    await page.get_by_label("A call for the model").fill("gpt-4o-mini")
    await page.keyboard.press("Enter")
    await expect(way).to_contain_text("First gpt-4o-mini at openai")
    await page.reload()
    await expect(page.get_by_label("With the key")).to_have_value(key_id)
    await expect(way).to_contain_text("First gpt-4o-mini at openai")
