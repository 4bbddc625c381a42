"""How many tokens a text, a conversation or a request body is, counted offline (R37).

A `Count` says whether it is exact. Exact: plain text (and messages of plain text) of a model
whose encoding OpenAI has published. Estimated, and tagged so: every other model, images,
audio, tool definitions, whose tokens only the provider knows. Nothing here raises.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from doorward.providers import encodings
from doorward.providers.encodings import encoding_for

__all__ = ["Count", "beginning", "count_input", "count_messages", "count_text", "counts", "encoding_for", "pieces"]

_log = logging.getLogger(__name__)

SLICE_CHARS = 100_000
"""A million spaces make tiktoken's regex engine panic: text is counted in slices of at most this size."""
PER_MESSAGE, PER_NAME, PRIMING = 3, 1, 3
"""OpenAI's documented overhead of chat messages, in tokens."""
IMAGE_LOW, IMAGE_HIGH = 85, 765
"""Tokens of an image at `detail: low`, and of a 1024 × 1024 one at high detail."""
PER_FILE, PER_TOOL = 1000, 8
"""Assumed tokens of an attached file, and of what surrounds a tool's definition."""

_WORD = re.compile(r"\s*\S+|\s+$")
# Between a letter and one of these marks no encoding's pattern can match across, and nothing
# in the patterns looks back: counting both sides apart gives the same tokens.
_SEAM = re.compile(r"""(?<=[^\W\d_])(?=[\s.,;:!?()\[\]{}"<>/\\|@#$%&*+=~\-。，、！？：；（）「」—])""")


@dataclass(frozen=True, slots=True)
class Count:
    tokens: int
    exact: bool
    """`False`: an honest estimate; the provider's own count may differ by some per cent."""

    def __add__(self, other: Count) -> Count:
        return Count(self.tokens + other.tokens, self.exact and other.exact)


NOTHING = Count(0, True)


def count_text(text: str, model: str) -> Count:
    """Tokens of a plain text. Special tokens spelled in it count as text."""
    return sum(counts(text, model), NOTHING)


def counts(text: str, model: str) -> Iterator[Count]:
    """The same in parts, whose sum is the count: for who may want to stop in a text of megabytes."""
    if not text:
        return
    name = encoding_for(model)
    if name is None:
        yield _estimate(text)
        return
    for part, clean in _slices(text):
        ids = _encode(name, part)
        yield Count(len(ids), clean) if ids is not None else _estimate(part)


def beginning(text: str, model: str, most: int) -> tuple[int, int]:
    """How many characters fit into so many tokens, and how many tokens they are at most. For at most `SLICE_CHARS`."""
    name = encoding_for(model) or "o200k_base"
    ids, encoding = _encode(name, text), encodings.load(name)
    if ids is None or encoding is None:
        chars = tokens = 0
        for found in _WORD.finditer(text):
            size = _estimate(found[0]).tokens
            if tokens + size > most:
                break
            chars, tokens = found.end(), tokens + size
        return chars, tokens
    if len(ids) <= most:
        return len(text), len(ids)
    # the last token may end inside a character, which then does not fit
    return len(encoding.decode_bytes(ids[: max(0, most)]).decode("utf-8", "ignore")), max(0, most)


def count_messages(messages: Iterable[Any], model: str, tools: Any = None) -> Count:
    """Tokens of a chat prompt: its messages, OpenAI's overhead for each, and the tools' definitions."""
    total = Count(PRIMING, True)
    for message in messages:
        total += Count(PER_MESSAGE, True)
        if isinstance(message, Mapping):
            total += _message(message, model)
    return total + _tools(tools, model)


def count_input(kind: str, body: Mapping[str, Any], model: str) -> Count:
    """Input tokens of a request body; `kind` is `wire.endpoints.Endpoint.kind`."""
    match kind:
        case "chat":
            messages = body.get("messages")
            counted = count_messages(messages if isinstance(messages, list) else [], model, body.get("tools"))
            return counted + _tools(body.get("response_format"), model)
        case "responses":
            return _responses(body, model)
        case "completion":
            return _token_input(body.get("prompt"), model) + _token_input(body.get("suffix"), model)
        case "embedding" | "moderation":
            return _token_input(body.get("input"), model)
        case "image":
            return _token_input(body.get("prompt"), model)
        case "speech":
            return _token_input(body.get("input"), model) + _token_input(body.get("instructions"), model)
        case _:
            return Count(0, False)


def pieces(text: str, model: str) -> list[tuple[str, int]]:
    """The text cut after its tokens: (piece, tokens). A character of several tokens stays whole."""
    name = encoding_for(model) or "o200k_base"
    out: list[tuple[str, int]] = []
    for part, _ in _slices(text):
        ids = _encode(name, part)
        encoding = encodings.load(name)
        if ids is None or encoding is None:
            out += [(word, _estimate(word).tokens) for word in _WORD.findall(part)]
            continue
        held, tokens = b"", 0
        for one in ids:
            held, tokens = held + encoding.decode_single_token_bytes(one), tokens + 1
            try:
                out.append((held.decode(), tokens))
            except UnicodeDecodeError:
                continue
            held, tokens = b"", 0
        if tokens:
            out.append((held.decode(errors="replace"), tokens))
    return out


def _encode(name: str, part: str) -> list[int] | None:
    encoding = encodings.load(name)
    if encoding is None:
        return None
    try:
        return encoding.encode_ordinary(part)
    except Exception as error:  # noqa: BLE001 - a count must never end a call; the estimate is tagged
        _log.warning("counting %d characters failed (%s): estimated", len(part), type(error).__name__)
        return None
    except BaseException as error:
        # A panic of the Rust core is a BaseException outside Exception, so that it cannot be missed.
        if type(error).__name__ != "PanicException":
            raise
        _log.warning("counting %d characters panicked: estimated", len(part))
        return None


def _slices(text: str) -> Iterator[tuple[str, bool]]:
    """(slice of at most `SLICE_CHARS`, whether it ends where counting apart changes nothing)."""
    start = 0
    while len(text) - start > SLICE_CHARS:
        limit = start + SLICE_CHARS
        seam = None
        for window in (256, 4096, SLICE_CHARS // 2):
            for found in _SEAM.finditer(text, limit - window, limit):
                seam = found.start()
            if seam is not None:
                break
        yield text[start : seam or limit], seam is not None
        start = seam or limit
    yield text[start:], True


def _estimate(text: str) -> Count:
    """3.6 ASCII characters a token, and 2.5 UTF-8 bytes of other scripts: mid-way between today's tokenizers."""
    size = len(text.encode("utf-8", "surrogatepass"))
    plain = len(text) if text.isascii() else sum(character < "\x80" for character in text)
    return Count(max(1, round(plain / 3.6 + (size - plain) / 2.5)), False)


def _message(message: Mapping[str, Any], model: str) -> Count:
    total = NOTHING
    for key, value in message.items():
        match key, value:
            case "content", list():
                for part in value:
                    total += _part(part, model)
            case "tool_calls", list():
                total += Count(count_text(_json(value), model).tokens, False)
            case "name", str():
                total += count_text(value, model) + Count(PER_NAME, True)
            case (("role" | "content" | "refusal" | "tool_call_id"), str()):
                total += count_text(value, model)
            case _:
                continue
    return total


def _part(part: Any, model: str) -> Count:
    """A content part of chat or of responses."""
    if not isinstance(part, Mapping):
        return count_text(part, model) if isinstance(part, str) else NOTHING
    if isinstance(text := part.get("text") or part.get("refusal"), str):
        return count_text(text, model)
    match part.get("type"):
        case "image_url" | "input_image":
            image = part.get("image_url")
            detail = image.get("detail") if isinstance(image, Mapping) else part.get("detail")
            return Count(IMAGE_LOW if detail == "low" else IMAGE_HIGH, False)
        case "input_audio":
            # 10 tokens a second; 16 kB/s is a middling bit rate, in base64 4 characters for 3 bytes
            audio = part.get("input_audio")
            data = audio.get("data") if isinstance(audio, Mapping) else None
            return Count(len(data) * 3 // 4 * 10 // 16_000 + 1 if isinstance(data, str) else 1, False)
        case "file" | "input_file":
            return Count(PER_FILE, False)
        case _:
            return NOTHING


def _tools(tools: Any, model: str) -> Count:
    """Tool definitions and output schemas: how a provider writes them into the prompt is not published."""
    if not tools:
        return NOTHING
    each = len(tools) if isinstance(tools, list) else 1
    return Count(count_text(_json(tools), model).tokens + PER_TOOL * each, False)


def _responses(body: Mapping[str, Any], model: str) -> Count:
    total = Count(PRIMING, True) + _tools(body.get("tools"), model) + _tools(body.get("text"), model)
    if isinstance(instructions := body.get("instructions"), str) and instructions:
        total += count_messages([{"role": "developer", "content": instructions}], model) + Count(-PRIMING, True)
    items = body.get("input")
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    for item in items if isinstance(items, list) else []:
        if isinstance(item, Mapping) and "role" in item:
            total += _message({k: v for k, v in item.items() if k in ("role", "content")}, model) + Count(PER_MESSAGE, True)
        else:
            total += Count(count_text(_json(item), model).tokens + PER_MESSAGE, False)
    if body.get("previous_response_id") or body.get("conversation") or body.get("prompt"):
        # What the provider adds from its own store is not in the body.
        total += Count(0, False)
    return total


def _token_input(value: Any, model: str) -> Count:
    """A text, a list of texts, a list of token ids, or a list of those."""
    if isinstance(value, str):
        return count_text(value, model)
    if not isinstance(value, Sequence):
        return NOTHING
    total = NOTHING
    for one in value:
        if isinstance(one, int):
            total += Count(1, True)
        elif isinstance(one, Mapping):
            total += _part(one, model)
        else:
            total += _token_input(one, model)
    return total


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
