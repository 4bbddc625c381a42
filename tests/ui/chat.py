"""A chat that can be asked: a signed-in user with a key of their own, before an OpenAI that answers as a test says."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, expect
from tests.answers import Answer, chat_stream
from tests.scripted import ScriptedUpstream
from tests.ui.openai import openai, words_of
from tests.ui.stage import Stage, stage

PAUSE_S = 0.05


@contextlib.asynccontextmanager
async def chatting(
    tmp_path: Path, answer: Callable[[str], Answer] | None = None, **changes: Any
) -> AsyncIterator[tuple[Stage, ScriptedUpstream]]:
    """A new chat. `answer`: the last question -> what OpenAI sends; `None`: a long one with everything in it."""
    async with ScriptedUpstream(openai(answer)) as up, stage(tmp_path, openai_base_url=up.base_url, **changes) as s:
        await with_key(s)
        yield s, up


async def with_key(s: Stage) -> None:
    """A signed-in user with a key of their own, in a new chat."""
    await s.sign_in(role="user")
    await s.store_key()
    await s.page.goto(s.url)
    await expect(s.page.get_by_role("heading", name="What would you like to know?")).to_be_visible()


async def ask(s: Stage, text: str) -> None:
    await s.page.get_by_label("Message").fill(text)
    await s.page.keyboard.press("Enter")


async def edit_last(s: Stage, text: str) -> None:
    """By the keyboard, once the answer has ended: up in the empty composer, the new text, Enter."""
    await expect(s.page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    await s.page.get_by_label("Message").press("ArrowUp")
    await s.page.get_by_label("Edit your message").fill(text)
    await s.page.keyboard.press("Enter")


def repeats(question: str) -> Answer:
    return chat_stream(words_of(f"You said {question}."))


def slowly(_: str) -> Answer:
    """20 seconds of words, a few of them at a time."""
    return chat_stream([f"word{n} " for n in range(400)], pause_s=PAUSE_S)


def listed(s: Stage) -> Locator:
    """The conversations beside the chat."""
    return s.page.get_by_role("navigation", name="Conversations").get_by_role("link")


def stopped(s: Stage) -> Locator:
    return s.page.get_by_text(re.compile(r"^Stopped\."))
