"""`POST /v1/completions`: the older text API; streaming, echo, several prompts."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from doorward.core.errors import BadRequest
from doorward.providers.tokens import count_input
from doorward.simulator.answers import Turn
from doorward.simulator.call import (
    Answer,
    Call,
    Frame,
    Json,
    Streamed,
    as_json,
    counted_as,
    invalid,
    maybe,
    missing,
    wanted,
    whole_number,
)
from doorward.simulator.chat import FINGERPRINT, MAX_N, MAX_OUTPUT, check_context, spoken
from doorward.simulator.limits import Cut, check_sampling, cut, stops

DEFAULT_MAX_TOKENS = 16
MAX_PROMPTS = 2048


def create(call: Call) -> Answer:
    body = call.json()
    model = wanted(body, "model", str)
    prompts = _prompts(body)
    check_context([Turn("user", prompt) for prompt in prompts])
    check_sampling(body)
    n = whole_number(body, "n", 1, MAX_N) or 1
    most = whole_number(body, "max_tokens", 0, MAX_OUTPUT)
    tokens_in = count_input("completion", body, counted_as(model)).tokens
    written: list[Cut] = []
    for prompt in prompts:
        turns = [Turn("user", prompt)]
        for index in range(n):
            limit = DEFAULT_MAX_TOKENS if most is None else most
            written.append(cut(spoken(call, turns, body.get("seed"), index), model, stops(body), limit))
    tokens_out = sum(one.tokens for one in written)
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    echoed = [prompt if body.get("echo") is True else "" for prompt in prompts for _ in range(n)]
    head: Json = {
        "id": f"cmpl-{call.digest()[:29]}",
        "object": "text_completion",
        "created": call.created,
        "model": model,
        "system_fingerprint": FINGERPRINT,
    }
    if call.streamed:
        options = maybe(body, "stream_options", dict) or {}
        return Streamed(_stream(head, echoed, written, usage if options.get("include_usage") is True else None), tokens_in)
    head["choices"] = [
        {"text": echo + one.text, "index": index, "logprobs": None, "finish_reason": one.reason}
        for index, (echo, one) in enumerate(zip(echoed, written, strict=True))
    ]
    return as_json({**head, "usage": usage}, tokens_in=tokens_in, tokens_out=tokens_out)


def _prompts(body: Json) -> list[str]:
    """A text, texts, token ids, or lists of those; ids stand for a text that nobody can read here."""
    given = body.get("prompt")
    if given is None:
        raise missing("prompt")
    listed = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    if len(listed) > MAX_PROMPTS:
        raise invalid("prompt", f"at most {MAX_PROMPTS} prompts.", "array_above_max_length")
    prompts: list[str] = []
    for one in listed:
        if isinstance(one, str):
            prompts.append(one)
        elif isinstance(one, list) and all(isinstance(token, int) for token in one):
            prompts.append(" ".join(f"token {token}" for token in one[:50]))
        else:
            raise BadRequest("Invalid type for 'prompt': send a text or a list of texts.", param="prompt", code="invalid_type")
    return prompts


def _stream(head: Json, echoed: list[str], written: list[Cut], usage: Json | None) -> Iterator[Frame]:
    opening = b"data: " + msgspec.json.encode(head)[:-1] + b',"choices":['
    closing = b"]}\n\n" if usage is None else b'],"usage":null}\n\n'

    def choice(index: int, text: str, reason: str | None) -> bytes:
        shown = {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
        return opening + msgspec.json.encode(shown) + closing

    for index, (echo, one) in enumerate(zip(echoed, written, strict=True)):
        if echo:
            yield choice(index, echo, None), 0
        for piece, tokens in one.pieces:
            yield choice(index, piece, None), tokens
        yield choice(index, "", one.reason), 0
    if usage is not None:
        yield opening + b'],"usage":' + msgspec.json.encode(usage) + b"}\n\n", 0
