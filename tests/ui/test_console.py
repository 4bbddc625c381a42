"""The console as admins use it: what each page shows and does, by mouse and by keyboard, with the address as its state."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Request, Route, expect
from tests.ui.book import Book, fill
from tests.ui.stage import Stage, stage

pytestmark = pytest.mark.chromium

NEW_KEY = "sk-console-7Hq2mT9xV4bK8nR1pW6zL3yD5jC0aF"


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[tuple[Stage, Book]]:
    """An admin is signed in, before a month of calls."""
    async with stage(tmp_path, custody="admin") as s:
        book = await fill(s.door, calls=600, days=20)
        await s.sign_in()
        yield s, book


async def test_calls_are_narrowed_by_the_address_and_walked_by_keys(shown: tuple[Stage, Book]) -> None:
    s, book = shown
    page = s.page
    await page.goto(f"{s.url}/admin/calls?range=30d")
    rows = page.locator("tbody [data-row]")
    await expect(rows).to_have_count(50)
    await page.get_by_role("button", name="Older").click()
    await expect(page).to_have_url(re.compile("after="))
    await page.get_by_role("button", name="Newer").click()
    await expect(page.get_by_role("button", name="Newer")).to_be_disabled()
    await page.get_by_label("Outcome").select_option("refused")
    await expect(rows).to_have_count(1)
    assert "outcome=refused" in page.url
    await page.reload()
    await expect(rows).to_have_count(1)
    await page.go_back()
    await expect(rows).to_have_count(50)
    await page.keyboard.press("/")
    await expect(page.get_by_label("Model, or a request id")).to_be_focused()
    await page.keyboard.type("ft:gpt-4o:house")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("unknown")
    await page.locator("h1").click()
    await page.keyboard.press("j")
    await expect(rows.first).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Why?")).to_contain_text("Its price is not known.")
    assert f"open={book.unknown}" in page.url
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.get_by_role("button", name="Clear the filter model ft:gpt-4o:house").click()
    await expect(rows).to_have_count(50)
    csv = await page.get_by_role("link", name="CSV").get_attribute("href")
    answer = await page.request.get(s.url + (csv or ""))
    assert len((await answer.text()).splitlines()) > 500


async def test_no_row_matches_is_not_no_row_at_all(shown: tuple[Stage, Book]) -> None:
    s, _ = shown
    await s.page.goto(f"{s.url}/admin/calls?model=nothing-like-this")
    await expect(s.page.get_by_text("No rows match.")).to_be_visible()
    await s.page.get_by_role("button", name="Clear filters").click()
    await expect(s.page.locator("tbody [data-row]").first).to_be_visible()


async def test_why_is_an_ordered_list_of_sentences(shown: tuple[Stage, Book]) -> None:
    s, book = shown
    page = s.page
    await page.goto(f"{s.url}/calls/{book.rescued}")
    await expect(page.get_by_text("Answered by main-2 after main-1 was rate-limited. Billed once.")).to_be_visible()
    steps = page.get_by_role("list", name="What happened, in order").get_by_role("listitem")
    await expect(steps.nth(0)).to_contain_text('Authenticated key "mobile app"')
    await expect(steps.nth(1)).to_contain_text("requests: 46 of 60/min left")
    held = 'Held $0.0134 of the budget of key "mobile app" (free after it: $3.19 of $10.00 a month)'
    await expect(page.get_by_role("listitem").filter(has_text=held)).to_be_visible()
    await expect(page.get_by_text("Attempt 2")).to_be_visible()
    await page.goto(f"{s.url}/calls/{book.refused}")
    await expect(page.get_by_text("Refused by Doorward: the key's limit of requests was reached.").first).to_be_visible()
    last = page.get_by_role("list", name="What happened, in order").locator("> li").last
    await expect(last).to_contain_text("This key's limit of 60 requests a minute is reached. Nothing was sent,")
    await expect(last).to_contain_text("It was free again 0.82 s later.")
    await last.get_by_role("link", name="Change the key's limits").click()
    await page.get_by_role("dialog", name="support bot", exact=True).get_by_role("button", name="Change", exact=True).click()
    form = page.get_by_role("dialog", name="Change support bot")
    await form.get_by_label("Requests a minute").fill("90")
    await form.get_by_role("button", name="Save").click()
    await expect(page.locator("tbody [data-row]", has_text="support bot")).to_contain_text("90 requests/min")
    await page.goto(f"{s.url}/calls/req_nothing_like_this")
    await expect(page.get_by_role("alert")).to_contain_text("There is no such call.")


async def test_the_overview_links_every_figure_and_walks_by_arrows(shown: tuple[Stage, Book]) -> None:
    s, _ = shown
    page = s.page
    await page.goto(f"{s.url}/admin?range=30d")
    chart = page.get_by_role("img", name=re.compile("^Spend by model"))
    await chart.focus()
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowLeft")
    card = page.locator("section", has=page.get_by_role("heading", name="Spend by model"))
    await expect(card.get_by_role("list")).to_contain_text("$")
    await card.get_by_role("button", name="Show as table").click()
    await expect(card.get_by_role("columnheader", name="gpt-4o", exact=True)).to_be_visible()
    await card.get_by_role("button", name="Show as chart").click()
    await chart.focus()
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/admin/calls\?.*from=\d+&to=\d+"))
    await page.go_back()
    await page.get_by_role("link", name=re.compile("^Errors: .*Open its calls")).click()
    await expect(page).to_have_url(re.compile(r"/admin/calls\?.*outcome=failed"))
    await page.goto(f"{s.url}/admin")
    await expect(page.get_by_role("heading", name=re.compile(r"Needs attention \(\d"))).to_be_visible()
    await expect(page.get_by_text('Key "mobile app" expires on')).to_be_visible()


async def test_live_figures_grow_with_a_call(shown: tuple[Stage, Book]) -> None:
    s, book = shown
    page = s.page
    key = await s.door.key(label="live")
    await page.goto(f"{s.url}/admin?range=30d")
    calls = page.locator("dt", has_text="Calls").locator("xpath=following-sibling::dd[1]/a")
    before = int((await calls.inner_text()).replace(",", ""))
    chat = {"model": "sim-gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{s.door.api}/chat/completions", json=chat, headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 200
    await expect(calls).to_have_text(f"{before + 1:,}")


async def test_new_calls_wait_behind_a_button(shown: tuple[Stage, Book]) -> None:
    s, _ = shown
    page = s.page
    key = await s.door.key(label="newcomer")
    await page.goto(f"{s.url}/admin/calls")
    first = page.locator("tbody [data-row]").first
    was = await first.inner_text()
    chat = {"model": "sim-gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
    async with httpx2.AsyncClient(trust_env=False) as http:
        await http.post(f"{s.door.api}/chat/completions", json=chat, headers={"authorization": f"Bearer {key}"})
    button = page.get_by_role("button", name="1 new call")
    await expect(button).to_be_visible()
    assert await first.inner_text() == was, "nothing moves what somebody reads"
    await button.click()
    await expect(first).to_contain_text("newcomer")


async def test_a_key_is_made_shown_once_rotated_and_revoked(shown: tuple[Stage, Book]) -> None:
    s, _ = shown
    page = s.page
    await page.goto(f"{s.url}/admin/keys?open=new")
    await expect(page.get_by_label("Label", exact=True)).to_be_focused()
    await page.get_by_label("Label", exact=True).fill("checkout")
    await page.get_by_label("Owner", exact=True).fill("ben@example.com")
    await page.get_by_text("Limits", exact=True).last.click()
    await page.get_by_label("Requests a minute").fill("30")
    await page.get_by_label("Budget in dollars").fill("5")
    await page.get_by_role("button", name="Make key").click()
    await expect(page.get_by_text("Copy this key now. It is shown only this once.")).to_be_visible()
    secret = await page.get_by_label("The new key").input_value()
    assert re.fullmatch(r"dw-[a-z0-9]+-\S+", secret)
    assert secret not in await s.storages()
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("The new key")).to_be_visible()
    await page.get_by_role("button", name="I have stored it").click()
    row = page.locator("tbody [data-row]", has_text="checkout")
    await expect(row).to_contain_text("30 requests/min")
    await expect(row).to_contain_text("ben@example.com")
    assert secret not in await page.content()
    await row.click()
    await page.get_by_role("button", name="Rotate").click()
    await page.get_by_role("button", name="Make the new key").click()
    assert await page.get_by_label("The new key").input_value() != secret
    await page.get_by_role("button", name="I have stored it").click()
    await expect(page.locator("tbody [data-row]", has_text="checkout")).to_have_count(2)
    await page.locator("tbody [data-row]", has_text="checkout").first.click()
    await page.get_by_role("button", name="Revoke").click()
    await expect(page.get_by_text("Programs with this key are refused within 5 seconds. This cannot be undone.")).to_be_visible()
    await page.get_by_role("dialog", name="Revoke checkout?").get_by_role("button", name="Revoke").click()
    await expect(page.locator("tbody [data-row]", has_text="revoked")).to_have_count(1)


async def test_an_account_is_added_rests_and_goes_only_by_its_name(shown: tuple[Stage, Book]) -> None:
    s, _ = shown
    page = s.page
    await page.goto(f"{s.url}/admin/accounts")
    await expect(page.locator("tbody [data-row]").first).to_contain_text("not known yet")
    await page.get_by_role("button", name="Add an account").click()
    await page.get_by_label("Label", exact=True).fill("spare")
    await page.get_by_label("Key", exact=True).fill(NEW_KEY)
    await page.get_by_label("Quota owner").fill("Example Ltd")
    await page.get_by_role("button", name="Add account").click()
    row = page.locator("tbody [data-row]", has_text="spare")
    await expect(row).to_contain_text("ready")
    assert NEW_KEY not in await page.content()
    assert NEW_KEY not in await s.storages()
    await row.click()
    panel = page.get_by_role("dialog", name="spare", exact=True)
    await panel.get_by_role("button", name="Rest", exact=True).click()
    await expect(panel.get_by_role("button", name="Use again")).to_be_visible()
    await expect(row).to_contain_text("off")
    await panel.get_by_role("button", name="Replace key").click()
    replacing = page.get_by_role("dialog", name="Replace the key of spare")
    await replacing.get_by_label("New key").fill("not-a-key")
    await replacing.get_by_role("button", name="Replace key").click()
    await expect(replacing.get_by_role("alert")).to_be_visible()
    await replacing.get_by_label("New key").fill(NEW_KEY + "2")
    await replacing.get_by_role("button", name="Replace key").click()
    await expect(replacing).to_have_count(0)
    await panel.get_by_role("button", name="Delete").click()
    confirm = page.get_by_role("dialog", name="Delete spare?")
    await expect(confirm.get_by_role("button", name="Delete account")).to_be_disabled()
    await confirm.get_by_label("Type spare to go on").fill("spare")
    await confirm.get_by_role("button", name="Delete account").click()
    await expect(row).to_have_count(0)


async def test_the_last_admin_stays_and_others_are_invited(shown: tuple[Stage, Book]) -> None:
    s, _ = shown
    page = s.page
    await page.goto(f"{s.url}/admin/users")
    await page.locator("tbody [data-row]", has_text="ann@example.com").click()
    await page.get_by_role("button", name="Make user").click()
    await page.get_by_role("dialog", name="Make ann@example.com a user?").get_by_role("button", name="Make user").click()
    await expect(page.get_by_role("alert")).to_contain_text("This is the last admin. Make another user an admin first.")
    await page.get_by_role("button", name="Keep").click()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Invite").click()
    await page.get_by_label("E-mail").fill("dora@example.com")
    await page.get_by_role("button", name="Make the link").click()
    link = await page.get_by_label("The link").input_value()
    assert link.startswith(f"{s.url}/invitation#")
    await page.get_by_role("button", name="I have sent it").click()
    await expect(page.get_by_role("table", name="Open invitations")).to_contain_text("dora@example.com")
    assert link not in await page.content()


async def test_routes_budgets_and_prices_are_set(shown: tuple[Stage, Book]) -> None:
    s, _ = shown
    page = s.page
    await page.goto(f"{s.url}/admin/routes")
    await page.get_by_role("button", name="Set a route").first.click()
    await page.get_by_label("Model", exact=True).fill("gpt-4o")
    await page.get_by_label("Fallbacks, in order").fill("gpt-4o-mini")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("table", name="Routes")).to_contain_text("gpt-4o-mini")
    await page.get_by_label("A call for the model").fill("gpt-4o")
    await page.get_by_role("button", name="Show its way").click()
    way = page.get_by_role("list", name="The way of this call")
    await expect(way).to_contain_text("Account main-1")
    await expect(way).to_contain_text("Then gpt-4o-mini at openai, if nothing before it answers")
    assert "model=gpt-4o" in page.url
    await page.goto(f"{s.url}/admin/budgets?open=new")
    await page.get_by_label("Dollars").fill("100")
    await page.get_by_role("button", name="Save").click()
    budgets = page.get_by_role("list", name="Budgets")
    await expect(budgets).to_contain_text("of $100.00 spent")
    await budgets.get_by_role("button", name="Change").click()
    await page.get_by_label("Dollars").fill("50")
    await expect(page.get_by_text("$100.00 a month > $50.00 a month.")).to_be_visible()
    await page.get_by_role("button", name="Save").click()
    await expect(budgets).to_contain_text("of $50.00 spent")
    await page.goto(f"{s.url}/admin/prices?model=gpt-4o-mini")
    await page.get_by_role("button", name="Set the price of gpt-4o-mini, a million input tokens").first.click()
    await page.get_by_label("Dollars").fill("0.2")
    await page.get_by_role("button", name="Save").click()
    own = page.locator("tbody [data-row]", has_text="own")
    await expect(own).to_contain_text("$0.2")
    await page.goto(f"{s.url}/admin/audit")
    await expect(page.get_by_text(re.compile("^Chain intact, "))).to_be_visible()
    await expect(page.get_by_role("main")).to_contain_text("PUT /api/v1/prices")
    await expect(page.get_by_role("main")).not_to_contain_text("what-if")


async def test_others_are_kept_out_and_no_data_is_asked_for(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        page = s.page
        await s.sign_in("ben@example.com", "user")
        await page.wait_for_load_state("networkidle")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(_path(request)))
        for place in ("", "/calls", "/accounts", "/routes", "/keys", "/users", "/budgets", "/adapters", "/prices", "/audit"):
            await page.goto(f"{s.url}/admin{place}")
            await expect(page.get_by_role("heading", name="This page is for admins.")).to_be_visible()
        assert {path for path in asked if path.startswith("/api/") and path not in ("/api/v1/session", "/api/v1/shell")} == set()
        await expect(page.get_by_role("link", name="Accounts")).to_have_count(0)
        await page.get_by_role("link", name="Go to chat").click()
        await expect(page).to_have_url(s.url + "/")
        await page.goto(f"{s.url}/usage")
        await expect(page.get_by_text("Nothing used yet.")).to_be_visible()


def _path(request: Request) -> str:
    return re.sub(r"^https?://[^/]+|\?.*$", "", request.url)


async def test_a_failed_panel_says_so_in_its_place_and_tries_again(shown: tuple[Stage, Book]) -> None:
    s, _ = shown
    page = s.page

    async def broken(route: Route) -> None:
        body = '{"error": {"message": "The database is away. Try again soon.", "type": "server_error", "param": null, "code": "x"}}'
        await route.fulfill(status=503, body=body, content_type="application/json", headers={"x-request-id": "req_broken"})

    await page.route("**/api/v1/budgets", broken)
    await page.goto(f"{s.url}/admin/budgets")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("The database is away. Try again soon.")
    await expect(alert).to_contain_text("req_broken")
    await page.unroute("**/api/v1/budgets")
    await alert.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("No budgets yet.")).to_be_visible()


async def test_a_fresh_doorward_says_what_to_do_first(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.sign_in()
        await s.page.goto(f"{s.url}/admin")
        await expect(s.page.get_by_text("No calls yet.")).to_be_visible()
        await expect(s.page.locator("pre")).to_contain_text(f"curl {s.url}/v1/chat/completions")
        await s.check("console-fresh")
        await s.page.get_by_role("link", name="Make a client key").click()
        await expect(s.page.get_by_role("dialog", name="Make a client key")).to_be_visible()


async def test_my_usage_shows_what_i_spend_and_what_bounds_me(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await fill(s.door, calls=600, days=20)
        users = s.door.app.people.desk.users
        ben = await users.by_email("ben@example.com")
        assert ben is not None
        page = s.page
        await page.goto(s.url + "/signin")
        await page.get_by_label("E-mail").fill("ben@example.com")
        await page.get_by_label("Password").fill("correct horse battery")
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.wait_for_url(s.url + "/")
        await s.door.app.traffic.budgets.refresh()
        await page.goto(f"{s.url}/usage")
        await page.get_by_role("tab", name="By key").click()
        await expect(page.get_by_role("table", name="Usage by key")).to_contain_text("data team notebook")
        await page.get_by_role("link", name="data team notebook").click()
        await expect(page).to_have_url(re.compile(r"/calls\?.*key_id="))
        await expect(page.locator("tbody [data-row]").first).to_contain_text("data team notebook")
        await page.goto(f"{s.url}/usage")
        await expect(page.get_by_role("img", name=re.compile("^Spend by day"))).to_be_visible()
        await s.check("console-usage")
        await asyncio.sleep(0)
