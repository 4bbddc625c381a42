"""Multipart bodies: find the few fields that we read while the bytes pass, and set the model by splicing.

Nothing is held but a field that we read (64 KiB at most) and the width of a boundary, so a 512 MiB
file costs no memory. The form is RFC 7578's; what parsers disagree about (a field without a name, a
folded header, two dispositions, an encoded field) is refused where it could make us read one model
and the upstream another.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from doorward.core.errors import BadRequest
from doorward.core.exchange import Asks, Body, MemoryBody
from doorward.wire.openai import check_model

MAX_FIELD_BYTES = 65536
MAX_PART_HEAD_BYTES = 16384
MAX_PARTS = 1000

_READ = frozenset({"model", "stream", "n", "service_tier"})

_BOUNDARY = re.compile(rb';[ \t]*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))[ \t]*(?=;|$)', re.IGNORECASE)
_PARAMETER = re.compile(rb';[ \t]*([A-Za-z*]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')


@dataclass(frozen=True, slots=True)
class Part:
    """One part; its content is bytes `start` to `end` of the body."""

    name: str
    is_file: bool
    start: int
    end: int
    value: bytes | None
    """The content of a text field that we read, else `None`."""


@dataclass(frozen=True, slots=True)
class SplicedBody:
    """`inner` with the bytes from `start` to `end` replaced; read lazily, as often as wanted."""

    inner: Body
    start: int
    end: int
    value: bytes

    @property
    def size(self) -> int:
        return self.inner.size - (self.end - self.start) + len(self.value)

    @property
    def data(self) -> bytes | None:
        whole = self.inner.data
        return None if whole is None else b"".join((whole[: self.start], self.value, whole[self.end :]))

    async def chunks(self) -> AsyncIterator[bytes]:
        position = 0
        placed = False
        async for chunk in self.inner.chunks():
            after = position + len(chunk)
            if not placed and self.start <= after:
                placed = True
                yield chunk[: self.start - position] + self.value + chunk[max(self.end - position, 0) :]
            elif not placed or position >= self.end:
                yield chunk
            elif after > self.end:
                yield chunk[self.end - position :]
            position = after


def boundary_of(content_type: bytes) -> bytes:
    """Raises `BadRequest` unless this is ``multipart/form-data`` with one boundary."""
    if content_type.split(b";")[0].strip().lower() != b"multipart/form-data":
        raise BadRequest("The content type must be multipart/form-data.", param="content-type")
    found = _BOUNDARY.findall(content_type.strip())
    if len(found) != 1:
        raise BadRequest("The multipart content type must have one `boundary`.", param="content-type")
    return bytes(found[0][0] or found[0][1])


async def read_asks(content_type: bytes, body: Body) -> Asks:
    """The form's small fields. Raises `BadRequest` for a form that is not whole."""
    texts: dict[str, str] = {}
    async for part in _parts(boundary_of(content_type), body):
        if part.name not in _READ:
            continue
        if part.name in texts:
            raise BadRequest(f"The form has `{part.name}` twice; send it once.", param=part.name)
        if part.is_file:
            raise BadRequest(f"`{part.name}` must be a text field of the form, not a file.", param=part.name)
        try:
            texts[part.name] = (part.value or b"").decode()
        except UnicodeDecodeError:
            raise BadRequest(f"`{part.name}` is not valid UTF-8.", param=part.name) from None
    model = texts.get("model")
    if model is not None:
        check_model(model)
    return Asks(model=model, stream=_boolean(texts), n=_count(texts), service_tier=texts.get("service_tier"))


async def with_model(content_type: bytes, body: Body, model: str) -> Body:
    """The form with its model replaced, or added as the first part where it names none."""
    boundary = boundary_of(content_type)
    value = model.encode()
    async for part in _parts(boundary, body):
        if part.name == "model":
            return _spliced(body, part.start, part.end, value)
    reader = _Reader(body)
    await reader.skip_past(b"\r\n--" + boundary)
    start = reader.position - len(b"--" + boundary)
    return _spliced(body, start, start, b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n' % (boundary, value))


def _spliced(body: Body, start: int, end: int, value: bytes) -> Body:
    spliced = SplicedBody(body, start, end, value)
    return spliced if (data := spliced.data) is None else MemoryBody(data)


def _boolean(texts: dict[str, str]) -> bool:
    text = texts.get("stream", "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise BadRequest("`stream` must be true or false.", param="stream")
    return text in ("true", "1")


def _count(texts: dict[str, str]) -> int:
    text = texts.get("n", "1")
    if not re.fullmatch("[0-9]{1,6}", text) or int(text) < 1:
        raise BadRequest("`n` must be an integer of at least 1.", param="n")
    return int(text)


async def _parts(boundary: bytes, body: Body) -> AsyncIterator[Part]:
    """Every part in order. `BadRequest` if the form breaks its own grammar or has no end."""
    reader = _Reader(body)
    delimiter = b"\r\n--" + boundary
    await reader.skip_past(delimiter)
    for _ in range(MAX_PARTS):
        if await reader.at_end():
            return
        name, is_file = _disposition(await reader.take_until(b"\r\n\r\n", MAX_PART_HEAD_BYTES, "a part's head"))
        start = reader.position
        wanted = name in _READ and not is_file
        value = await reader.take_until(delimiter, MAX_FIELD_BYTES, f"`{name}`") if wanted else None
        if value is None:
            await reader.skip_past(delimiter)
        yield Part(name, is_file, start, reader.position - len(delimiter), value)
    raise BadRequest(f"The form has more than {MAX_PARTS} parts.")


def _disposition(head: bytes) -> tuple[str, bool]:
    """A part's head (without the last empty line) -> name, whether it is a file."""
    dispositions = []
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not line:
            continue
        if not colon or not re.fullmatch(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name):
            raise BadRequest("The form has a part whose head is malformed.")
        if name.lower() == b"content-disposition":
            dispositions.append(value)
        elif name.lower() == b"content-transfer-encoding" and value.strip().lower() not in (b"7bit", b"8bit", b"binary"):
            raise BadRequest("The form has a part with a content-transfer-encoding; send parts as they are.")
    parameters = [(key.lower(), quoted or token) for value in dispositions for key, quoted, token in _PARAMETER.findall(value)]
    names = [value for key, value in parameters if key in (b"name", b"name*")]
    if len(dispositions) != 1 or len(names) != 1 or (b"name", names[0]) not in parameters or not names[0]:
        raise BadRequest("Every part of the form needs one content-disposition with one `name`.")
    is_file = any(key in (b"filename", b"filename*") for key, _ in parameters)
    return re.sub(rb"\\(.)", rb"\1", names[0]).decode(errors="replace"), is_file


class _Reader:
    """Bytes of a body as they come, with the position in it of the next unread one."""

    __slots__ = ("_chunks", "_held", "position")

    def __init__(self, body: Body) -> None:
        self._chunks = body.chunks()
        # The first boundary needs no line break before it; this one makes it like the others.
        self._held = bytearray(b"\r\n")
        self.position = -2

    async def _more(self) -> None:
        async for chunk in self._chunks:
            if chunk:
                self._held += chunk
                return
        raise BadRequest("The form is cut off: its closing boundary is missing.")

    def _consume(self, length: int) -> bytes:
        taken = bytes(self._held[:length])
        del self._held[:length]
        self.position += length
        return taken

    async def skip_past(self, mark: bytes) -> None:
        while (found := self._held.find(mark)) < 0:
            surplus = len(self._held) - len(mark) + 1
            if surplus > 0:
                self._drop(surplus)
            await self._more()
        self._drop(found + len(mark))

    def _drop(self, length: int) -> None:
        del self._held[:length]
        self.position += length

    async def take_until(self, mark: bytes, most: int, what: str) -> bytes:
        """The bytes before `mark`, which is consumed too."""
        search = 0
        while (found := self._held.find(mark, search)) < 0:
            if len(self._held) > most + len(mark):
                raise BadRequest(f"The form's {what} is larger than {most} bytes.")
            search = max(0, len(self._held) - len(mark) + 1)
            await self._more()
        if found > most:
            raise BadRequest(f"The form's {what} is larger than {most} bytes.")
        taken = self._consume(found)
        self._drop(len(mark))
        return taken

    async def at_end(self) -> bool:
        """After a delimiter: whether it was the closing one. Else its line is consumed."""
        while len(self._held) < 2:
            await self._more()
        if self._held.startswith(b"--"):
            return True
        line = await self.take_until(b"\r\n", 256, "boundary line")
        if line.strip(b" \t"):
            raise BadRequest("The form has a boundary line with something after the boundary.")
        return False
