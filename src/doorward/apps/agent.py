"""An agent (R46): a task, the loop that works on it, and the run that is kept of it.

Every step is an event and a row. A run that needs a person's approval is put away and goes on when it came.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from doorward.apps.agent_loop import TOOL_RULE, AgentLoop, Tell, Work, asks_first
from doorward.apps.ask import Ask
from doorward.apps.clean import cleaned
from doorward.apps.defaults import Defaults
from doorward.apps.guards import Guards
from doorward.apps.tool_calls import open_calls
from doorward.apps.toolbox import Toolbox
from doorward.core.clock import Clock
from doorward.core.errors import Conflict, DoorwardError, NotFound
from doorward.store.runs import Run, Runs, RunState, Step

_SYSTEM = (
    "You work on the user's task with the tools you are given. Call several at once where they do not depend on each other. "
    f"{TOOL_RULE} When the task is done, answer without calling a tool."
)


class Agent:
    def __init__(self, runs: Runs, toolbox: Toolbox, loop: AgentLoop, defaults: Defaults, guards: Guards, clock: Clock) -> None:
        self._runs = runs
        self._toolbox = toolbox
        self._loop = loop
        self._defaults = defaults
        self._guards = guards
        self._clock = clock

    async def start(
        self,
        ask: Ask,
        owner: str,
        message: str,
        tools: Sequence[str] | None = None,
        *,
        model: str | None = None,
        most_steps: int | None = None,
        tell: Tell | None = None,
    ) -> Run:
        """Raises `NotFound` for an unknown tool, and what the model's call raises; the run's row then says `failed`."""
        message = cleaned(message, "message", self._defaults.max_message_chars)
        chosen = await self._toolbox.chosen(ask, owner, tools)
        message = await self._guards.through(ask, message, app="agent")
        settings = self._loop.settings(model or self._defaults.model, chosen, most_steps)
        messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": message}]
        now = self._clock.wall()
        run = Run(f"run_{uuid.uuid4().hex}", owner, "running", messages, settings, "", now, now)
        return await self._work(run, Work(messages, settings, chosen, ask, "agent", tell))

    async def approve(self, ask: Ask, owner: str, run_id: str, decisions: Mapping[str, bool], tell: Tell | None = None) -> Run:
        """Go on with a run that waits. Every call that waits must be decided. Raises `NotFound`, `Conflict`."""
        run = await self.find(owner, run_id)
        waiting = {call["id"] for call in open_calls(run.messages)}
        if run.state != "waiting":
            raise Conflict("This run does not wait for an approval.")
        tools = await self._toolbox.chosen(ask, owner, None)
        named = {call["id"]: call["function"]["name"] for call in open_calls(run.messages)}
        undecided = [one for one in waiting if one not in decisions and one in named and asks_first(tools.get(named[one]))]
        if undecided:
            raise Conflict(f"Decide every call that waits: {', '.join(sorted(undecided))}.")
        if not await self._runs.take(run_id, owner):
            raise Conflict("This run does not wait for an approval.")
        chosen = {name: tools[name] for name in run.settings["tools"] if name in tools}
        run = replace(run, state="running")
        work = Work(run.messages, run.settings, chosen, ask, "agent", tell)
        work.approved = frozenset(one for one, yes in decisions.items() if yes)
        work.refused = frozenset(one for one, yes in decisions.items() if not yes)
        work.number = len(await self._runs.steps(run_id))
        return await self._work(run, work)

    async def find(self, owner: str, run_id: str) -> Run:
        run = await self._runs.find(run_id, owner)
        if run is None:
            raise NotFound("There is no such run.", code="unknown_run")
        return run

    async def steps(self, run: Run) -> list[Step]:
        return await self._runs.steps(run.id)

    async def _work(self, run: Run, work: Work) -> Run:
        async def save() -> None:
            steps, work.unsaved = work.unsaved, []
            await self._runs.save(run, steps)

        work.save = save
        state: RunState = "failed"
        answer = "It was interrupted."
        try:
            state, answer = await self._loop.run(work)
        except DoorwardError as error:
            answer = error.message
            raise
        finally:
            run = replace(run, state=state, answer=answer, updated_at=self._clock.wall())
            await asyncio.shield(save())
        return run
