"""What a scripted upstream can be told to do: steps, and builders for the answers that tests need most.

json_answer({...})                      a JSON answer with Content-Length
error_answer(429, "rate_limit_exceeded", headers={"retry-after": "2"})
chat_answer("Hello", input_tokens=10, output_tokens=5)
chat_stream(["Hel", "lo"])              chat chunks, finish, usage, [DONE], a chunk an event
sse_answer([{...}, "raw line"])         any events
some_answer.cut(40)                     the first 40 bytes, then a reset (`then=Close()` …)
some_answer.after(Sleep(2))             wait first
silent()                                take the request, never answer
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Reset:
    """Close with RST, at once."""


@dataclass(frozen=True)
class Close:
    """Close cleanly: everything sent, FIN; over TLS with close_notify."""


@dataclass(frozen=True)
class Cut:
    """Close without TLS's close_notify. The same as `Close` without TLS."""


@dataclass(frozen=True)
class Never:
    """Keep the connection open and silent until the client leaves."""


@dataclass(frozen=True)
class Drip:
    """Send slowly, `size` bytes every `every_s` seconds."""

    data: bytes
    every_s: float = 1.0
    size: int = 1


@dataclass(frozen=True)
class StopReading:
    """Take no more bytes from the client: its kernel's buffers fill. Its leaving is not seen any more either."""


Step = bytes | Sleep | Reset | Close | Cut | Never | Drip | StopReading


@dataclass(frozen=True)
class Bill:
    """What the upstream charges for one answer."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True)
class Answer:
    """Steps done in order. `bill` is booked when the last step is done; with `bill_first`, before the first."""

    steps: tuple[Step, ...]
    bill: Bill | None = None
    bill_first: bool = False

    @property
    def wire(self) -> bytes:
        """All bytes it sends."""
        return b"".join(step.data if isinstance(step, Drip) else step for step in self.steps if isinstance(step, bytes | Drip))

    def cut(self, at: int, then: Step = Reset()) -> Answer:
        """The first `at` bytes, then `then`; `bill` only with `bill_first`."""
        steps: list[Step] = []
        left = at
        for step in self.steps:
            if isinstance(step, bytes):
                if left <= 0:
                    break
                steps.append(step[:left])
                left -= len(step)
            else:
                steps.append(step)
        return replace(self, steps=(*steps, then), bill=self.bill if self.bill_first else None)

    def stall(self, at: int, seconds: float) -> Answer:
        """Pause after the first `at` bytes, then go on."""
        first = self.cut(at, Sleep(seconds)).steps
        return replace(self, steps=(*first, self.wire[at:]))

    def after(self, *steps: Step) -> Answer:
        return replace(self, steps=(*steps, *self.steps))

    def then(self, *steps: Step) -> Answer:
        return replace(self, steps=(*self.steps, *steps))

    def billed_first(self) -> Answer:
        """Charged even if the answer is lost."""
        return replace(self, bill_first=True)


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `b""` is the last one."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def verbatim(*steps: Step) -> Answer:
    return Answer(steps)


def silent() -> Answer:
    return Answer((Never(),))


def json_answer(
    value: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    chunked: bool = False,
    close: bool = False,
    bill: Bill | None = None,
) -> Answer:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    fields = {"content-type": "application/json", "x-request-id": "req_scripted", **(headers or {})}
    if close:
        fields["connection"] = "close"
    fields |= {"transfer-encoding": "chunked"} if chunked else {"content-length": str(len(body))}
    sent = chunk(body) + chunk(b"") if chunked else body
    return Answer((head(status, fields) + sent, *((Close(),) if close else ())), bill)


def error_answer(
    status: int, code: str | None, message: str = "scripted error", headers: Mapping[str, str] | None = None
) -> Answer:
    error = {"message": message, "type": "invalid_request_error" if status < 500 else "server_error", "param": None, "code": code}
    return json_answer({"error": error}, status, headers)


def chat_answer(
    text: str = "Hello there.", *, model: str = "gpt-4o-mini-2024-07-18", input_tokens: int = 10, output_tokens: int = 5
) -> Answer:
    value = {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1700000000,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": _usage(input_tokens, output_tokens),
    }
    return json_answer(value, bill=Bill(input_tokens, output_tokens))


def _usage(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": input_tokens + output_tokens}


@dataclass(frozen=True)
class Framing:
    """How a stream's end is told: chunked, or by closing."""

    chunked: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


def sse_answer(
    events: Sequence[Any],
    *,
    done: bool = True,
    pause_s: float = 0.0,
    framing: Framing = Framing(),
    bill: Bill | None = None,
) -> Answer:
    """A dict is an event's JSON data, a str a raw data line, bytes go out as they are."""
    fields = {"content-type": "text/event-stream", "x-request-id": "req_scripted", **framing.headers}
    if framing.chunked:
        fields["transfer-encoding"] = "chunked"
    steps: list[Step] = [head(200, fields)]
    for event in [*events, *(["[DONE]"] if done else [])]:
        raw = event if isinstance(event, bytes) else f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
        if pause_s:
            steps.append(Sleep(pause_s))
        steps.append(chunk(raw) if framing.chunked else raw)
    steps.append(chunk(b"") if framing.chunked else Close())
    return Answer(tuple(steps), bill)


def chat_stream(
    words: Sequence[str],
    *,
    model: str = "gpt-4o-mini-2024-07-18",
    input_tokens: int = 10,
    usage: bool = True,
    done: bool = True,
    pause_s: float = 0.0,
    framing: Framing = Framing(),
) -> Answer:
    """A chunk with the role, one a word (one output token each), the finish, the usage, `[DONE]`."""

    def event(choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1700000000, "model": model} | {
            "choices": choices,
            **more,
        }

    def delta(content: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return event([{"index": 0, "delta": content, "finish_reason": finish}])

    events = [delta({"role": "assistant", "content": ""}), *(delta({"content": word}) for word in words), delta({}, "stop")]
    if usage:
        events.append(event([], usage=_usage(input_tokens, len(words))))
    return sse_answer(events, done=done, pause_s=pause_s, framing=framing, bill=Bill(input_tokens, len(words)))
