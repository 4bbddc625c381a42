"""What was said in one call, gathered while it passes: the request's text and the answer's, each up to a bound."""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator

import msgspec

from doorward.core.exchange import Exchange, Headers, Reply, header
from doorward.relay.usage_tap import StreamListener
from doorward.wire.endpoints import Endpoint
from doorward.wire.scrub import scrub

MOST_BYTES = 256 * 1024
"""Of a request, and of an answer."""


class Said(msgspec.Struct, array_like=True):
    """What is sealed. Of a stream `answer` is the text of its deltas, else the body as it was."""

    request: str
    answer: str


class ContentPage:
    """Gathers; `cut` says that there was more than is kept."""

    __slots__ = ("_answer", "_endpoint", "_error", "_note", "_request", "_room", "_stream", "call_id", "cut", "has_answer")

    def __init__(self, call_id: str, endpoint: Endpoint) -> None:
        self.call_id = call_id
        self.cut = False
        self.has_answer = False
        self._endpoint = endpoint
        self._request = ""
        self._answer: list[bytes] = []
        self._room = MOST_BYTES
        self._stream: StreamListener | None = None
        self._note = ""
        self._error = False

    async def hears(self, exchange: Exchange) -> None:
        """Keep the request. A large one lies in a file and can be read again; only its beginning is."""
        if (note := _not_text(exchange.headers, exchange.body.size)) is not None:
            self._request = note
            return
        data = exchange.body.data
        if data is None:
            held = bytearray()
            async for piece in exchange.body.chunks():
                held += piece
                if len(held) > MOST_BYTES:
                    break
            data = bytes(held)
        self._request = self._text(data)

    def through(self, reply: Reply) -> Reply:
        """The same answer, listened to on its way."""
        self.has_answer = True
        self._error = reply.status >= 400
        if reply.streamed:
            self._stream = StreamListener(self._endpoint.kind, hides_usage=False)
        else:
            self._note = _not_text(reply.headers, None) or ""
        reply.chunks = self._heard(reply.chunks)
        return reply

    async def _heard(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            if self._stream is not None:
                self._stream.saw(chunk)
            elif self._room > 0 and not self._note:
                self._answer.append(chunk[: self._room])
                self.cut = self.cut or len(chunk) > self._room
                self._room -= len(chunk)
            elif not self._note:
                self.cut = self.cut or bool(chunk)
            yield chunk

    def said(self) -> Said:
        """Everything, once the call is settled."""
        if self._stream is not None:
            text, beyond = self._stream.delivered()
            data = text.encode(errors="replace")
            self.cut = self.cut or beyond > 0
        else:
            data = b"".join(self._answer)
        # the door has masked keys in errors already; what is kept for weeks is looked at once more
        answer = self._text(scrub(data) if self._error else data)
        return Said(self._request, self._note or answer)

    def _text(self, data: bytes) -> str:
        """A character that the bound cuts in two is left out."""
        if len(data) > MOST_BYTES:
            self.cut = True
            data = data[:MOST_BYTES]
        return codecs.getincrementaldecoder("utf-8")("replace").decode(data)


def _not_text(headers: Headers, size: int | None) -> str | None:
    """What stands in place of sound, pictures and files: they are not kept."""
    kind = (header(headers, b"content-type") or b"application/json").split(b";")[0].strip().lower()
    if kind.startswith(b"text/") or kind.endswith(b"json") or kind == b"application/x-ndjson":
        return None
    bytes_ = "" if size is None else f", {size} bytes"
    return f"({kind.decode('latin-1')}{bytes_}: not kept)"
