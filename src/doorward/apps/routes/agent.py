"""`/agent` (R46): a task, its steps, its answer; approvals for tools that a person must let run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import Field

from doorward.apps import frames
from doorward.apps.agent_loop import Tell
from doorward.apps.routes.asking import Asking, HasAsking
from doorward.apps.routes.declared import EVENTS, SMALL_BYTES, TEXT_BYTES, AppRoutes
from doorward.apps.routes.fields import Answer, Body, Model
from doorward.apps.routes.progress import wants_events
from doorward.apps.routes.streamed import Streamed
from doorward.core.errors import DoorwardError
from doorward.store.runs import Run, Step

routes = AppRoutes("agent")

OfPath = Annotated[str, Path(max_length=128)]


class AgentIn(Body):
    message: str = Field(description="The task.")
    tools: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=128)] | None = Field(
        None, description="Names of the tools it may use; without it, all that the operator offers."
    )
    model: Model | None = None
    max_steps: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Model calls, at most; the operator's limit holds."
    )


class StepOut(Answer):
    number: int
    kind: str = Field(description="model, tool, approval, limit or answer.")
    details: dict[str, Any]


class RunOut(Answer):
    run_id: str
    state: str = Field(description="done; waiting for an approval; stopped at a limit; failed.")
    message: str = Field(description="The answer, or why it stopped.")
    steps: list[StepOut]
    messages: list[dict[str, Any]] = Field(description="The whole exchange, as a chat request would send it.")
    tokens: int


class ToolOut(Answer):
    name: str
    description: str
    parameters: dict[str, Any]
    approve: bool = Field(description="A person is asked before each call.")
    built_in: bool = Field(description="Doorward's own, which is always there.")


class ToolList(Answer):
    data: list[ToolOut]


class Decisions(Body):
    decisions: dict[Annotated[str, Field(max_length=128)], bool] = Field(description="tool_call_id: whether it may run.")


@routes.on("GET", "/agent/tools")
async def list_tools(asking: HasAsking) -> ToolList:
    """What agents may use here."""
    found = await asking.apps.toolbox.all(asking.ask, asking.owner)
    return ToolList(
        data=[
            ToolOut(
                name=tool.name,
                description=tool.description,
                parameters=tool.parameters,
                approve=tool.approve,
                built_in=tool.built_in,
            )
            for tool in found.values()
        ]
    )


@routes.on("POST", "/agent", body_cap_bytes=TEXT_BYTES, metered=True, rooted=True, shows=RunOut, also=EVENTS)
async def run_agent(request: Request, asking: HasAsking, body: AgentIn) -> Any:
    """Work on a task with tools. With `Accept: text/event-stream` every step is an event as it happens."""

    def work(tell: Tell | None) -> Awaitable[Run]:
        return asking.apps.agent.start(
            asking.ask, asking.owner, body.message, body.tools, model=body.model, most_steps=body.max_steps, tell=tell
        )

    return await _answered(request, asking, work)


@routes.on("POST", "/agent/{run_id}/approvals", body_cap_bytes=SMALL_BYTES, metered=True, shows=RunOut, also=EVENTS)
async def decide(request: Request, asking: HasAsking, run_id: OfPath, body: Decisions) -> Any:
    """Let calls run, or not, and go on."""

    def work(tell: Tell | None) -> Awaitable[Run]:
        return asking.apps.agent.approve(asking.ask, asking.owner, run_id, body.decisions, tell)

    return await _answered(request, asking, work)


@routes.on("GET", "/agent/{run_id}")
async def read_run(asking: HasAsking, run_id: OfPath) -> RunOut:
    """A run and all its steps."""
    return await _shown(asking, await asking.apps.agent.find(asking.owner, run_id))


async def _answered(request: Request, asking: Asking, work: Callable[[Tell | None], Awaitable[Run]]) -> Any:
    if wants_events(request):
        return await Streamed.begin(_events(asking, work))
    return await _shown(asking, await work(None))


async def _events(asking: Asking, work: Callable[[Tell | None], Awaitable[Run]]) -> AsyncGenerator[bytes]:
    news: asyncio.Queue[Step | None] = asyncio.Queue()

    async def tell(step: Step) -> None:
        news.put_nowait(step)

    working = asyncio.ensure_future(work(tell))
    working.add_done_callback(lambda _: news.put_nowait(None))
    started = False
    try:
        while (step := await news.get()) is not None:
            yield frames.step(step)
            started = True
        yield frames.frame({"result": (await _shown(asking, working.result())).model_dump()})
        yield frames.DONE
    except DoorwardError as error:
        if not started:
            raise
        yield frames.error(error)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _shown(asking: Asking, run: Run) -> RunOut:
    steps = [_step(step) for step in await asking.apps.agent.steps(run)]
    return RunOut(
        run_id=run.id, state=run.state, message=run.answer, steps=steps, messages=run.messages, tokens=run.settings["tokens"]
    )


def _step(step: Step) -> StepOut:
    return StepOut(number=step.number, kind=step.kind, details=step.details)
