"""A large request body that goes on while it arrives: never whole in memory, never on disk.

The upstream sets the pace: the next piece is taken from the client only when the last one has left, and
the server stops reading the client's socket meanwhile. It can be read once, so it is never sent again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from doorward.edge.body import Receive


class IncomingBody:
    """Implements `core.exchange.Body` for one reading. `size` is what the client announced, and the server holds it to it."""

    data = None

    def __init__(self, receive: Receive, size: int) -> None:
        self.size = size
        self._receive = receive
        self._begun = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises `OSError` when the client leaves, or when somebody asks a second time."""
        if self._begun:
            raise OSError("this body went on as it came and cannot be read again")
        self._begun = True
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client left before its body was whole")
            if piece := message.get("body", b""):
                yield piece
            more = message.get("more_body", False)
