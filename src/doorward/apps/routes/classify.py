"""`/classify` (R44), and the operator's named sets of labels."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import BaseModel, Field

from doorward.apps.classify import MOST_LABELS, MOST_TEXTS, Classified, fit_labels
from doorward.apps.routes.asking import HasAsking
from doorward.apps.routes.declared import EVENTS, LONG_BYTES, SMALL_BYTES, AppRoutes
from doorward.apps.routes.fields import Answer, Body, Deleted, Model, Name
from doorward.apps.routes.progress import Tell, told, wants_events
from doorward.apps.routes.streamed import Streamed
from doorward.core.errors import NotFound, Unprocessable

routes = AppRoutes("classify")

Label = Annotated[str, Field(min_length=1, max_length=100)]
Labels = Annotated[list[Label], Field(max_length=MOST_LABELS)]
OfPath = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class ClassifyIn(Body):
    text: str | None = None
    texts: Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)] | None = Field(
        None, description="A batch, instead of text."
    )
    categories: Labels | None = None
    set: Name | None = Field(None, description="A set of labels that the operator named.")
    multi: bool = Field(False, description="Several labels may apply.")
    model: Model | None = None


class LabelOut(Answer):
    category: str
    confidence: float


class LabelsOut(LabelOut):
    """With `multi`."""

    labels: list[LabelOut] = Field(description="All that apply, the surest first.")


class ClassifyMany(Answer):
    data: list[LabelsOut] | list[LabelOut]


class LabelSet(Answer):
    name: str
    labels: list[str]


class LabelSets(Answer):
    data: list[LabelSet]


class LabelSetIn(Body):
    labels: Labels


@routes.on(
    "POST",
    "/classify",
    body_cap_bytes=LONG_BYTES,
    metered=True,
    rooted=True,
    shows=LabelOut | LabelsOut | ClassifyMany,
    also=EVENTS,
)
async def classify(request: Request, asking: HasAsking, body: ClassifyIn) -> Any:
    """Which category a text belongs to, and how sure the model is. `texts` instead of `text` for a batch."""
    classifier = asking.apps.classifier
    if (body.text is None) == (body.texts is None):
        raise Unprocessable("Send text, or texts for a batch.", param="text")
    labels = await classifier.labels(body.categories, body.set)
    if body.text is not None:
        return _shown(await classifier.one(asking.ask, body.text, labels, several=body.multi, model=body.model), body.multi)
    texts = body.texts or []

    async def work(tell: Tell | None = None) -> BaseModel:
        found = await classifier.many(asking.ask, texts, labels, several=body.multi, model=body.model, progress=tell)
        return ClassifyMany.model_construct(data=[_shown(one, body.multi) for one in found])

    if wants_events(request):
        return await Streamed.begin(told(work, "text"))
    return await work()


@routes.on("GET", "/label-sets")
async def list_label_sets(asking: HasAsking) -> LabelSets:
    sets = await asking.apps.prompts.label_sets()
    return LabelSets(data=[LabelSet(name=name, labels=labels) for name, labels in sets.items()])


@routes.on("PUT", "/label-sets/{name}", body_cap_bytes=SMALL_BYTES, admin=True, changes=True)
async def set_label_set(asking: HasAsking, name: OfPath, body: LabelSetIn) -> LabelSet:
    labels = fit_labels(body.labels)
    await asking.apps.prompts.set_labels(name, labels)
    return LabelSet(name=name, labels=labels)


@routes.on("DELETE", "/label-sets/{name}", admin=True, changes=True)
async def delete_label_set(asking: HasAsking, name: OfPath) -> Deleted:
    if not await asking.apps.prompts.remove_labels(name):
        raise NotFound("There is no such set of labels.", code="unknown_set")
    return Deleted(id=name)


def _shown(found: Classified, several: bool) -> LabelOut:
    if not several:
        return LabelOut(category=found.category, confidence=found.confidence)
    labels = [LabelOut(category=category, confidence=confidence) for category, confidence in found.labels]
    return LabelsOut(category=found.category, confidence=found.confidence, labels=labels)
