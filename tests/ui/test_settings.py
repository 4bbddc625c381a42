"""`/settings/openai` in the three custody modes, client keys, and what no page may keep."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.house import CANARY
from tests.scripted import ScriptedUpstream
from tests.ui.openai import openai
from tests.ui.stage import Stage, stage

pytestmark = pytest.mark.chromium

SEALED = "Stored sealed. Nobody can read it back, admins included. You can replace or remove it."


async def state(s: Stage, text: str) -> None:
    await expect(s.page.get_by_test_id("key-state")).to_have_text(text)


async def save(s: Stage, key: str = CANARY) -> None:
    await s.page.get_by_label("OpenAI API key").fill(key)
    await s.page.keyboard.press("Enter")


async def test_per_user_set_test_and_clear(tmp_path: Path) -> None:
    async with ScriptedUpstream(openai()) as up, stage(tmp_path, openai_base_url=up.base_url) as s:
        page = s.page
        await s.sign_in(role="user")
        await page.get_by_role("link", name="Open settings").click()
        await state(s, "Not configured")
        await expect(page.get_by_text(SEALED)).to_be_visible()
        field = page.get_by_label("OpenAI API key")
        assert await field.get_attribute("type") == "password"
        assert await field.get_attribute("autocomplete") == "off"
        await s.check("settings-per_user-empty")

        await save(s, "hello-not-a-key")
        await expect(page.get_by_text("That does not look like an OpenAI key (it starts with sk-).")).to_be_visible()
        await expect(page.get_by_text("hello-not-a-key")).to_have_count(0)

        await save(s, CANARY[:-1] + "X")
        await state(s, "Configured")
        await page.get_by_role("button", name="Test").click()
        refused = "OpenAI refused this key (401). Check it at platform.openai.com, then paste it again."
        await expect(page.get_by_test_id("tried")).to_have_text(refused)

        await save(s)
        await expect(field).to_have_value("")
        await expect(field).to_be_focused()
        await expect(page.get_by_test_id("status")).to_contain_text("Configured")
        await expect(page.get_by_text("Key saved.", exact=True)).to_be_visible()
        await page.get_by_role("button", name="Test").click()
        await expect(page.get_by_test_id("tried")).to_have_text("Works: 2 models.")
        assert CANARY not in await page.content()
        await s.check("settings-per_user")

        await page.get_by_role("button", name="Clear my key").click()
        await expect(page.get_by_text("Remove your key? Your next call will need a new one.")).to_be_visible()
        await page.get_by_role("button", name="Keep").click()
        await state(s, "Configured")
        await page.get_by_role("button", name="Clear my key").click()
        await page.get_by_role("button", name="Remove").click()
        await state(s, "Not configured")
        await page.reload()
        await state(s, "Not configured")
        assert up.billed == 0


async def test_admin_mode_shows_users_a_state_and_admins_the_card(tmp_path: Path) -> None:
    async with stage(tmp_path / "user", custody="admin") as s:
        page = s.page
        await s.sign_in(role="user")
        await expect(page.get_by_role("heading", name="Ask your admin to set the OpenAI API key")).to_be_visible()
        await expect(page.get_by_role("link", name="Add a key")).to_have_count(0)
        await s.check("chat-admin-user")
        await page.goto(s.url + "/settings/openai")
        await state(s, "Not configured")
        await expect(page.get_by_text("Ask your admin to set the OpenAI API key")).to_be_visible()
        await expect(page.get_by_label("OpenAI API key")).to_have_count(0)
        await expect(page.get_by_role("button", name="Clear my key")).to_have_count(0)
        await s.check("settings-admin-user")
    async with stage(tmp_path / "admin", custody="admin") as s:
        page = s.page
        await s.sign_in(role="admin")
        await page.get_by_role("link", name="Add a key").click()
        await save(s)
        await state(s, "Configured")
        await expect(page.get_by_role("button", name="Clear my key")).to_have_count(0)
        await page.get_by_role("link", name="Ask something").click()
        await expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()


async def test_anonymous_shares_one_key_and_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path, custody="anonymous", spend_cap_usd="5") as s:
        page = s.page
        await page.goto(s.url)
        await expect(page.get_by_role("heading", name="Paste an OpenAI API key to get started")).to_be_visible()
        await s.check("chat-anonymous")
        await save(s)
        await expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
        await page.goto(s.url + "/settings/openai")
        await expect(
            page.get_by_text("Everyone who can open this page shares this key. Spend cap $5.00, used $0.00.")
        ).to_be_visible()
        await state(s, "Configured")
        await s.check("settings-anonymous")
        await save(s, CANARY[:-1] + "X")
        await expect(page.get_by_text("This replaces the key somebody stored. Go on?")).to_be_visible()
        await page.get_by_role("button", name="Replace").click()
        await expect(page.get_by_text("Key saved.", exact=True)).to_be_visible()
        await expect(page.get_by_role("link", name="Security")).to_have_count(0)


async def test_a_client_key_is_shown_once_works_and_is_revoked(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        page = s.page
        await s.sign_in(role="user")
        await page.goto(s.url + "/keys")
        await expect(page.get_by_text("No client keys yet.")).to_be_visible()
        await s.check("keys-empty")
        await page.get_by_role("button", name="Make a client key").click()
        await page.get_by_label("Label").fill("mobile app")
        await page.get_by_text("Limits", exact=True).click()
        await page.get_by_label("Requests a minute").fill("60")
        await s.check("keys-new")
        await page.get_by_role("button", name="Make key").click()
        secret = await page.get_by_label("The new key").input_value()
        assert secret.startswith("dw-")
        await s.axe("keys-once")
        await page.keyboard.press("Escape")
        await expect(page.get_by_text("Copy this key now. It is shown only this once.")).to_be_visible()
        # the picture must not hold a key
        await page.get_by_role("button", name="I have stored it").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert secret not in await page.content()
        assert secret not in await s.storages()
        table = page.get_by_role("table", name="My keys")
        await expect(table).to_contain_text("60 requests/min")
        await s.check("keys")
        models = await s.context.request.get(s.url + "/v1/models", headers={"authorization": f"Bearer {secret}", "cookie": ""})
        assert models.status == 200
        await page.get_by_role("button", name="Revoke mobile app").click()
        await expect(
            page.get_by_text("Programs with this key are refused within 5 seconds. This cannot be undone.")
        ).to_be_visible()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(table).to_contain_text("revoked")
        models = await s.context.request.get(s.url + "/v1/models", headers={"authorization": f"Bearer {secret}"})
        assert models.status == 401


async def test_the_look_is_kept(tmp_path: Path) -> None:
    async with stage(tmp_path, custody="anonymous", spend_cap_usd="5") as s:
        page = s.page
        await page.goto(s.url + "/settings/look")
        await page.get_by_label("Theme").select_option("dark")
        await s.axe("look")
        await page.reload()
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
        await expect(page.get_by_label("Theme")).to_have_value("dark")
        await page.get_by_label("Theme").select_option("system")
        await s.pictures("look")


async def test_a_change_of_theme_is_whole_at_once(tmp_path: Path) -> None:
    """Where motion is reduced nothing may fade: a transition of every element would creep down the page for many frames."""
    colours = """() => JSON.stringify([...document.querySelectorAll("*")].map((one) => {
        const style = getComputedStyle(one);
        return [style.color, style.backgroundColor, style.borderTopColor];
    }))"""
    async with stage(tmp_path) as s:
        await s.sign_in()
        await s.page.goto(s.url + "/settings/openai")
        await expect(s.page.get_by_test_id("key-state")).to_be_visible()
        turned = await s.page.evaluate(f"""async () => {{
            const colours = {colours};
            document.documentElement.dataset.theme = "dark";
            const first = colours();
            for (let frame = 0; frame < 30; frame += 1) await new Promise(requestAnimationFrame);
            return first === colours() && document.getAnimations().length === 0;
        }}""")
        assert turned
