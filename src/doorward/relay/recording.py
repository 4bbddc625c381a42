"""A whole answer as bytes, so that it can be kept and given again: status, headers, chunks as they went out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from doorward.core.exchange import Header, Reply

LARGEST_BYTES = 2**20
"""Of an answer that is kept, by whoever keeps it."""


class Recording(msgspec.Struct, array_like=True):
    status: int
    headers: list[tuple[bytes, bytes]]
    chunks: list[bytes]
    streamed: bool

    def reply(self) -> Reply:
        headers: list[Header] = list(self.headers)
        return Reply(self.status, headers, self._again(), self.streamed, whole=not self.streamed)

    async def _again(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk

    def packed(self) -> bytes:
        return _encoder.encode(self)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Recording)

_OF_ONE_CALL = (b"x-request-id", b"x-doorward-", b"x-ratelimit-", b"openai-processing-ms", b"date")
"""Headers that tell of the call that was made, not of the answer."""


def recorded(reply: Reply, chunks: list[bytes]) -> Recording:
    """Comments told a client to wait; one that gets the answer again does not."""
    kept = [chunk for chunk in chunks if not chunk.startswith(b":")] if reply.streamed else chunks
    return Recording(reply.status, kept_headers(reply.headers), kept, reply.streamed)


def kept_headers(headers: list[Header]) -> list[Header]:
    return [item for item in headers if not item[0].startswith(_OF_ONE_CALL)]


def unpacked(data: bytes) -> Recording | None:
    """`None` for what another version wrote."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
