"""The events of a streamed response, in the order and with the numbers that OpenAI sends."""

from __future__ import annotations

from collections.abc import Iterator

from doorward.simulator.call import Frame, Json, event
from doorward.simulator.limits import Cut
from doorward.simulator.shelf import StoredResponse

Made = list[tuple[Json, Cut]]
"""(output item, the pieces of its text or arguments)."""


def events(stored: StoredResponse, made: Made) -> Iterator[Frame]:
    """From `response.created` to `response.completed`. Until its end the stored response is in progress, then as it ended."""
    whole = stored.shown
    begun = {**whole, "status": "in_progress", "completed_at": None, "output": [], "usage": None, "incomplete_details": None}
    stored.shown = begun
    numbered = _Numbered()
    try:
        yield numbered("response.created", response=begun), 0
        yield numbered("response.in_progress", response=begun), 0
        for index, (item, written) in enumerate(made):
            if item["type"] == "message":
                yield from _message(numbered, index, item, written)
            else:
                yield from _tool_call(numbered, index, item, written)
        stored.shown = whole
        yield numbered(f"response.{whole['status']}", response=whole), 0
    finally:
        if stored.shown is begun:
            stored.shown = {**begun, "status": "cancelled"}


class _Numbered:
    """Writes events, numbering them."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, kind: str, **fields: object) -> bytes:
        written = event({"type": kind, "sequence_number": self._next, **fields}, kind)
        self._next += 1
        return written


def _message(numbered: _Numbered, index: int, item: Json, written: Cut) -> Iterator[Frame]:
    part = item["content"][0]
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    begun = {**item, "status": "in_progress", "content": []}
    yield numbered("response.output_item.added", output_index=index, item=begun), 0
    yield numbered("response.content_part.added", **place, part={**part, "text": ""}), 0
    for piece, tokens in written.pieces:
        yield numbered("response.output_text.delta", **place, delta=piece, logprobs=[]), tokens
    yield numbered("response.output_text.done", **place, text=written.text, logprobs=[]), 0
    yield numbered("response.content_part.done", **place, part=part), 0
    yield numbered("response.output_item.done", output_index=index, item=item), 0


def _tool_call(numbered: _Numbered, index: int, item: Json, written: Cut) -> Iterator[Frame]:
    custom = item["type"] == "custom_tool_call"
    kind, text = ("response.custom_tool_call_input", "input") if custom else ("response.function_call_arguments", "arguments")
    place = {"item_id": item["id"], "output_index": index}
    yield numbered("response.output_item.added", output_index=index, item={**item, "status": "in_progress", text: ""}), 0
    for piece, tokens in written.pieces:
        yield numbered(f"{kind}.delta", **place, delta=piece), tokens
    yield numbered(f"{kind}.done", **place, **({} if custom else {"name": item["name"]}), **{text: item[text]}), 0
    yield numbered("response.output_item.done", output_index=index, item=item), 0
