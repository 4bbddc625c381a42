"""The chat: streamed, stopped, edited, found again, paid for; what goes wrong is said where the answer would be."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Route, expect
from tests.answers import chat_stream, error_answer
from tests.house import CANARY
from tests.ui.chat import ask, chatting, edit_last, listed, repeats, slowly, stopped
from tests.ui.stage import PHONE

pytestmark = pytest.mark.chromium


async def test_an_answer_is_drawn_priced_kept_and_found_again(tmp_path: Path) -> None:
    async with chatting(tmp_path) as (s, _):
        page = s.page
        await ask(s, "How do I rotate the master key?")
        await expect(page).to_have_url(re.compile(r"/c/conv_"))
        answer = page.get_by_role("article").last
        await expect(answer.get_by_role("heading", name="Rotating the master key")).to_be_visible()
        await expect(answer.locator(".hl-keyword").first).to_have_text("def")
        await expect(answer.locator(".katex")).to_have_count(2)
        await expect(answer.get_by_role("table")).to_contain_text("rotate")
        link = answer.get_by_role("link", name="the guide")
        assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
        await expect(page.get_by_test_id("cost")).to_contain_text("$0.0001")
        await expect(page.get_by_test_id("sum")).to_contain_text("in this chat")
        await expect(page.get_by_test_id("status")).to_contain_text("Answer finished")
        await expect(page.get_by_label("Message")).to_be_focused()
        await s.check("chat")

        await page.reload()
        await expect(answer.get_by_role("heading", name="Rotating the master key")).to_be_visible()
        await expect(page.get_by_test_id("cost")).to_contain_text("tokens")
        await page.get_by_label("Search conversations").fill("resumable")
        await expect(listed(s)).to_have_count(1)
        await page.get_by_label("Search conversations").fill("zebra")
        await expect(page.get_by_text("Nothing found.")).to_be_visible()
        await page.get_by_label("Search conversations").fill("")

        await page.get_by_role("button", name=re.compile("^Actions for")).click(force=True)
        await page.get_by_role("button", name="Rename").click()
        await page.get_by_label("Title").fill("Keys, rotated")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="Keys, rotated")).to_be_visible()
        await page.get_by_role("button", name=re.compile("^Actions for")).click(force=True)
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Export as Markdown").click()
        exported = Path(await (await download.value).path()).read_text()
        assert "Rotating the master key" in exported
        await page.get_by_role("button", name=re.compile("^Actions for")).click(force=True)
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(page.get_by_text("Your conversations appear here.")).to_be_visible()
        await expect(page).to_have_url(s.url + "/")


async def test_a_new_conversation_is_listed_however_late_the_list_comes(tmp_path: Path) -> None:
    """An answer to an older question must not stand for the list after the first answer."""
    began = asyncio.Event()

    async def late(route: Route) -> None:
        before = await route.fetch()
        await began.wait()
        await asyncio.sleep(0.3)
        with contextlib.suppress(PlaywrightError):  # nobody waits for it any more: that is the point
            await route.fulfill(response=before)

    async with chatting(tmp_path, repeats) as (s, _):
        await s.page.route(re.compile(r"/apps/conversations\?limit=50$"), late, times=1)
        await s.page.reload()
        await ask(s, "first")
        await expect(s.page.get_by_text("You said first.")).to_be_visible()
        began.set()
        await s.page.wait_for_timeout(1500)
        await expect(listed(s)).to_have_text(["first"], timeout=500)


async def test_the_question_stands_on_top_however_soon_its_answer_was_there(tmp_path: Path) -> None:
    """Also where what draws a conversation comes after the whole answer: it was asked here, not opened."""

    async def late(route: Route) -> None:
        await asyncio.sleep(1)
        await route.continue_()

    async with chatting(tmp_path) as (s, _):
        await s.page.route("**/assets/Thread-*.js", late)
        await s.page.reload()
        await ask(s, "How do I rotate the master key?")
        await expect(s.page.get_by_test_id("cost")).to_be_attached()
        await s.page.wait_for_timeout(200)
        question = await s.page.get_by_role("article").first.bounding_box()
        thread = await s.page.get_by_test_id("thread").bounding_box()
        assert question is not None
        assert thread is not None
        assert 0 <= question["y"] - thread["y"] < 60


async def test_a_key_is_held_where_a_question_is_edited_too(tmp_path: Path) -> None:
    async with chatting(tmp_path, repeats) as (s, up):
        page = s.page
        await ask(s, "one")
        await expect(page.get_by_text("You said one.")).to_be_visible()
        await edit_last(s, f"my key is {CANARY}")
        await expect(page.get_by_text("That looks like an API key. Save it in Settings; a chat is kept as text.")).to_be_visible()
        assert up.billed == 1
        await page.get_by_label("Edit your message").fill("two")
        await expect(page.get_by_text("That looks like an API key.")).to_have_count(0)
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("You said two.")).to_be_visible()


async def test_stop_keeps_the_text_and_ends_the_call_upstream(tmp_path: Path) -> None:
    async with chatting(tmp_path, slowly) as (s, up):
        page = s.page
        await ask(s, "Count")
        await expect(page.get_by_text("word3")).to_be_visible()
        await s.pictures("chat-streaming")
        await page.get_by_role("button", name="Stop").click()
        await up.wait_for_leavers(1)
        await expect(stopped(s)).to_be_visible()
        await expect(page.get_by_text("word3")).to_be_visible()
        await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("word3")).to_be_visible()
        await expect(stopped(s)).to_be_visible()
        await s.check("chat-stopped")


async def test_edit_and_retry_make_siblings(tmp_path: Path) -> None:
    async with chatting(tmp_path, repeats) as (s, up):
        page = s.page
        await ask(s, "one")
        await expect(page.get_by_text("You said one.")).to_be_visible()
        await expect(page.get_by_test_id("cost")).to_be_visible()
        await edit_last(s, "two")
        await expect(page.get_by_text("You said two.")).to_be_visible()
        await expect(page.get_by_text("2/2")).to_be_visible()
        await page.get_by_role("button", name="Retry").click()
        await expect(page.get_by_text("3/3")).to_be_visible()
        await page.get_by_role("button", name="Version before").click()
        await expect(page.get_by_text("2/3")).to_be_visible()
        await page.get_by_role("button", name="Version before").click()
        await expect(page.get_by_text("You said one.")).to_be_visible()
        await expect(page.get_by_text("1/3")).to_be_visible()
        await ask(s, "and then")
        await expect(page.get_by_text("You said and then.")).to_be_visible()
        sent = up.requests[-1].json["messages"]
        assert [message["content"] for message in sent if message["role"] != "system"] == ["one", "You said one.", "and then"]
        await s.axe("chat-siblings")


LARGER = ("This conversation is longer than the model can read.", "Use a larger model")
REFUSALS = [
    (error_answer(401, "invalid_api_key", "Incorrect."), "OpenAI refused the stored key.", "Replace key"),
    (error_answer(400, "context_length_exceeded", "Too long."), *LARGER),
    (error_answer(400, "content_policy_violation", "No."), "OpenAI declined this request.", "Edit"),
    (chat_stream(["Half a line. "] * 40).cut(3000), "Cut off by the provider", "Retry"),
    (error_answer(429, "rate_limit_exceeded", "Slow down.", {"retry-after": "30"}), "OpenAI asks to", "Retry"),
    (error_answer(429, "insufficient_quota", "No."), "The OpenAI account is out of credit. Nothing was charged.", "Why?"),
]
"""In this order: a refused key is set again, and a 429 rests its model, then its account."""


async def test_what_goes_wrong_is_said_in_place_with_one_way_on(tmp_path: Path) -> None:
    answers = iter([answer for answer, _, _ in REFUSALS])
    async with chatting(tmp_path, lambda _: next(answers), retry_wait_s=0) as (s, _):
        page = s.page
        for number, (_, text, button) in enumerate(REFUSALS):
            await page.goto(s.url)
            if text.startswith("The OpenAI account"):
                await page.get_by_role("button", name="Model: gpt-4o-mini").click()
                await page.get_by_label("Search models").fill("openai gpt-4o")
                await s.axe("models")
                await page.get_by_role("option", name="gpt-4o", exact=True).click()
            await ask(s, f"question {number}")
            bubble = page.get_by_role("alert")
            await expect(bubble).to_contain_text(text)
            await expect(bubble.get_by_role("button", name=button)).to_be_visible()
            await expect(page.get_by_text(f"question {number}").first).to_be_visible()
            if button == "Replace key":
                await s.store_key()
            if text == "OpenAI asks to":
                await s.check("chat-error")


async def test_a_draft_outlives_a_reload_and_a_session_and_keys_are_held(tmp_path: Path) -> None:
    async with chatting(tmp_path, key_cache_s=0.05) as (s, up):
        page = s.page
        field = page.get_by_label("Message")
        await field.fill("a long thought")
        await page.wait_for_timeout(600)
        await page.reload()
        await expect(field).to_have_value("a long thought")
        await field.fill(f"my key is {CANARY}")
        await page.wait_for_timeout(600)
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("That looks like an API key. Save it in Settings; a chat is kept as text.")).to_be_visible()
        assert CANARY not in await s.storages()
        assert up.billed == 0
        await s.axe("chat-held")
        await field.fill("still here")
        user = await s.door.app.people.desk.users.by_email("ann@example.com")
        await s.door.app.people.desk.sessions.end_all(user.id)  # type: ignore[union-attr]
        await page.wait_for_timeout(300)
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Sign in to use this feature")
        await expect(dialog).to_be_visible()
        await expect(page.get_by_text("still here")).to_be_visible()
        await s.check("session-over")
        await dialog.get_by_label("E-mail").fill("ann@example.com")
        await dialog.get_by_label("Password").fill("correct horse battery")
        await dialog.get_by_role("button", name="Sign in", exact=True).click()
        await expect(dialog).to_have_count(0)
        await page.get_by_role("button", name="Retry").click()
        await expect(page.get_by_role("heading", name="Rotating the master key")).to_be_visible()


async def test_on_a_phone_images_long_pastes_and_an_absent_server(tmp_path: Path) -> None:
    async with chatting(tmp_path, lambda _: chat_stream(["Seen."]), width=PHONE) as (s, up):
        page = s.page
        png = bytes.fromhex(
            "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf50"
            "0f0003860180b58a2db40000000049454e44ae426082"
        )
        await page.get_by_label("Attach images").set_input_files([{"name": "dot.png", "mimeType": "image/png", "buffer": png}])
        await expect(page.get_by_text("dot.png")).to_be_visible()
        paste = "(text) => { const d = new DataTransfer(); d.setData('text/plain', text); document.querySelector('textarea')"
        paste += ".dispatchEvent(new ClipboardEvent('paste', {clipboardData: d, bubbles: true, cancelable: true})); }"
        await page.evaluate(paste, "line\n" * 6000)
        await expect(page.get_by_text("Pasted text, 6,001 lines")).to_be_visible()
        await s.axe("chat-attached")
        await ask(s, "What is this?")
        await expect(page.get_by_text("Seen.")).to_be_visible()
        content = up.requests[-1].json["messages"][-1]["content"]
        assert content[0]["text"].startswith("What is this?\n\nline")
        assert content[1]["image_url"]["url"].startswith("data:image/png;base64,")
        await page.get_by_role("button", name="Menu").click()
        await expect(page.get_by_role("dialog", name="Menu")).to_be_visible()
        await page.wait_for_timeout(200)
        await s.axe("menu")
        await page.keyboard.press("Escape")
        await s.context.set_offline(True)
        await ask(s, "Are you there?")
        await expect(page.get_by_text("Can't reach Doorward. Trying again in")).to_be_visible()
        await s.axe("offline")
        await s.context.set_offline(False)
        await page.get_by_role("button", name="Retry now").click()
        await expect(page.get_by_text("Can't reach Doorward. Trying again in")).to_have_count(0)
        await page.get_by_role("article").last.get_by_role("button", name="Retry").first.click()
        await expect(page.get_by_text("Seen.")).to_have_count(2)
