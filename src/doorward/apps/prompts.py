"""System prompts by name, with versions and variables: two of ours, and the operator's own.

A variable is written `{{name}}` and replaced once by the text given for it; there is no template language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from doorward.core.errors import Conflict, NotFound, Unprocessable
from doorward.store.prompts import Prompt, Prompts

BUILT_IN = {
    "todo_assistant": (
        "You help people keep their to-do list. Work out what they want done, and by when. Break large tasks into steps that "
        "take less than a day. Give each task a short title that starts with a verb, a one-sentence description, and a priority: "
        "low, medium or high. Ask one question when something important is missing. Be brief."
    ),
    "code_reviewer": (
        "You review code. Read it as the person who will maintain it. Report first what is wrong: mistakes, unhandled errors, "
        "races, leaks, unsafe input; then what is hard to read; then small things. For each point give the line, why it matters, "
        "and the change you suggest. Say so when you are not sure. Praise nothing that needs no praise."
    ),
}
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}")
MOST_CHARS = 32_000


async def system_text(stored: Prompts, name: str, version: int | None, variables: Mapping[str, str]) -> str:
    """A prompt with its variables filled in. Raises `NotFound` for the prompt, `Unprocessable` for its variables."""
    found = await stored.find(name, version)
    if found is None and (name not in BUILT_IN or version not in (None, 1)):
        which = name[:64] if version is None else f"{name[:64]} in version {version}"
        raise NotFound(f"There is no prompt {which}. GET /apps/prompts lists them.", param="prompt", code="unknown_prompt")
    return filled(found.text if found is not None else BUILT_IN[name], variables)


def filled(text: str, values: Mapping[str, str]) -> str:
    wanted = variables_of(text)
    missing = [name for name in wanted if name not in values]
    if missing:
        raise Unprocessable(f"The prompt needs the variable {missing[0]}.", param=f"variables.{missing[0]}")
    unknown = [name for name in values if name not in wanted]
    if unknown:
        raise Unprocessable(f"The prompt has no variable {unknown[0][:64]}.", param="variables")
    return _VARIABLE.sub(lambda found: values[found[1]], text)


def variables_of(text: str) -> list[str]:
    return list(dict.fromkeys(_VARIABLE.findall(text)))


async def listed(stored: Prompts) -> list[Prompt]:
    """Ours, unless the operator set one of the same name, and the operator's, by name."""
    own = await stored.versions()
    names = {prompt.name for prompt in own}
    ours = [Prompt(name, 1, text, 0.0) for name, text in BUILT_IN.items() if name not in names]
    return sorted([*ours, *own], key=lambda prompt: prompt.name)


async def remove(stored: Prompts, name: str) -> None:
    if not await stored.remove(name):
        if name in BUILT_IN:
            raise Conflict(f"{name} is built in: set a version of your own instead.")
        raise NotFound("There is no such prompt.", code="unknown_prompt")
