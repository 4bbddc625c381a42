"""Reading a request's body: in memory up to `spool_bytes`, beyond that in an unlinked 0600 file.

Both kinds can be read again from the start, so both can be sent again where a resend is allowed (R34).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from doorward.core.errors import BodyTooLarge, Unavailable
from doorward.core.exchange import EMPTY, Body, MemoryBody

Receive = Callable[[], Awaitable[dict[str, Any]]]
_READ_BYTES = 256 * 1024
_WRITE_BYTES = 1024 * 1024


class ClientLeft(Exception):
    """The client closed before its body was complete: there is nobody to answer."""


class SpooledBody:
    """A body in a file that has no name any more: it goes with the last reference."""

    data = None

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self.size = size

    async def chunks(self) -> AsyncIterator[bytes]:
        offset = 0
        while offset < self.size:
            # pread of what was just written comes from the page cache; a thread would cost more.
            piece = os.pread(self._descriptor, _READ_BYTES, offset)
            if not piece:
                raise OSError("the spooled body is shorter than it was")
            offset += len(piece)
            yield piece

    def __del__(self) -> None:
        os.close(self._descriptor)


def _nameless(directory: Path) -> int:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    except (OSError, AttributeError):  # a file system without O_TMPFILE: make one and unlink it at once
        descriptor, name = tempfile.mkstemp(dir=directory)
        os.unlink(name)
        return descriptor


def declared_size(content_length: bytes | None) -> int | None:
    return int(content_length) if content_length is not None and content_length.isdigit() else None


async def read_body(receive: Receive, size: int | None, cap_bytes: int, spool_bytes: int, spool_dir: Path) -> Body:
    """`size`: as declared. Raises `BodyTooLarge` as soon as it is certain, `ClientLeft`, `Unavailable` when the disk refuses."""
    if size is not None and size > cap_bytes:
        raise _too_large(cap_bytes)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeft
    first: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(first) > cap_bytes:
            raise _too_large(cap_bytes)
        return MemoryBody(first) if first else EMPTY
    held = bytearray(first)
    while True:
        if len(held) > cap_bytes:
            raise _too_large(cap_bytes)
        if len(held) > spool_bytes:
            return await _spool(receive, held, cap_bytes, spool_dir)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        held += message.get("body", b"")
        if not message.get("more_body"):
            if len(held) > cap_bytes:
                raise _too_large(cap_bytes)
            return MemoryBody(bytes(held))


async def _spool(receive: Receive, held: bytearray, cap_bytes: int, spool_dir: Path) -> SpooledBody:
    try:
        descriptor = await asyncio.to_thread(_nameless, spool_dir)
    except OSError as cause:
        raise Unavailable("Doorward cannot write to its data directory: large bodies cannot be taken now.") from cause
    body = SpooledBody(descriptor, 0)
    more = True
    while True:
        if len(held) >= _WRITE_BYTES or not more:
            try:
                await asyncio.to_thread(_write_all, descriptor, bytes(held))
            except OSError as cause:
                raise Unavailable("Doorward's data directory is full: large bodies cannot be taken now.") from cause
            body.size += len(held)
            held.clear()
        if body.size + len(held) > cap_bytes:
            raise _too_large(cap_bytes)
        if not more:
            return body
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        held += message.get("body", b"")
        more = message.get("more_body", False)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _too_large(cap_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {cap_bytes:,} bytes, the most this endpoint takes.")
