"""`/v1/responses`: create (whole, streamed or in the background), get, cancel, delete, input items, input tokens."""

from __future__ import annotations

from typing import Any

import msgspec

from doorward.core.errors import BadRequest
from doorward.providers.tokens import count_input
from doorward.simulator import answers, tools
from doorward.simulator.answers import Turn
from doorward.simulator.call import Answer, Call, Json, Streamed, as_json, counted_as, maybe, missing, wanted, whole_number
from doorward.simulator.chat import MAX_OUTPUT, check_context, content_text, spoken
from doorward.simulator.limits import Cut, check_sampling, cut
from doorward.simulator.response_events import Made, events
from doorward.simulator.schema import instance
from doorward.simulator.shelf import StoredResponse

BACKGROUND_TOKENS_PER_S = 40
"""How fast a background response seems to be made."""
_ECHOED: Json = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def create(call: Call) -> Answer:
    body = call.json()
    model = wanted(body, "model", str)
    items, before = _input(body), _before(call, body)
    most = whole_number(body, "max_output_tokens", 1, MAX_OUTPUT)
    turns = _turns([*before, *items], maybe(body, "instructions", str))
    check_context(turns)
    check_sampling(body)
    counted = counted_as(model)
    tokens_in = count_input("responses", {**body, "input": [*before, *items]}, counted).tokens
    response_id = call.shelf.new_id("resp_")
    made = _made(call, body, turns, most, response_id[5:])
    tokens_out = sum(written.tokens for _, written in made)
    short = any(written.reason == "length" for _, written in made)
    shown: Json = {
        "id": response_id,
        "object": "response",
        "created_at": call.created,
        "completed_at": None if short else call.created,
        "status": "incomplete" if short else "completed",
        "background": body.get("background") is True,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if short else None,
        "model": model,
        "output": [item for item, _ in made],
        **{name: body[name] if body.get(name) is not None else default for name, default in _ECHOED.items()},
        "usage": {
            "input_tokens": tokens_in,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": tokens_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens_in + tokens_out,
        },
    }
    stored = StoredResponse(shown, items, before)
    if body.get("store") is not False:
        call.shelf.keep_response(shown["id"], stored)
    if call.streamed:
        return Streamed(events(stored, made), tokens_in, end=b"")
    if shown["background"]:
        stored.ready_at = call.created + tokens_out / BACKGROUND_TOKENS_PER_S
        return as_json(_as_of(stored, call.created), tokens_in=tokens_in, tokens_out=tokens_out)
    return as_json(shown, tokens_in=tokens_in, tokens_out=tokens_out)


def get(call: Call) -> Answer:
    return as_json(_as_of(call.shelf.response(call.ids[0]), call.created))


def delete(call: Call) -> Answer:
    call.shelf.response(call.ids[0])
    del call.shelf.responses[call.ids[0]]
    return as_json({"id": call.ids[0], "object": "response", "deleted": True})


def cancel(call: Call) -> Answer:
    stored = call.shelf.response(call.ids[0])
    if not stored.shown["background"]:
        raise BadRequest("Only responses created with 'background' set to true can be cancelled.", param="id")
    if stored.ready_at > call.created and stored.shown["status"] != "cancelled":
        stored.shown = {**stored.shown, "status": "cancelled", "completed_at": None, "output": [], "usage": None}
        stored.ready_at = 0.0
    return as_json(stored.shown)


def input_items(call: Call) -> Answer:
    stored = call.shelf.response(call.ids[0])
    listed: list[Json] = []
    for at, item in enumerate([*stored.turns_before, *stored.input_items]):
        content = item.get("content")
        if isinstance(content, str):
            kind = "output_text" if item.get("role") == "assistant" else "input_text"
            item = {**item, "content": [{"type": kind, "text": content}]}
        listed.append({"id": f"msg_{call.ids[0][5:]}{at:04x}", "type": "message", **item})
    if call.query.get("order") != "asc":
        listed.reverse()
    shown = listed[: max(1, min(int(call.query.get("limit", "20")) if call.query.get("limit", "20").isdecimal() else 20, 100))]
    ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {"first_id": None, "last_id": None}
    return as_json({"object": "list", "data": shown, "has_more": len(shown) < len(listed), **ends})


def input_tokens(call: Call) -> Answer:
    body = call.json()
    model = counted_as(str(body.get("model") or ""))
    counted = count_input("responses", {**body, "input": [*_before(call, body), *_input(body)]}, model)
    return as_json({"object": "response.input_tokens", "input_tokens": counted.tokens})


def _as_of(stored: StoredResponse, now: float) -> Json:
    """What a background response looks like until it is ready."""
    if stored.ready_at <= now:
        return stored.shown
    return {**stored.shown, "status": "in_progress", "completed_at": None, "output": [], "usage": None, "incomplete_details": None}


def _input(body: Json) -> list[Json]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise missing("input", " Send a text or items.")
    for at, item in enumerate(given):
        if not isinstance(item, dict) or not (isinstance(item.get("role"), str) or isinstance(item.get("type"), str)):
            message = f"Invalid type for 'input[{at}]': expected an item with a role or a type."
            raise BadRequest(message, param=f"input[{at}]", code="invalid_type")
    return given


def _before(call: Call, body: Json) -> list[Json]:
    """The conversation that `previous_response_id` stands for."""
    previous = maybe(body, "previous_response_id", str)
    if previous is None:
        return []
    stored = call.shelf.response(previous, "previous_response_id")
    return [*stored.turns_before, *stored.input_items, *stored.shown["output"]]


def _turns(items: list[Json], instructions: str | None) -> list[Turn]:
    turns = [Turn("system", instructions)] if instructions else []
    names: dict[str, str] = {}
    for at, item in enumerate(items):
        match item.get("type", "message"):
            case "message":
                turns.append(Turn(str(item.get("role")), content_text(item.get("content"), f"input[{at}].content", empty=True)))
            case "function_call" | "custom_tool_call":
                names[str(item.get("call_id"))] = str(item.get("name"))
                turns.append(Turn("assistant", "", calls=True))
            case "function_call_output" | "custom_tool_call_output":
                if item.get("call_id") not in names:
                    message = f"No tool call found for function call output with call_id {str(item.get('call_id'))[:64]}."
                    raise BadRequest(message, param="input")
                told = item.get("output")
                text = told if isinstance(told, str) else content_text(told, f"input[{at}].output", empty=True)
                turns.append(Turn("tool", text, names[str(item.get("call_id"))]))
            case _:
                continue
    return turns


def _made(call: Call, body: Json, turns: list[Turn], most: int | None, number: str) -> Made:
    """The output items, each with the pieces in which it is streamed; their ids are as new as the response's."""
    model = wanted(body, "model", str)
    made: list[tuple[Json, Cut]] = []
    for at, one in enumerate(tools.choose(body, turns)):
        own = f"{number}{at:02x}"
        kind, prefix, text = ("custom_tool_call", "ctc_", "input") if one.custom else ("function_call", "fc_", "arguments")
        item: Json = {"id": prefix + own, "type": kind, "status": "completed", "call_id": "call_" + own, "name": one.name}
        made.append(({**item, text: one.arguments}, tools.written(one, model)))
    if not made:
        written = cut(_text(call, body, turns), model, (), most)
        content: list[Any] = [{"type": "output_text", "text": written.text, "annotations": [], "logprobs": []}]
        status = "incomplete" if written.reason == "length" else "completed"
        item = {"id": f"msg_{number}", "type": "message", "status": status, "role": "assistant", "content": content}
        made.append((item, written))
    return made


def _text(call: Call, body: Json, turns: list[Turn]) -> str:
    form = maybe(maybe(body, "text", dict) or {}, "format", dict) or {}
    match form.get("type", "text"):
        case "json_schema":
            made = instance(wanted(form, "schema", dict), answers.question(turns), "text.format.schema")
            return msgspec.json.encode(made).decode()
        case "json_object":
            return msgspec.json.encode({"answer": answers.write(turns)}).decode()
        case "text":
            return spoken(call, turns, None, 0)
        case other:
            raise BadRequest(
                f"Invalid value: {str(other)[:40]!r} for 'text.format.type'.", param="text.format.type", code="invalid_value"
            )
