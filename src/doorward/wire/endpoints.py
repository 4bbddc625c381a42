"""Every `/v1` endpoint: what it is, what it bills, and whether its objects are covered.

An endpoint that is not in this table is refused: default is deny (I13). `objects` says who may
use it: ``none`` (no stored objects), ``covered`` (ids are bound to their owner), or ``later``
(403 `not_available_yet` for keys without admin scope, R18).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

Objects = Literal["none", "covered", "later"]
Bills = Literal["tokens", "images", "audio", "free", "unknown"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path template and its methods. Authentication is a client key everywhere on `/v1`."""

    template: str
    methods: frozenset[str]
    bills: Bills
    objects: Objects = "none"
    form: bool = False
    """The body is multipart: bounded by `max_file_bytes`, not `max_json_bytes`."""
    kind: str = ""
    """What its answers are made of, for the meter: chat, completion, responses, embedding, image, speech, transcript, …"""


def _e(methods: str, template: str, bills: Bills, objects: Objects = "none", *, form: bool = False, kind: str = "") -> Endpoint:
    return Endpoint(template, frozenset(methods.split()), bills, objects, form, kind)


ENDPOINTS: tuple[Endpoint, ...] = (
    _e("POST", "/v1/chat/completions", "tokens", kind="chat"),
    _e("GET", "/v1/chat/completions", "unknown", "later", kind="later"),
    _e("POST", "/v1/completions", "tokens", kind="completion"),
    _e("POST", "/v1/embeddings", "tokens", kind="embedding"),
    _e("POST", "/v1/moderations", "free", kind="moderation"),
    _e("POST", "/v1/images/generations", "images", kind="image"),
    _e("POST", "/v1/images/edits", "images", form=True, kind="image"),
    _e("POST", "/v1/images/variations", "images", form=True, kind="image"),
    _e("POST", "/v1/audio/speech", "audio", kind="speech"),
    _e("POST", "/v1/audio/transcriptions", "audio", form=True, kind="transcript"),
    _e("POST", "/v1/audio/translations", "audio", form=True, kind="transcript"),
    _e("GET", "/v1/models", "free", kind="models"),
    _e("GET", "/v1/models/{model}", "free", kind="models"),
    _e("DELETE", "/v1/models/{model}", "free", "later", kind="models"),
    _e("GET", "/v1/files", "free", "covered", kind="file"),
    _e("POST", "/v1/files", "free", "covered", form=True, kind="file"),
    _e("GET DELETE", "/v1/files/{file_id}", "free", "covered", kind="file"),
    _e("GET", "/v1/files/{file_id}/content", "free", "covered", kind="file"),
    _e("POST", "/v1/responses", "tokens", "covered", kind="responses"),
    _e("GET DELETE", "/v1/responses/{response_id}", "free", "covered", kind="responses"),
    _e("POST", "/v1/responses/{response_id}/cancel", "free", "covered", kind="responses"),
    _e("GET", "/v1/responses/{response_id}/input_items", "free", "covered", kind="responses"),
    _e("POST", "/v1/responses/input_tokens", "free", kind="responses"),
)

# Families whose objects are not covered yet: relayed for admin keys, refused for the rest.
LATER = (
    "chat/completions",
    "conversations",
    "batches",
    "uploads",
    "vector_stores",
    "fine_tuning",
    "evals",
    "containers",
    "videos",
    "assistants",
    "threads",
    "realtime",
    "responses",
    "audio/voices",
    "chatkit",
    "skills",
)

_ALL_METHODS = frozenset({"GET", "POST", "DELETE", "PUT", "PATCH", "HEAD"})
_LATER_FAMILIES = {name: Endpoint(f"/v1/{name}/…", _ALL_METHODS, "unknown", "later", form=True, kind="later") for name in LATER}


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))


_EXACT: dict[str, list[Endpoint]] = {}
_PATTERNS: list[tuple[re.Pattern[str], Endpoint]] = []
for _endpoint in ENDPOINTS:
    if "{" in _endpoint.template:
        _PATTERNS.append((_pattern(_endpoint.template), _endpoint))
    else:
        _EXACT.setdefault(_endpoint.template, []).append(_endpoint)


class Match(msgspec.Struct, frozen=True):
    """`endpoint` is `None` for an unknown path; `allowed` lists the path's methods for a 405."""

    endpoint: Endpoint | None
    ids: dict[str, str]
    allowed: frozenset[str] = frozenset()


_NOTHING: dict[str, str] = {}


def match(method: str, path: str) -> Match:
    """Find the endpoint of a request path (decoded, without query)."""
    candidates = _EXACT.get(path)
    if candidates is not None:
        for endpoint in candidates:
            if method in endpoint.methods:
                return Match(endpoint, _NOTHING)
        return Match(None, _NOTHING, frozenset().union(*(e.methods for e in candidates)))
    allowed: frozenset[str] = frozenset()
    for pattern, endpoint in _PATTERNS:
        if found := pattern.fullmatch(path):
            if method in endpoint.methods:
                return Match(endpoint, found.groupdict())
            allowed |= endpoint.methods
    if allowed:
        return Match(None, _NOTHING, allowed)
    for name, endpoint in _LATER_FAMILIES.items():
        if path == f"/v1/{name}" or path.startswith(f"/v1/{name}/"):
            return Match(endpoint, _NOTHING)
    return Match(None, _NOTHING)
