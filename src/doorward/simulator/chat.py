"""`POST /v1/chat/completions`: text, tools, JSON output; whole or streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from doorward.core.errors import BadRequest
from doorward.providers.tokens import count_messages
from doorward.simulator import answers, tools
from doorward.simulator.answers import Turn
from doorward.simulator.call import Answer, Call, Frame, Json, Streamed, as_json, counted_as, maybe, wanted, whole_number
from doorward.simulator.limits import Cut, check_sampling, cut, stops
from doorward.simulator.schema import instance

MAX_N, MAX_MESSAGES, MAX_OUTPUT = 128, 100_000, 1_000_000
MAX_CONTEXT_CHARS = 4_000_000
"""About a million tokens, the largest context that is sold."""
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
FINGERPRINT = "fp_doorward"
_encode = msgspec.json.encode


def create(call: Call) -> Answer:
    body = call.json()
    model = wanted(body, "model", str)
    messages = wanted(body, "messages", list)
    turns = read_turns(messages)
    check_context(turns)
    check_sampling(body)
    n = whole_number(body, "n", 1, MAX_N) or 1
    most = whole_number(body, "max_completion_tokens", 1, MAX_OUTPUT) or whole_number(body, "max_tokens", 1, MAX_OUTPUT)
    counted = counted_as(model)
    tokens_in = count_messages(messages, counted, body.get("tools")).tokens
    called = tools.choose(body, turns)
    choices: list[_Speech | _Calling] = []
    for index in range(n):
        if called:
            choices.append(_calling(called, call, index, counted))
        else:
            choices.append(_Speech(cut(_text(call, body, turns, index), model, stops(body), most)))
    head: Json = {
        "id": f"chatcmpl-{call.digest()[:29]}",
        "object": "chat.completion",
        "created": call.created,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    tokens_out = sum(choice.tokens for choice in choices)
    if call.streamed:
        options = maybe(body, "stream_options", dict) or {}
        with_usage = options.get("include_usage") is True
        return Streamed(_stream(head, choices, usage(tokens_in, tokens_out) if with_usage else None), tokens_in)
    head["choices"] = [choice.shown(index) for index, choice in enumerate(choices)]
    head["usage"] = usage(tokens_in, tokens_out)
    return as_json(head, tokens_in=tokens_in, tokens_out=tokens_out)


def usage(tokens_in: int, tokens_out: int) -> Json:
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def read_turns(messages: list[Any]) -> list[Turn]:
    """Messages as turns. Raises `BadRequest` in OpenAI's words."""
    if not messages or len(messages) > MAX_MESSAGES:
        message = f"Invalid 'messages': send at least 1 and at most {MAX_MESSAGES} of them."
        raise BadRequest(message, param="messages", code="empty_array" if not messages else "array_above_max_length")
    turns: list[Turn] = []
    names: dict[str, str] = {}
    for at, message in enumerate(messages):
        if not isinstance(message, dict):
            wrong = f"Invalid type for 'messages[{at}]': expected an object."
            raise BadRequest(wrong, param=f"messages[{at}]", code="invalid_type")
        role = message.get("role")
        if role not in ROLES:
            raise BadRequest(
                f"Invalid value for 'messages[{at}].role': supported values are {', '.join(ROLES)}.",
                param=f"messages[{at}].role",
                code="invalid_value",
            )
        made = message.get("tool_calls")
        for one in made if isinstance(made, list) else []:
            if isinstance(one, dict):
                inner = one.get(one.get("type", "function"))
                names[str(one.get("id"))] = str(inner.get("name")) if isinstance(inner, dict) else ""
        if role == "tool" and message.get("tool_call_id") not in names:
            raise BadRequest(
                f"Invalid 'messages[{at}]': a message with role 'tool' must follow a message with 'tool_calls' that has its id.",
                param=f"messages[{at}].tool_call_id",
                code="invalid_value",
            )
        text = content_text(message.get("content"), f"messages[{at}].content", empty=bool(made) or role == "assistant")
        turns.append(Turn(role, text, names.get(str(message.get("tool_call_id")), ""), bool(made)))
    return turns


def check_context(turns: list[Turn]) -> None:
    """Raises `BadRequest`, as OpenAI does, for more than any model reads."""
    if sum(len(turn.text) for turn in turns) > MAX_CONTEXT_CHARS:
        message = (
            f"This model's maximum context length is {MAX_CONTEXT_CHARS // 4} tokens. Please reduce the length of the messages."
        )
        raise BadRequest(message, param="messages", code="context_length_exceeded")


def content_text(content: object, param: str, *, empty: bool = False) -> str:
    """A content's words: a string, or the text of its parts."""
    if isinstance(content, str):
        return content
    if content is None and empty:
        return ""
    if not isinstance(content, list):
        raise BadRequest(f"Invalid type for '{param}': expected a string or an array of parts.", param=param, code="invalid_type")
    words: list[str] = []
    for at, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise BadRequest(f"Invalid type for '{param}[{at}]': expected an object with a type.", param=param, code="invalid_type")
        if isinstance(text := part.get("text"), str):
            words.append(text)
        elif part["type"] in ("image_url", "input_image"):
            words.append("(an image)")
    return "\n".join(words)


def _text(call: Call, body: Json, turns: list[Turn], index: int) -> str:
    form = maybe(body, "response_format", dict) or {}
    match form.get("type", "text"):
        case "json_schema":
            named = wanted(form, "json_schema", dict)
            wanted(named, "name", str)
            made = instance(named.get("schema") or {}, answers.question(turns), "response_format.json_schema.schema")
            return _encode(made).decode()
        case "json_object":
            if "json" not in "".join(turn.text for turn in turns).lower():
                raise BadRequest(
                    "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                    param="messages",
                )
            return _encode({"answer": answers.write(turns, body.get("seed"), index)}).decode()
        case "text":
            return spoken(call, turns, body.get("seed"), index)
        case other:
            raise BadRequest(
                f"Invalid value: {str(other)[:40]!r}. Supported values are: 'text', 'json_object', and 'json_schema'.",
                param="response_format.type",
                code="invalid_value",
            )


def spoken(call: Call, turns: list[Turn], seed: object, index: int) -> str:
    """The text answer; of the wished length where a test has set one."""
    if call.answer_tokens is None:
        return answers.write(turns, seed, index)
    return cut(answers.of_length(turns, call.answer_tokens + 2, seed, index), "sim-", (), call.answer_tokens).text


class _Speech:
    """A choice of text."""

    def __init__(self, ending: Cut) -> None:
        self.ending, self.tokens, self.reason = ending, ending.tokens, ending.reason

    def shown(self, index: int) -> Json:
        message: Json = {"role": "assistant", "content": self.ending.text, "refusal": None, "annotations": []}
        return {"index": index, "message": message, "logprobs": None, "finish_reason": self.reason}

    def deltas(self) -> Iterator[tuple[Json, int]]:
        yield {"role": "assistant", "content": "", "refusal": None}, 0
        for piece, tokens in self.ending.pieces:
            yield {"content": piece}, tokens


class _Calling:
    """A choice of tool calls; each is (what is shown, tokens)."""

    reason = "tool_calls"

    def __init__(self, calls: list[Json], pieces: list[Cut]) -> None:
        self.calls, self.pieces = calls, pieces
        self.tokens = sum(piece.tokens for piece in pieces)

    def shown(self, index: int) -> Json:
        message: Json = {"role": "assistant", "content": None, "tool_calls": self.calls, "refusal": None, "annotations": []}
        return {"index": index, "message": message, "logprobs": None, "finish_reason": self.reason}

    def deltas(self) -> Iterator[tuple[Json, int]]:
        yield {"role": "assistant", "content": None, "refusal": None}, 0
        for at, (made, written) in enumerate(zip(self.calls, self.pieces, strict=True)):
            kind, text = ("custom", "input") if made["type"] == "custom" else ("function", "arguments")
            yield {"tool_calls": [{"index": at, **made, kind: {**made[kind], text: ""}}]}, 0
            for piece, tokens in written.pieces:
                yield {"tool_calls": [{"index": at, kind: {text: piece}}]}, tokens


def _calling(called: list[tools.ToolCall], call: Call, index: int, counted: str) -> _Calling:
    shown: list[Json] = []
    written: list[Cut] = []
    for at, one in enumerate(called):
        own_id = f"call_{call.digest(index, at)[:24]}"
        kind, text = ("custom", "input") if one.custom else ("function", "arguments")
        shown.append({"id": own_id, "type": kind, kind: {"name": one.name, text: one.arguments}})
        written.append(tools.written(one, counted))
    return _Calling(shown, written)


def _stream(head: Json, choices: list[_Speech | _Calling], total: Json | None) -> Iterator[Frame]:
    """Each event is the same bytes around one delta, so they are encoded once."""
    opening = b"data: " + _encode({**head, "object": "chat.completion.chunk"})[:-1]
    closing = b"}\n\n" if total is None else b',"usage":null}\n\n'
    for index, choice in enumerate(choices):
        before = opening + b',"choices":[{"index":' + str(index).encode() + b',"delta":'
        after = b',"logprobs":null,"finish_reason":null}]' + closing
        for delta, tokens in choice.deltas():
            yield before + _encode(delta) + after, tokens
        yield before + b'{},"logprobs":null,"finish_reason":"' + choice.reason.encode() + b'"}]' + closing, 0
    if total is not None:
        yield opening + b',"choices":[],"usage":' + _encode(total) + b"}\n\n", 0
