"""`/prompts`: everybody reads them, the operator writes them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from doorward.apps import prompts
from doorward.apps.clean import cleaned
from doorward.apps.routes.asking import HasAsking
from doorward.apps.routes.declared import TEXT_BYTES, AppRoutes
from doorward.apps.routes.fields import Answer, Body, Deleted
from doorward.core.errors import NotFound
from doorward.store.prompts import Prompt

routes = AppRoutes("prompts")

OfPath = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class PromptIn(Body):
    text: str = Field(description="What the model is told first. {{name}} is a variable.")


class PromptOut(Answer):
    name: str
    version: int
    text: str
    variables: list[str]
    built_in: bool


class PromptList(Answer):
    data: list[PromptOut]


@routes.on("GET", "/prompts")
async def list_prompts(asking: HasAsking) -> PromptList:
    """The newest version of each."""
    return PromptList(data=[_shown(prompt) for prompt in await prompts.listed(asking.apps.prompts)])


@routes.on("GET", "/prompts/{name}")
async def read_prompt(asking: HasAsking, name: OfPath) -> PromptList:
    """Every version, the newest first."""
    found = await asking.apps.prompts.versions(name)
    if not found and name in prompts.BUILT_IN:
        found = [Prompt(name, 1, prompts.BUILT_IN[name], 0.0)]
    if not found:
        raise NotFound("There is no such prompt.", code="unknown_prompt")
    return PromptList(data=[_shown(prompt) for prompt in found])


@routes.on("PUT", "/prompts/{name}", body_cap_bytes=TEXT_BYTES, admin=True, changes=True)
async def write_prompt(asking: HasAsking, name: OfPath, body: PromptIn) -> PromptOut:
    """A new version; the older ones stay and can be asked for."""
    return _shown(await asking.apps.prompts.add(name, cleaned(body.text, "text", prompts.MOST_CHARS)))


@routes.on("DELETE", "/prompts/{name}", admin=True, changes=True)
async def delete_prompt(asking: HasAsking, name: OfPath) -> Deleted:
    """All its versions. A built-in one of the same name is there again."""
    await prompts.remove(asking.apps.prompts, name)
    return Deleted(id=name)


def _shown(prompt: Prompt) -> PromptOut:
    return PromptOut(
        name=prompt.name,
        version=prompt.version,
        text=prompt.text,
        variables=prompts.variables_of(prompt.text),
        built_in=prompt.created_at == 0.0,
    )
