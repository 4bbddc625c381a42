"""`POST /api/v1/chat`: one prompt in, one text out (R48)."""

from __future__ import annotations

from pydantic import Field

from doorward.apps.ask import one_shot
from doorward.apps.clean import cleaned
from doorward.apps.routes.asking import HasAsking
from doorward.apps.routes.declared import TEXT_BYTES, AppRoutes
from doorward.apps.routes.fields import Answer, Body

routes = AppRoutes("one-shot")


class PromptIn(Body):
    prompt: str = Field(description="What you ask. Nothing is stored.")


class TextOut(Answer):
    text: str


@routes.on("POST", "/chat", body_cap_bytes=TEXT_BYTES, metered=True)
async def chat_once(asking: HasAsking, body: PromptIn) -> TextOut:
    """Ask once. No history, no system prompt, nothing stored."""
    defaults = asking.apps.defaults
    prompt = cleaned(body.prompt, "prompt", defaults.max_message_chars)
    prompt = await asking.apps.guards.through(asking.ask, prompt, app="one_shot")
    return TextOut(text=await one_shot(asking.ask, prompt, defaults.model, defaults.max_tokens, defaults.temperature))
