"""From the printed link to a first answer: by passkey, by password, and with no sign-in at all."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from playwright.async_api import Route, expect
from tests.house import CANARY
from tests.scripted import ScriptedUpstream
from tests.ui.openai import openai
from tests.ui.stage import PASSWORD, Stage, stage

pytestmark = pytest.mark.chromium


async def authenticator(s: Stage) -> None:
    """A device with a fingerprint reader, as Chromium plays it: its finger lies on the reader all the time.

    So it takes every offer at once, also the quiet one of the e-mail field, which a person would have to choose.
    """
    session = await s.context.new_cdp_session(s.page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def first_answer(s: Stage) -> None:
    """Screens 3 and 4: the question stands there, Enter sends it, the answer and its cost appear, then the two lines."""
    page = s.page
    await expect(page.get_by_label("Message")).to_have_value("Say hello in three languages")
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("cost")).to_be_visible()
    await expect(page.get_by_role("region", name="Now from your code")).to_contain_text(f'base_url="{s.url}/v1"')


async def test_by_passkey_to_a_first_answer_and_in_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        page = s.page
        await authenticator(s)
        # a browser that offers nothing in fields: else the finger above would be in before the button is pressed
        await page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
        began = time.monotonic()
        await page.goto(s.url)
        await expect(page).to_have_url(s.url + "/signin")
        await expect(page.get_by_text("Nobody can sign in yet.")).to_be_visible()
        await page.goto(f"{s.url}/setup#{s.door.app.facts.setup_token}")
        await page.get_by_label("E-mail").fill("ann@example.com")
        await s.check("setup-admin")
        await page.get_by_role("button", name="Create a passkey").click()
        await expect(page.get_by_role("heading", name="Connect OpenAI")).to_be_visible()
        assert s.door.app.facts.setup_token not in page.url
        await s.check("setup-openai")
        await page.get_by_role("button", name="Skip: use the simulator").click()
        await first_answer(s)
        assert time.monotonic() - began < 40, "ui.md's target is 25 s for a person; the pictures above are in it"
        await expect(page.get_by_text("simulated")).to_be_visible()
        await s.check("first-answer")

        await page.goto(s.url + "/settings/security")
        await expect(page.get_by_role("list", name="Passkeys").get_by_role("listitem")).to_have_count(1)
        await expect(page.get_by_role("list", name="Sessions").get_by_text("this one")).to_be_visible()
        await s.check("security")
        await page.goto(f"{s.url}/setup#{s.door.app.facts.setup_token}")
        await expect(page.get_by_text("This set-up link was used, or is older than 30 minutes.")).to_be_visible()
        await page.goto(s.url)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page).to_have_url(s.url + "/signin")
        await page.get_by_role("button", name="Sign in with a passkey").click()
        await expect(page).to_have_url(s.url + "/")


async def test_a_passkey_offered_in_the_field_signs_in_without_a_button(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        page = s.page
        await authenticator(s)
        await page.goto(f"{s.url}/setup#{s.door.app.facts.setup_token}")
        await page.get_by_label("E-mail").fill("ann@example.com")
        await page.get_by_role("button", name="Create a passkey").click()
        await expect(page.get_by_role("heading", name="Connect OpenAI")).to_be_visible()
        await page.goto(s.url + "/keys")
        async with page.expect_request("**/api/v1/session/passkey") as taken:
            await page.get_by_role("button", name="Sign out").click()
        assert (await taken.value).method == "POST"
        await expect(page).to_have_url(s.url + "/")
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def test_signing_out_ends_the_page_and_leads_to_the_wall(tmp_path: Path) -> None:
    """However late the sign-in page comes: what is still drawn must not send there, too, with itself to return to."""

    async def late(route: Route) -> None:
        await asyncio.sleep(0.5)
        await route.continue_()

    async with stage(tmp_path) as s:
        page = s.page
        await s.sign_in()
        await page.goto(s.url + "/keys")
        await page.evaluate("window.heldInMemory = true")
        await page.route("**/assets/SignIn-*.js", late)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("E-mail")).to_be_visible()
        assert page.url == s.url + "/signin"
        assert await page.evaluate("window.heldInMemory") is None


async def test_by_password_with_a_key_of_ones_own(tmp_path: Path) -> None:
    async with ScriptedUpstream(openai()) as up, stage(tmp_path, openai_base_url=up.base_url) as s:
        page = s.page
        await page.goto(s.url + "/setup")
        await expect(page.get_by_text("Open the link that Doorward printed in its terminal.")).to_be_visible()
        await page.goto(f"{s.url}/setup#{s.door.app.facts.setup_token}")
        await page.reload()
        await page.get_by_label("E-mail").fill("ann@example.com")
        await page.get_by_role("button", name="Use a password instead").click()
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_label("OpenAI API key").fill(CANARY)
        await page.keyboard.press("Enter")
        await first_answer(s)
        await expect(page.get_by_text("simulated")).to_have_count(0)
        assert up.billed == 1


async def test_anonymous_goes_straight_to_the_chat(tmp_path: Path) -> None:
    """Also where it is known late that no key is stored: nothing may be sent to a model that has none before that."""

    async def late(route: Route) -> None:
        await asyncio.sleep(0.5)
        await route.continue_()

    async with stage(tmp_path, custody="anonymous", spend_cap_usd="5") as s:
        page = s.page
        await page.route("**/api/v1/openai-key", late)
        await page.goto(s.url + "/setup")
        await first_answer(s)
        await expect(page.get_by_role("link", name="Make a client key")).to_have_count(0)


async def test_an_invited_user_comes_in(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.door.app.people.desk.invitations.make("bob@example.com", "user", actor="operator", from_addr="")
        token = await s.door.app.people.desk.invitations.make("eve@example.com", "user", actor="operator", from_addr="")
        page = s.page
        await page.goto(f"{s.url}/invitation#{token}")
        await expect(page.get_by_text("eve@example.com")).to_be_visible()
        await page.get_by_role("button", name="Use a password instead").click()
        await page.get_by_label("Password").fill(PASSWORD)
        await s.check("invitation")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("heading", name="Set your OpenAI API key first")).to_be_visible()


async def test_wrong_passwords_are_told_in_one_sentence(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        page = s.page
        await s.door.app.people.desk.users.add("ann@example.com", "user", None, actor="operator")
        await page.goto(s.url + "/keys")
        await expect(page).to_have_url(s.url + "/signin?to=%2Fkeys")
        await page.get_by_label("E-mail").fill("ann@example.com")
        await page.get_by_label("Password").fill("not the password")
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_role("alert")).to_have_text("E-mail or password is wrong.")
        await expect(page.get_by_label("E-mail")).to_have_value("ann@example.com")
        await s.check("signin")
