"""Tools in the chat: offered quietly, each step to be opened, a person's decision where it is asked for, kept over a reload."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from tests.answers import Answer, chat_stream, json_answer
from tests.apps import agent_tools
from tests.apps.test_tool_chat import asking
from tests.house import CANARY
from tests.scripted import Request, ScriptedUpstream
from tests.ui.chat import ask, with_key
from tests.ui.openai import MODELS
from tests.ui.stage import PHONE, stage

pytestmark = pytest.mark.chromium

TOOLS = [f"tests.apps.agent_tools:{name}" for name in ("create_task", "breaks", "send_money")]
MILK = ("create_task", {"title": "Buy milk", "description": "Two litres.", "priority": "high"})
PAY = ("send_money", {"to": "Ann", "cents": 500})


def script(request: Request) -> Answer:
    """Asks for what the last question names, once."""
    assert request.header("authorization") == f"Bearer {CANARY}"
    if request.target.startswith("/v1/models"):
        return json_answer(MODELS)
    last = request.json["messages"][-1]
    if last["role"] != "user" or not request.json.get("tools"):
        return chat_stream(["It ", "is ", "done."])
    if "pay" in last["content"]:
        return asking(PAY)
    return asking(MILK, ("breaks", {}), before="Let me put that down.")


async def choose(page: Page, *names: str) -> None:
    await page.get_by_role("button", name="Tools", exact=True).click()
    for name in names:
        await page.get_by_role("checkbox", name=re.compile(f"^{name}")).check()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name=f"Tools: {len(names)}")).to_be_visible()


async def test_steps_are_shown_and_can_be_opened(tmp_path: Path) -> None:
    agent_tools.TASKS.clear()
    async with ScriptedUpstream(script) as up, stage(tmp_path, openai_base_url=up.base_url, agent_tools=TOOLS) as s:
        page = s.page
        await with_key(s)
        await page.get_by_role("button", name="Tools", exact=True).click()
        await s.check("chat-tools-choice")
        await page.keyboard.press("Escape")
        await choose(page, "create_task", "breaks")
        await ask(s, "Note that I need milk")
        answer = page.get_by_role("article").last
        await expect(answer.get_by_text("It is done.")).to_be_visible()
        await expect(answer.get_by_text("Let me put that down.")).to_be_visible()
        steps = answer.get_by_role("list", name="Steps")
        await expect(steps.locator("details")).to_have_count(2)
        await expect(steps.locator("summary").nth(1)).to_contain_text("failed")
        assert [task["title"] for task in agent_tools.TASKS] == ["Buy milk"]
        await steps.locator("summary").first.click()
        await expect(steps.get_by_label("Arguments").first).to_contain_text('"title": "Buy milk"')
        await expect(steps.get_by_label("Result")).to_contain_text('"id": 1')
        # both times that the model was asked are in the figures: 30 and 13 tokens
        await expect(answer.get_by_test_id("cost")).to_contain_text("43 tokens")
        await s.check("chat-tools")

        await page.reload()
        await expect(answer.get_by_text("It is done.")).to_be_visible()
        await expect(steps.locator("details")).to_have_count(2)
        await expect(answer.get_by_test_id("cost")).to_contain_text("43 tokens")


async def test_what_a_person_must_let_run_waits_for_a_button(tmp_path: Path) -> None:
    async with ScriptedUpstream(script) as up, stage(tmp_path, openai_base_url=up.base_url, agent_tools=TOOLS) as s:
        page = s.page
        await with_key(s)
        await choose(page, "send_money")
        await ask(s, "Please pay Ann")
        room = page.get_by_role("region", name="Waits for your decision")
        await expect(room.get_by_label("Arguments of send_money")).to_contain_text('"cents": 500')
        await expect(page.get_by_test_id("status")).to_contain_text("The answer waits for your decision")
        await s.check("chat-approval")
        await page.reload()
        await room.get_by_role("button", name="Let it run: send_money").click()
        answer = page.get_by_role("article").last
        await expect(answer.get_by_text("It is done.")).to_be_visible()
        await expect(room).to_have_count(0)
        assert up.requests[-1].json["messages"][-1]["content"] == "500 sent to Ann"

        await ask(s, "pay once more")
        await room.get_by_role("button", name="Do not run: send_money").click()
        await expect(answer.get_by_text("It is done.")).to_be_visible()
        assert up.requests[-1].json["messages"][-1]["content"] == "A person refused this call."
        await page.reload()
        await expect(page.get_by_text("It is done.")).to_have_count(2)


@pytest.mark.parametrize("width", [PHONE])
async def test_without_the_operators_tools_there_is_no_choice(tmp_path: Path, width: int) -> None:
    async with ScriptedUpstream(script) as up, stage(tmp_path, openai_base_url=up.base_url, width=width) as s:
        async with s.page.expect_response(re.compile("/apps/agent/tools")):
            await with_key(s)
        await s.page.wait_for_timeout(200)
        await expect(s.page.get_by_role("button", name="Tools")).to_have_count(0)
