"""An upstream that says the caller's key wherever it can: in errors, headers, event streams, at any chunk's edge.

The model names the way: `echo-401-message`, `echo-500-headers`, `echo-stream-error`, … (`WAYS`).
"""

from __future__ import annotations

import json
from urllib.parse import quote

from tests.answers import Answer, Bill, Close, Reset, Sleep, chunk, head
from tests.scripted import Request

ERRORS = ("400", "401", "403", "404", "429", "500", "503")
PLACES = ("message", "fields", "headers", "plain", "drip", "escaped")
BROKEN = ("cut", "reset", "stream-error", "stream-cut", "stream-junk")
WAYS = (
    *(f"echo-{status}-message" for status in ERRORS),
    *(f"echo-{status}-{place}" for status in ("400", "401", "500") for place in PLACES if place != "message"),
    *(f"echo-{way}" for way in BROKEN),
)


def presented(request: Request) -> str:
    return (request.header("authorization") or "").removeprefix("Bearer ") or request.header("api-key") or ""


def echo(request: Request) -> Answer:
    key = presented(request)
    if request.method == "GET":
        return _error(401, {"error": {"message": f"The key {key} may list nothing", "code": key}}, {}, 1 << 20)
    way = request.json["model"].partition("-")[2]
    if way in BROKEN:
        return _broken(way, key)
    status, place = int(way.partition("-")[0]), way.partition("-")[2]
    headers: dict[str, str] = {}
    said: dict[str, object] = {"message": f"Incorrect API key provided: {key}. You sent {key}!", "type": "e", "code": "c"}
    if place == "fields":
        said = {"message": key, "type": key, "param": key, "code": key}
    if place == "headers":
        headers = {
            "x-request-id": key,
            "openai-organization": key,
            "openai-version": f"key={key}",
            "x-ratelimit-limit-requests": key,
            "x-ratelimit-remaining-tokens": key,
            "retry-after": key,
            "www-authenticate": f'Bearer realm="{key}"',
            "location": f"https://example.com/?key={quote(key)}",
            "set-cookie": f"key={key}",
            "x-should-retry": key,
        }
    shape: dict[str, object] = {"error": said, "key": key, "authorization": f"Bearer {key}", "url": f"/v1?k={quote(key, safe='')}"}
    if place == "plain":
        return _raw(status, f"<html>no: {key} / Bearer {key}</html>".encode(), "text/html", 1 << 20)
    if place == "escaped":
        spelled = "".join(f"\\u{ord(letter):04x}" for letter in key)
        return _raw(status, f'{{"error": {{"message": "key {spelled}"}}}}'.encode(), "application/json", 1 << 20)
    return _error(status, shape, headers, 5 if place == "drip" else 1 << 20)


def _error(status: int, shape: dict[str, object], headers: dict[str, str], pieces: int) -> Answer:
    return _raw(status, json.dumps(shape).encode(), "application/json", pieces, headers)


def _raw(status: int, body: bytes, kind: str, pieces: int, headers: dict[str, str] | None = None) -> Answer:
    """In chunks of `pieces` bytes, each in a packet of its own."""
    steps: list[object] = [head(status, {"content-type": kind, "transfer-encoding": "chunked", **(headers or {})})]
    for at in range(0, len(body), pieces):
        steps.append(chunk(body[at : at + pieces]))
        if pieces < len(body):
            steps.append(Sleep(0.001))
    return Answer((*steps, chunk(b"")))  # type: ignore[arg-type]


def _broken(way: str, key: str) -> Answer:
    if way == "reset":
        return Answer((Reset(),))
    if way == "cut":
        return Answer(
            (head(200, {"content-type": "application/json", "content-length": "900"}), f'{{"id": "{key}'.encode(), Reset())
        )
    begun = head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked", "x-request-id": key})
    first = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "Hi"}}],
    }
    hello = chunk(b"data: " + json.dumps(first).encode() + b"\n\n")
    if way == "stream-cut":
        return Answer((begun, hello, Close()), Bill(1, 1))
    if way == "stream-junk":
        return Answer((begun, hello, chunk(b"data: {junk\n\n: comment\n\n"), Close()), Bill(1, 1))
    failed = {"error": {"message": f"Invalid {key}", "type": key, "code": key}}
    event = b"data: " + json.dumps(failed).encode() + b"\n\n"
    return Answer((begun, hello, *(chunk(event[at : at + 3]) for at in range(0, len(event), 3)), chunk(b""), Close()), Bill(1, 1))
