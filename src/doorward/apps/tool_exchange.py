"""The tool exchange within an answer: as the conversation stores it, and as a chat request sends it.

Stored, an answer's `parts` are the steps of its run, each `{"type": kind, **details}` with the shapes of `/apps/agent`;
its text is what the model said last. So an answer stays one message, and edits and retries know nothing of tools.
"""

from __future__ import annotations

from typing import Any

from doorward.store.conversations import Message
from doorward.store.runs import Step

Part = dict[str, Any]


def part_of(step: Step) -> Part | None:
    """`None`: the last answer, which is the message's own text."""
    if step.kind == "answer":
        return None
    part = {"type": step.kind, **step.details}
    if step.kind == "model" and not step.details["tool_calls"]:
        part["text"] = None
    return part


def sent(message: Message) -> list[dict[str, Any]]:
    """A stored message as the model is shown it: each tool call with its result, or not at all."""
    if message.role != "assistant" or not message.parts:
        return [{"role": message.role, "content": message.parts if message.parts is not None else message.text}]
    said = [{"role": "assistant", "content": message.text}] if message.text else []
    return rounds(message.parts) + said


def rounds(parts: list[Part], *, open_too: bool = False) -> list[dict[str, Any]]:
    """Turns that called tools, with the results. `open_too`: also the last one, whose calls wait for a person."""
    found: list[dict[str, Any]] = []
    models = [at for at, part in enumerate(parts) if part["type"] == "model" and part["tool_calls"]]
    for at, end in zip(models, [*models, len(parts)][1:], strict=True):
        results = {part["tool_call_id"]: part["result"] for part in parts[at + 1 : end] if part["type"] == "tool"}
        calls = parts[at]["tool_calls"]
        turn = {"role": "assistant", "content": parts[at]["text"], "tool_calls": [_call(call) for call in calls]}
        if all(call["tool_call_id"] in results for call in calls):
            told = [
                {"role": "tool", "tool_call_id": call["tool_call_id"], "content": results[call["tool_call_id"]]} for call in calls
            ]
            found += [turn, *told]
        elif open_too and end == len(parts):
            found.append(turn)
    return found


def waits_for(message: Message) -> list[Part]:
    """The tool calls of an answer that wait for a person's decision."""
    last = message.parts[-1] if message.role == "assistant" and message.parts else {}
    waiting: list[Part] = last["waits_for"] if last.get("type") == "approval" and "decisions" not in last else []
    return waiting


def _call(call: Part) -> dict[str, Any]:
    return {"id": call["tool_call_id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
