"""Streaming 200 tokens a second into 5,000 messages: as smooth as into an empty chat, measured in one run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from tests.answers import Answer, chat_stream
from tests.scripted import ScriptedUpstream
from tests.ui.chat import ask, with_key
from tests.ui.openai import openai
from tests.ui.seeded import seeded
from tests.ui.stage import Stage, stage

pytestmark = pytest.mark.chromium

MESSAGES = 5000
TOKENS_A_SECOND = 200
SECONDS = 6

WATCH = """() => {
  window.gaps = []; window.long = []; window.watching = true;
  let before = performance.now();
  const frame = (now) => { window.gaps.push(now - before); before = now; if (window.watching) requestAnimationFrame(frame); };
  requestAnimationFrame((now) => { before = now; requestAnimationFrame(frame); });
  const seen = new PerformanceObserver((list) => window.long.push(...list.getEntries().map((one) => one.duration)));
  seen.observe({ entryTypes: ["longtask"] });
}"""
SEEN = "() => { window.watching = false; return [window.gaps, window.long]; }"


@dataclass
class Smoothness:
    """Of the frames while an answer grows. Milliseconds; `busy` is the share of time that scripts and layout took."""

    frames_a_second: float
    p50_ms: float
    p95_ms: float
    long_tasks_ms: float
    busy: float


def markdown(tokens: int) -> list[str]:
    words = ["A ", "line ", "of ", "**words** ", "and ", "`code` ", "that ", "goes ", "on ", "and\\n\\n"]
    return [words[at % len(words)].replace("\\n", "\n") for at in range(tokens)]


def stream(_: str) -> Answer:
    return chat_stream(markdown(TOKENS_A_SECOND * SECONDS), pause_s=1 / TOKENS_A_SECOND)


async def measured(s: Stage) -> Smoothness:
    page = s.page
    session = await s.context.new_cdp_session(page)
    await session.send("Performance.enable")

    async def work_s() -> tuple[float, float]:
        listed: dict[str, Any] = await session.send("Performance.getMetrics")
        by_name = {one["name"]: one["value"] for one in listed["metrics"]}
        return by_name["TaskDuration"], by_name["Timestamp"]

    await ask(s, "Tell me a long story")
    await expect(page.get_by_role("article").last.get_by_text("A line of").first).to_be_visible()
    await page.evaluate(WATCH)
    before = await work_s()
    await page.wait_for_timeout(1000 * (SECONDS - 3))
    after = await work_s()
    gaps, long = await page.evaluate(SEEN)
    assert await page.get_by_role("article").last.get_attribute("data-state") == "streaming", "it grew all the while"
    await page.get_by_role("button", name="Stop").click()
    gaps = sorted(gaps)
    return Smoothness(
        frames_a_second=1000 * len(gaps) / sum(gaps),
        p50_ms=gaps[len(gaps) // 2],
        p95_ms=gaps[int(len(gaps) * 0.95)],
        long_tasks_ms=sum(long),
        busy=(after[0] - before[0]) / (after[1] - before[1]),
    )


async def test_five_thousand_messages_stream_like_none(tmp_path: Path) -> None:
    """By the page's own work, not by the clock: on a busy machine both are slow alike."""
    async with ScriptedUpstream(openai(stream)) as up, stage(tmp_path, openai_base_url=up.base_url) as s:
        page = s.page
        await with_key(s)
        empty = await measured(s)
        texts = [f"Message number {at}. " + "Some words of an ordinary length. " * (1 + at % 9) for at in range(MESSAGES)]
        texts[0] = "The very first question."
        id = await seeded(s, "Five thousand", texts)
        # all of them are on the page: a search leads to the first
        await page.goto(f"{s.url}/c/{id}?m=msg_{id}_0")
        await expect(page.locator("[data-hit]")).to_contain_text(texts[0])
        assert await page.get_by_role("article").count() < 60, "only what is near the view is there"
        full = await measured(s)
        assert await page.get_by_role("article").count() < 60
        if "DOORWARD_TEST_PRINT" in os.environ:
            print(f"\nempty {empty}\n5,000 {full}")
        assert full.busy < 1.5 * empty.busy + 0.05, (empty, full)
        assert full.frames_a_second > 0.7 * empty.frames_a_second, (empty, full)
        assert full.long_tasks_ms < 1.5 * empty.long_tasks_ms + 150, (empty, full)
