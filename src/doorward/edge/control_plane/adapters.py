"""`/api/v1/adapters`: what the operator's file says, whether it is in force, and what is missing; never a value (R24)."""

from __future__ import annotations

import asyncio

from pydantic import Field

from doorward.edge.control_plane.console import HasConsole
from doorward.edge.control_plane.declare import declared, router
from doorward.edge.control_plane.fields import Answer

routes = router("adapters")

MOST_PROBLEMS = 20


class VariableOut(Answer):
    name: str
    is_set: bool


class AdapterOut(Answer):
    name: str
    line: int
    base_url: str = Field(description="As it is written; variables are not replaced.")
    headers: list[str] = Field(description="Names of the headers that it adds.")
    variables: list[VariableOut]
    in_force: bool


class LineOut(Answer):
    number: int
    text: str = Field(description="Values are left out.")


class ProblemOut(Answer):
    file: str
    line: int
    says: str
    around: list[LineOut]


class AdapterList(Answer):
    files: list[str] = Field(description="Where adapters are read from; empty: no file is set.")
    taken_at: float | None = Field(description="Unix seconds: when what is in force was read.")
    problems: list[ProblemOut] = Field(description="Why the files as they are now are not in force; empty: they are.")
    more_problems: int
    data: list[AdapterOut]


@routes.get("/api/v1/adapters")
@declared(auth="either", scope="admin")
async def list_adapters(console: HasConsole) -> AdapterList:
    """Adapters of the file as it is now, and those still in force that it no longer has."""
    adapters = console.adapters
    found = await asyncio.to_thread(adapters.listed)
    problems = adapters.problems
    return AdapterList(
        files=list(adapters.files),
        taken_at=adapters.taken_at,
        problems=[
            ProblemOut(
                file=problem.file,
                line=problem.line,
                says=problem.says,
                around=[LineOut(number=number, text=text) for number, text in adapters.around(problem)],
            )
            for problem in problems[:MOST_PROBLEMS]
        ],
        more_problems=max(0, len(problems) - MOST_PROBLEMS),
        data=[
            AdapterOut(
                name=one.name,
                line=one.line,
                base_url=one.base_url,
                headers=list(one.headers),
                variables=[VariableOut(name=name, is_set=adapters.is_set(name)) for name in one.variables],
                in_force=adapters.find(one.name) is not None,
            )
            for one in found
        ],
    )
