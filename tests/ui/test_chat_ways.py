"""Ways about a conversation: to what a search found, between its branches at any moment, to a larger model; and on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.answers import chat_stream, error_answer
from tests.house import CANARY
from tests.ui.chat import ask, chatting, edit_last, listed, repeats, slowly, stopped
from tests.ui.seeded import seeded
from tests.ui.stage import PHONE

pytestmark = pytest.mark.chromium


async def test_a_search_leads_to_its_hit(tmp_path: Path) -> None:
    async with chatting(tmp_path, repeats) as (s, up):
        page = s.page
        texts = [f"Message number {at}. " + "Words that fill a line or two. " * (at % 7) for at in range(400)]
        texts[101] = "Here stands the platypus."
        texts[399] = "And at the end an echidna."
        await seeded(s, "A long one", texts)
        await page.reload()
        for word, text in (("platypus", texts[101]), ("echidna", texts[399])):
            await page.get_by_label("Search conversations").fill(word)
            await listed(s).filter(has_text=text).click()
            hit = page.locator("[data-hit]")
            await expect(hit).to_have_text(re.compile(re.escape(text)))
            await page.wait_for_timeout(400)
            place = await hit.bounding_box()
            thread = await page.get_by_test_id("thread").bounding_box()
            assert place is not None
            assert thread is not None
            assert thread["y"] - 1 <= place["y"] < thread["y"] + thread["height"] - 40
            await s.check(f"chat-found-{word}")
        await page.reload()
        await expect(page.locator("[data-hit]")).to_have_text(re.compile("echidna"))
        await ask(s, "go on")
        await expect(page.get_by_text("You said go on.")).to_be_visible()
        await expect(page.locator("[data-hit]")).to_have_count(0)


async def test_a_hit_on_another_branch_is_shown_too(tmp_path: Path) -> None:
    async with chatting(tmp_path, repeats) as (s, up):
        page = s.page
        await ask(s, "platypus")
        await expect(page.get_by_text("You said platypus.")).to_be_visible()
        await edit_last(s, "echidna")
        await expect(page.get_by_text("You said echidna.")).to_be_visible()
        await page.get_by_label("Search conversations").fill("platypus")
        await listed(s).filter(has_text="You said platypus.").click()
        await expect(page.locator("[data-hit]")).to_have_text(re.compile("platypus"))
        await expect(page.get_by_text("1/2")).to_be_visible()


async def test_branches_are_right_at_once_after_a_stop_an_edit_and_a_retry(tmp_path: Path) -> None:
    async with chatting(tmp_path, lambda question: slowly(question) if question == "long" else repeats(question)) as (s, up):
        page = s.page
        await ask(s, "long")
        await expect(page.get_by_text("word3")).to_be_visible()
        await page.keyboard.press("Escape")
        # at once: the next question hangs below what was stopped
        await ask(s, "next")
        await expect(page.get_by_text("You said next.")).to_be_visible()
        sent = up.requests[-1].json["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "user"]
        assert sent[1]["content"].startswith("word0 word1")

        await page.get_by_role("article").nth(0).get_by_role("button", name="Edit").click()
        await page.get_by_label("Edit your message").fill("short")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("You said short.")).to_be_visible()
        await expect(page.get_by_text("2/2")).to_be_visible()
        await page.get_by_role("button", name="Retry").click()
        await expect(page.get_by_text("3/3")).to_be_visible()
        await page.get_by_role("button", name="Version before").click()
        await expect(page.get_by_text("2/3")).to_be_visible()
        await page.get_by_role("button", name="Version before").click()
        # the whole branch is back, with what followed the stopped answer
        await expect(page.get_by_text("You said next.")).to_be_visible()
        await expect(stopped(s)).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("1/3")).to_be_visible()
        await page.get_by_role("button", name="Version after").click()
        await expect(page.get_by_text("2/3")).to_be_visible()


async def test_an_answer_cut_off_in_a_new_chat_can_be_asked_for_again(tmp_path: Path) -> None:
    answers = iter([chat_stream(["Half a line. "] * 40).cut(3000), chat_stream(["Whole."])])
    async with chatting(tmp_path, lambda _: next(answers)) as (s, _):
        page = s.page
        await ask(s, "first")
        await expect(page.get_by_role("alert")).to_contain_text("Cut off by the provider")
        await expect(page).to_have_url(s.url + "/")
        await page.get_by_role("alert").get_by_role("button", name="Retry").click()
        await expect(page.get_by_text("Whole.")).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("Whole.")).to_be_visible()


async def test_a_wait_counts_down_and_sends_nothing_by_itself(tmp_path: Path) -> None:
    answers = iter([error_answer(429, "rate_limit_exceeded", "Slow down.", {"retry-after": "3"})])
    async with chatting(tmp_path, lambda _: next(answers, chat_stream(["Now."])), retry_wait_s=0) as (s, up):
        page = s.page
        await ask(s, "soon?")
        bubble = page.get_by_role("alert")
        await expect(bubble).to_contain_text("OpenAI asks to wait 3 s.")
        await expect(bubble.get_by_role("button", name=re.compile(r"^Retry in [123] s$"))).to_be_disabled()
        asked = up.calls
        await expect(bubble.get_by_role("button", name="Retry", exact=True)).to_be_enabled()
        assert up.calls == asked
        await bubble.get_by_role("button", name="Retry", exact=True).click()
        await expect(page.get_by_text("Now.")).to_be_visible()


async def test_too_long_a_conversation_leads_to_a_larger_model(tmp_path: Path) -> None:
    async with chatting(tmp_path, lambda _: error_answer(400, "context_length_exceeded", "Too long.")) as (s, _):
        await ask(s, "everything")
        await s.page.get_by_role("button", name="Use a larger model").click()
        dialog = s.page.get_by_role("dialog", name="Model, by how much it reads")
        await expect(dialog.get_by_role("option").first).to_contain_text("128k tokens")
        await s.check("chat-larger")


async def test_a_prompt_asks_for_its_values(tmp_path: Path) -> None:
    async with chatting(tmp_path, repeats) as (s, up):
        page = s.page
        await s.door.app.apps.apps.prompts.add("pirate", "Talk like a pirate called {{name}} from {{port}}.")
        await page.reload()
        await page.get_by_label("System prompt").select_option("pirate")
        dialog = page.get_by_role("dialog", name="Prompt: pirate")
        await expect(dialog.get_by_label("name")).to_be_focused()
        await s.check("chat-prompt")
        await page.keyboard.press("Escape")
        await expect(page.get_by_label("System prompt")).to_have_value("")
        await page.get_by_label("System prompt").select_option("pirate")
        await dialog.get_by_label("name").fill("Ann")
        await dialog.get_by_label("port").fill("Bristol")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Values of the prompt")).to_have_text("Ann, Bristol")
        await ask(s, "Hello")
        await expect(page.get_by_text("You said Hello.")).to_be_visible()
        assert up.requests[-1].json["messages"][0]["content"] == "Talk like a pirate called Ann from Bristol."


async def test_on_a_phone_what_can_be_done_stands_behind_one_button(tmp_path: Path) -> None:
    async with chatting(tmp_path, repeats, width=PHONE) as (s, _):
        page = s.page
        await ask(s, "one")
        await expect(page.get_by_text("You said one.")).to_be_visible()
        await expect(page.get_by_role("button", name="Retry")).to_have_count(0)
        await page.get_by_role("button", name="Actions for this answer").click()
        await s.check("chat-menu")
        await page.get_by_role("button", name="Retry").click()
        await expect(page.get_by_text("2/2")).to_be_visible()
        await page.get_by_role("button", name="Actions for this question").click()
        await page.get_by_role("button", name="Edit").click()
        await page.get_by_label("Edit your message").fill("two")
        await page.get_by_role("button", name="Send", exact=True).first.click()
        await expect(page.get_by_text("You said two.")).to_be_visible()
        assert CANARY not in await page.content()
