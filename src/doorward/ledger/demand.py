"""What a request's body asks for, as far as it can cost money. Pure; reads only the fields that bound a bill.

Text never has more tokens than UTF-8 bytes, and a body's bytes are at least its texts'. What the
body only names (a stored response, a file, an image's URL) is not in it: then the model's whole
window may be read. Fields that leave the cost open are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from doorward.core.errors import CostUnbounded
from doorward.core.exchange import Exchange
from doorward.wire.endpoints import Endpoint, match

FORM_IMAGES = 16
"""Most input images of one edit."""
LEGACY_OUTPUT = 16
"""Tokens that `/v1/completions` writes when the body sets no limit."""


class Demand(Struct, gc=False):
    """Units that bound one call. `by_reference` names the field whose content is not in the body."""

    kind: str
    input_bytes: int
    n: int = 1
    output_limit: int | None = None
    extra_output: int = 0
    """Output tokens that come on top of the limit: rejected predictions."""
    by_reference: str | None = None
    images: int = 0
    hears: bool = False
    speaks: bool = False
    tools: tuple[str, ...] = ()
    """Types of the tools in the body."""
    max_tool_calls: int | None = None
    searches: bool = False
    size: str | None = None
    quality: str | None = None
    service_tier: str | None = None
    countable: bool = False
    """The input is plain text in the body: an exact count can lower the bound."""


class _ImageUrl(Struct, gc=False):
    url: str = ""


class _Part(Struct, gc=False):
    type: str = ""
    image_url: _ImageUrl | str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file: Raw | UnsetType = UNSET
    file_data: Raw | UnsetType = UNSET


class _Tool(Struct, gc=False):
    type: str = "function"


_Content = str | list[_Part] | _Part | bool | int | float | None
"""Text, parts, or one part alone as a computer's screenshot; a number is no content and costs nothing but its bytes."""


class _Item(Struct, gc=False):
    """A chat message, or an input item of `/v1/responses`."""

    type: str = "message"
    content: _Content = None
    output: _Content = None
    audio: Raw | UnsetType = UNSET


class _Chat(Struct, gc=False):
    messages: list[_Item] = []
    tools: list[_Tool] | None = None
    modalities: list[str] | None = None
    web_search_options: Raw | UnsetType = UNSET
    prediction: Raw | UnsetType = UNSET


class _Completion(Struct):
    prompt: Raw | UnsetType = UNSET
    best_of: int | None = None


class _Responses(Struct):
    input: Raw | UnsetType = UNSET
    tools: list[_Tool] | None = None
    max_tool_calls: int | None = None
    prompt: Raw | UnsetType = UNSET
    conversation: Raw | UnsetType = UNSET
    background: bool | None = None


class _Image(Struct):
    size: str | None = None
    quality: str | None = None
    images: Raw | UnsetType = UNSET
    partial_images: int | None = None


_LIST = ord("[")

_decode_chat = msgspec.json.Decoder(_Chat).decode
_decode_completion = msgspec.json.Decoder(_Completion).decode
_decode_responses = msgspec.json.Decoder(_Responses).decode
_decode_image = msgspec.json.Decoder(_Image).decode
_decode_items = msgspec.json.Decoder(list[_Item]).decode


async def whole(exchange: Exchange) -> bytes:
    """A spooled JSON body; of a spooled form nothing: its fields were read while it came in."""
    if endpoint_of(exchange).form:
        return b""
    return b"".join([chunk async for chunk in exchange.body.chunks()])


def endpoint_of(exchange: Exchange) -> Endpoint:
    found = _endpoint(exchange.method, exchange.path)
    if found is None:
        raise CostUnbounded("The cost of this path has no bound.", param="path")
    return found


@lru_cache(maxsize=512)  # of paths that may name an object
def _endpoint(method: str, path: str) -> Endpoint | None:
    return match(method, path).endpoint


def read(kind: str, exchange: Exchange, body: bytes, *, form: bool = False) -> Demand:
    """`body`: the whole JSON body, or what of a form is in memory. Raises `CostUnbounded`, naming the field."""
    asks = exchange.asks
    demand = Demand(kind, exchange.body.size, asks.n, asks.max_output_tokens, service_tier=asks.service_tier)
    if asks.previous_response_id is not None:
        demand.by_reference = "previous_response_id"
    try:
        if form:
            _form(demand, body)
        elif kind == "chat":
            _chat(demand, _decode_chat(body))
        elif kind == "responses":
            _responses(demand, _decode_responses(body))
        elif kind == "completion":
            _completion(demand, _decode_completion(body))
        elif kind == "image":
            _image(demand, _decode_image(body))
        else:
            demand.countable = kind == "embedding"
    except msgspec.MsgspecError as error:
        # another parser might read this body otherwise: nothing in it can be a bound
        raise CostUnbounded("The body is not of the documented form, so its cost has no bound.", param=_field(error)) from None
    return demand


def _chat(demand: Demand, body: _Chat) -> None:
    _items(demand, body.messages, "messages")
    if body.modalities:
        demand.speaks = "audio" in body.modalities
    if body.web_search_options is not UNSET:
        demand.searches = _given(body.web_search_options)
    if body.prediction is not UNSET and _given(body.prediction):
        demand.extra_output = len(bytes(body.prediction))
    demand.countable = demand.by_reference is None and not (demand.images or demand.hears or body.tools)


def _responses(demand: Demand, body: _Responses) -> None:
    if body.background:
        raise CostUnbounded("A response in the background is billed after the call has ended.", param="background")
    if _given(body.prompt):
        raise CostUnbounded("A stored prompt may bring tools and inputs of its own.", param="prompt")
    if _given(body.conversation):
        demand.by_reference = "conversation"
    given = body.input
    if isinstance(given, Raw) and memoryview(given)[0] == _LIST:
        _items(demand, _decode_items(given), "input")
    demand.tools = tuple(tool.type for tool in body.tools or ())
    demand.max_tool_calls = body.max_tool_calls
    demand.countable = demand.by_reference is None and not (demand.images or demand.hears or body.tools)


def _items(demand: Demand, items: Iterable[_Item], field: str) -> None:
    for item in items:
        if item.type == "item_reference" or (item.audio is not UNSET and _given(item.audio)):
            demand.by_reference = demand.by_reference or field
        if not isinstance(item.content, str):
            _content(demand, item.content, field)
        if item.output is not None:
            _content(demand, item.output, field)


def _content(demand: Demand, content: _Content, field: str) -> None:
    if isinstance(content, list):
        for part in content:
            _part(demand, part, field)
    elif isinstance(content, _Part):
        _part(demand, content, field)


def _part(demand: Demand, part: _Part, field: str) -> None:
    if part.image_url is not None:
        url = part.image_url if isinstance(part.image_url, str) else part.image_url.url
        demand.images += 1
        if not url.startswith("data:"):
            demand.by_reference = demand.by_reference or f"{field}.image_url"
    elif part.type == "input_audio":
        demand.hears = True
    if part.file_id or part.file_url or _given(part.file) or _given(part.file_data):
        # a document's pages are read as text and as images: its bytes say nothing about either
        demand.by_reference = demand.by_reference or f"{field}.file"
        demand.images += 1


def _completion(demand: Demand, body: _Completion) -> None:
    prompts = 1
    if isinstance(body.prompt, Raw) and memoryview(body.prompt)[0] == _LIST:
        given: list[Any] = msgspec.json.decode(body.prompt)
        prompts = 1 if given and isinstance(given[0], int) else max(1, len(given))
    demand.n = max(demand.n, body.best_of or 1) * prompts
    demand.output_limit = LEGACY_OUTPUT if demand.output_limit is None else demand.output_limit
    demand.countable = True


def _image(demand: Demand, body: _Image) -> None:
    demand.size, demand.quality = body.size, body.quality
    demand.extra_output = 100 * (body.partial_images or 0)  # tokens; documented price of a preview
    if _given(body.images):
        demand.images = FORM_IMAGES


def _form(demand: Demand, body: bytes) -> None:
    """A form's small fields are read by `wire.multipart`; its size and quality are left open, so the dearest count."""
    if demand.kind == "image":
        demand.images = min(FORM_IMAGES, body.count(b"filename") or FORM_IMAGES)


def _given(value: Raw | UnsetType) -> bool:
    return isinstance(value, Raw) and bytes(value) not in (b"null", b"")


def _field(error: Exception) -> str:
    """The place that msgspec names, ``$.messages[...].content`` -> ``messages``."""
    place = str(error).rpartition("$.")[2].strip("`")
    return place.split("[")[0].split(".")[0] if "$." in str(error) else "body"
