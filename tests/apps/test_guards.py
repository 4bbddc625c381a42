"""Guards: what is masked before it is sent, and what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.answers import chat_answer, json_answer
from tests.apps.desk import scripted_desk
from tests.scripted import Request, ScriptedUpstream

from doorward.apps.clean import clean
from doorward.apps.guards import masked


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("write to ann.b+c@example.co.uk now", "write to [email] now"),
        ("card 4111 1111 1111 1111, please", "card [card], please"),
        ("order 4111 1111 1111 1112", "order 4111 1111 1111 1112"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[account] is mine"),
        ("call +49 170 1234567", "call [phone]"),
        ("call (555) 123-4567 or 030 1234567", "call [phone] or [phone]"),
        ("SSN 123-45-6789", "SSN [id]"),
        ("in 2024 we sold 12,345 units at 3.14", "in 2024 we sold 12,345 units at 3.14"),
    ],
)
def test_masking(text: str, wanted: str) -> None:
    assert masked(text)[0] == wanted


def test_cleaning_keeps_unicode_and_line_breaks() -> None:
    assert clean("a\x00b\x1b[31m é\u200d\U0001f469\n\tz\ud83d") == "ab[31m é\u200d\U0001f469\n\tz?"


async def test_masked_text_is_sent_stored_and_shown(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_answer("ok")) as up, scripted_desk(tmp_path, up, mask_pii=True) as here:
        answer = await here.ask("POST", "/apps/chat", {"message": "I am ann@example.com"})
        assert up.requests[0].json["messages"][0]["content"] == "I am [email]"
        read = await here.ask("GET", f"/apps/conversations/{answer['conversation_id']}")
        assert read["messages"][0]["text"] == "I am [email]"
        for _ in range(100):
            if calls := (await here.ask("GET", "/api/v1/calls"))["data"]:
                break
            await asyncio.sleep(0.02)
        assert calls[0]["tags"] == ["app:chat", "guard:masked-1"]


async def test_forbidden_categories_are_refused_before_the_model_is_asked(tmp_path: Path) -> None:
    def script(request: Request) -> Any:
        if request.target.endswith("/moderations"):
            flagged = "violence" in request.json["input"]
            return json_answer({"results": [{"flagged": flagged, "categories": {"violence": flagged, "hate": False}}]})
        return chat_answer("ok")

    async with ScriptedUpstream(script) as up, scripted_desk(tmp_path, up, forbidden_categories="violence") as here:
        await here.door.provider("openai2", up.base_url, "omni-*", auth="none", prices="free")
        for path, body in (
            ("/apps/chat", {"message": "violence"}),
            ("/apps/chat/stream", {"message": "violence"}),
            ("/apps/summarize", {"text": "violence"}),
            ("/apps/classify", {"text": "violence"}),
            ("/apps/agent", {"message": "violence"}),
            ("/api/v1/chat", {"prompt": "violence"}),
        ):
            error = await here.refused("POST", path, 400, body)
            assert error["code"] == "content_refused", path
        assert all(request.target.endswith("/moderations") for request in up.requests)
        await here.ask("POST", "/apps/chat", {"message": "peace"})
