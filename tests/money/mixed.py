"""Calls of every kind that is billed, and the bill of each, from what the simulator's log says that it served.

The log has tokens; what is billed by seconds, characters or pictures is known from the request itself. Rates are the
published ones, in nano-dollars a unit, written down here so that the price list is tried as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

from doorward.simulator.audio import RATE_HZ, wav
from doorward.simulator.log import Record

CHAT_IN, CHAT_OUT = 150, 600  # gpt-4o-mini
TEXT_IN, TEXT_OUT = 1_500, 2_000  # gpt-3.5-turbo-instruct
EMBEDDED = 20  # text-embedding-3-small
DRAWN_TEXT, DRAWN_IMAGE, DRAWN_OUT = 5_000, 10_000, 40_000  # gpt-image-1
SMALL_PICTURE = 16_000_000  # dall-e-2, 256x256
SPOKEN_CHARACTER = 15_000  # tts-1
HEARD_SECOND = 100_000  # whisper-1: $0.006 a minute
HEARD_IN, HEARD_OUT = 3_000, 5_000  # gpt-4o-mini-transcribe
EDITED_IMAGE_TOKENS = 323
"""What the simulator bills for the picture that an edit sends."""
BOUNDARY = "a-boundary-of-the-mixed-calls"

Bill = Callable[[Record, int], int]


@dataclass(frozen=True)
class Kind:
    path: str
    model: str
    body: Callable[[str, int], bytes]
    """(model, the call's number) -> what is sent."""
    bill: Bill
    """(what the simulator served, the call's number) -> nano-dollars."""
    streamed: bool = False
    form: bool = False

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={BOUNDARY}" if self.form else "application/json"


def _words(number: int) -> str:
    return f"Call {number}: say something nice about " + ", ".join(["the sea", "a hill", "tea", "rain", "bread"][: 1 + number % 5])


def _seconds(number: int) -> float:
    return 0.5 + number % 4


def _chat(model: str, number: int, *, streamed: bool = False, usage: bool = False) -> bytes:
    more = {"stream_options": {"include_usage": True}} if usage else {}
    messages = [{"role": "user", "content": _words(number)}]
    return json.dumps({"model": model, "messages": messages, "max_tokens": 20, "stream": streamed, **more}).encode()


def _form(fields: dict[str, str], name: str, filename: str, data: bytes) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in fields.items()
    ]
    head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'.encode()
    return b"".join([*parts, head, data, f"\r\n--{BOUNDARY}--\r\n".encode()])


def _heard(model: str, number: int) -> bytes:
    return _form({"model": model}, "file", "said.wav", wav(bytes(int(_seconds(number) * RATE_HZ) * 2)))


def _by_tokens(of_input: int, of_output: int) -> Bill:
    return lambda record, number: record.tokens_in * of_input + record.tokens_out * of_output


def _edited(record: Record, number: int) -> int:
    text = record.tokens_in - EDITED_IMAGE_TOKENS
    return text * DRAWN_TEXT + EDITED_IMAGE_TOKENS * DRAWN_IMAGE + record.tokens_out * DRAWN_OUT


def _json(**fields: object) -> Callable[[str, int], bytes]:
    def body(model: str, number: int) -> bytes:
        named = {name: value(number) if callable(value) else value for name, value in fields.items()}
        return json.dumps({"model": model, **named}).encode()

    return body


CHAT = _by_tokens(CHAT_IN, CHAT_OUT)
KINDS = {
    "chat": Kind("/v1/chat/completions", "gpt-4o-mini", _chat, CHAT),
    "stream": Kind("/v1/chat/completions", "gpt-4o-mini", lambda m, n: _chat(m, n, streamed=True), CHAT, streamed=True),
    "usage": Kind("/v1/chat/completions", "gpt-4o-mini", lambda m, n: _chat(m, n, streamed=True, usage=True), CHAT, streamed=True),
    "responses": Kind("/v1/responses", "gpt-4o-mini", _json(input=_words, max_output_tokens=20, store=False), CHAT),
    "events": Kind(
        "/v1/responses", "gpt-4o-mini", _json(input=_words, max_output_tokens=20, store=False, stream=True), CHAT, streamed=True
    ),
    "completion": Kind(
        "/v1/completions", "gpt-3.5-turbo-instruct", _json(prompt=_words, max_tokens=12), _by_tokens(TEXT_IN, TEXT_OUT)
    ),
    "embedding": Kind(
        "/v1/embeddings", "text-embedding-3-small", _json(input=_words, dimensions=64), _by_tokens(EMBEDDED, 0)
    ),
    "drawing": Kind(
        "/v1/images/generations", "gpt-image-1", _json(prompt=_words, size="64x64", quality="low"),
        _by_tokens(DRAWN_TEXT, DRAWN_OUT),
    ),
    "picture": Kind(
        "/v1/images/generations", "dall-e-2", _json(prompt="a hill", size="256x256"), lambda record, number: SMALL_PICTURE
    ),
    "edit": Kind(
        "/v1/images/edits", "gpt-image-1",
        lambda m, n: _form({"model": m, "prompt": "more rain", "size": "64x64", "quality": "low"}, "image", "a.png", bytes(40)),
        _edited, form=True,
    ),
    "speech": Kind(
        "/v1/audio/speech", "tts-1", _json(input=_words, voice="alloy", response_format="pcm"),
        lambda record, number: len(_words(number)) * SPOKEN_CHARACTER,
    ),
    "recording": Kind(
        "/v1/audio/transcriptions", "whisper-1", _heard,
        lambda record, number: math.ceil(_seconds(number)) * HEARD_SECOND, form=True,
    ),
    "transcript": Kind(
        "/v1/audio/transcriptions", "gpt-4o-mini-transcribe", _heard, _by_tokens(HEARD_IN, HEARD_OUT), form=True
    ),
}  # fmt: skip
SHARES = {
    "chat": 20, "stream": 20, "usage": 8, "responses": 10, "events": 10, "completion": 5, "embedding": 10, "drawing": 4,
    "picture": 3, "edit": 2, "speech": 3, "recording": 3, "transcript": 2,
}  # fmt: skip

FAULTS = {
    "cut": "fault=cut=5",
    "reset": "fault=reset",
    "malformed": "fault=malformed",
    "nodone": "fault=no_done",
    "busy": "fault=status=503",
    "flaky": "fault=status=500*40",
    "limited": "fault=retry_after=0.05*40",
    "wrong": "fault=status=400",
    "late": "fault=slow_first=0.02",
    "slow": "tokens_per_s=100,tokens=40",
}
"""Provider -> what its calls tell the simulator by `x-simulate`: the gateway sends it as that provider's credential."""
