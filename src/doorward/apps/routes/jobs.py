"""`/jobs`: long work that goes on without its client."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import Field

from doorward.apps.jobs import has_ended
from doorward.apps.routes.asking import HasAsking
from doorward.apps.routes.classify import Labels
from doorward.apps.routes.declared import LONG_BYTES, AppRoutes
from doorward.apps.routes.fields import Answer, Body, Model, Name
from doorward.apps.routes.search import DocumentIn
from doorward.core.errors import Conflict, Unprocessable
from doorward.store.jobs import Job

routes = AppRoutes("jobs")

OfPath = Annotated[str, Path(max_length=128)]


class SummarizeJob(Body):
    kind: Literal["summarize"]
    text: Annotated[str, Field(min_length=1)]
    mode: Literal["cut", "full"] = "full"
    model: Model | None = None
    fresh: bool = False


class ClassifyJob(Body):
    kind: Literal["classify"]
    texts: Annotated[list[str], Field(min_length=1, max_length=100_000)]
    categories: Labels | None = None
    set: Name | None = None
    multi: bool = False
    model: Model | None = None


class AddJob(Body):
    kind: Literal["collection_add"]
    collection: Name
    documents: Annotated[list[DocumentIn], Field(min_length=1, max_length=200_000)]


class ErrorOut(Answer):
    message: str
    type: str
    param: str | None
    code: str | None


class JobOut(Answer):
    id: str
    kind: str
    state: str = Field(description="queued, running, cancelling, done, failed or cancelled.")
    done: int = Field(description="Pieces that are done, of total.")
    total: int
    error: ErrorOut | None
    created_at: float
    updated_at: float


class JobList(Answer):
    data: list[JobOut]


class JobResult(JobOut):
    result: dict[str, Any]


@routes.on("POST", "/jobs", body_cap_bytes=LONG_BYTES, metered=True, status=202, changes=True)
async def make_job(asking: HasAsking, body: Annotated[SummarizeJob | ClassifyJob | AddJob, Field(discriminator="kind")]) -> JobOut:
    """Begin; it goes on when you leave, and after a restart."""
    if isinstance(body, ClassifyJob):
        await asking.apps.classifier.labels(body.categories, body.set)
    elif isinstance(body, AddJob):
        await asking.apps.searcher.find(asking.owner, body.collection)
    elif not body.text.strip():
        raise Unprocessable("text is empty: send some text.", param="text")
    wish = body.model_dump(exclude={"kind"})
    return _shown(await asking.apps.jobs.add(asking.caller, body.kind, wish))


@routes.on("GET", "/jobs")
async def list_jobs(asking: HasAsking, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> JobList:
    """Mine, the newest first."""
    return JobList(data=[_shown(job) for job in await asking.apps.jobs.of_owner(asking.owner, limit)])


@routes.on("GET", "/jobs/{job_id}")
async def read_job(asking: HasAsking, job_id: OfPath) -> JobOut:
    return _shown(await asking.apps.jobs.find(asking.owner, job_id))


@routes.on("GET", "/jobs/{job_id}/result")
async def read_result(asking: HasAsking, job_id: OfPath) -> JobResult:
    """Of a job that is done; a 409 says how far one is that is not."""
    job = await asking.apps.jobs.find(asking.owner, job_id)
    if job.result is None:
        ended = f"This job ended without a result: {job.state}." if has_ended(job) else f"This job is {job.state}. Ask again later."
        raise Conflict(ended, code="no_result")
    return JobResult(**_shown(job).model_dump(), result=job.result)


@routes.on("POST", "/jobs/{job_id}/cancel")
async def cancel_job(asking: HasAsking, job_id: OfPath) -> JobOut:
    """Its calls are stopped; what was used stays charged. A job that has ended stays as it is."""
    return _shown(await asking.apps.jobs.cancel(asking.owner, job_id))


def _shown(job: Job) -> JobOut:
    error = ErrorOut(**job.error) if job.error is not None else None
    return JobOut(
        id=job.id,
        kind=job.kind,
        state=job.state,
        done=job.done,
        total=job.total,
        error=error,
        created_at=job.created_at,
        updated_at=job.updated_at,
    )
