"""`POST /v1/moderations`: flagged by a short list of plain words."""

from __future__ import annotations

import re

from doorward.simulator.call import Answer, Call, Json, as_json, invalid, missing

CATEGORIES: dict[str, re.Pattern[str] | None] = {
    "harassment": re.compile(r"\b(idiot|stupid person|shut up)\b", re.I),
    "harassment/threatening": re.compile(r"\bi('| wi)ll (hurt|kill) you\b", re.I),
    "hate": re.compile(r"\bi hate (all|those) people\b", re.I),
    "hate/threatening": None,
    "illicit": re.compile(r"\b(steal|shoplift|counterfeit)\b", re.I),
    "illicit/violent": re.compile(r"\b(build|make) a bomb\b", re.I),
    "self-harm": re.compile(r"\b(hurt|harm|kill) myself\b", re.I),
    "self-harm/intent": re.compile(r"\bwant to (hurt|harm|kill) myself\b", re.I),
    "self-harm/instructions": None,
    "sexual": re.compile(r"\bporn\w*\b", re.I),
    "sexual/minors": None,
    "violence": re.compile(r"\b(kill|murder|stab|shoot|bomb)\b", re.I),
    "violence/graphic": re.compile(r"\b(gore|dismember\w*)\b", re.I),
}
WITH_IMAGES = {"self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic"}


def create(call: Call) -> Answer:
    body = call.json()
    given = body.get("input")
    if given is None:
        raise missing("input")
    listed = given if isinstance(given, list) else [given]
    if not listed or not all(isinstance(one, str | dict) for one in listed):
        raise invalid("input", "send a text, texts, or parts with a type.", "invalid_type")
    parts = isinstance(listed[0], dict)
    # Parts are one thing to judge together, texts one each.
    texts = [" ".join(str(one.get("text", "")) for one in listed if isinstance(one, dict))] if parts else listed
    results = [_judged(str(text), images=parts) for text in texts]
    return as_json({"id": f"modr-{call.digest()[:28]}", "model": body.get("model") or "omni-moderation-latest", "results": results})


def _judged(text: str, *, images: bool) -> Json:
    found = {name: bool(pattern and pattern.search(text)) for name, pattern in CATEGORIES.items()}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {name: 0.97 if hit else 0.0001 for name, hit in found.items()},
        "category_applied_input_types": {name: ["text", "image"] if images and name in WITH_IMAGES else ["text"] for name in found},
    }
