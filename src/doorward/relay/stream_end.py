"""When a stream of events is complete, and what its upstream says in it beside the answer."""

from __future__ import annotations

from doorward.wire import envelope
from doorward.wire.usage import NOTHING, Heard, of_event

_CHUNKED = frozenset({"chat", "completion"})
_SAYS_ITS_END = frozenset({"chat", "completion", "responses"})


class StreamEnd:
    """When a stream of this kind is complete. Reads each event once, for the tap on it too."""

    __slots__ = ("_chunked", "_finished", "_kind", "_n", "done", "error")

    def __init__(self, kind: str, n: int) -> None:
        self._kind = kind
        self._chunked = kind in _CHUNKED
        self._n = n if self._chunked else 1
        self._finished = 0
        self.done = False
        """`[DONE]` was said."""
        self.error: envelope.UpstreamError | None = None
        """The stream's last word was an error, in OpenAI's shape."""

    def saw(self, data: bytes | None) -> Heard:
        """Take note of an event's data -> what it said; `MALFORMED`, which is not passed on."""
        if data is None:
            return NOTHING  # a comment, or a field of the protocol
        if data.strip() == b"[DONE]":
            self.done = True
            return NOTHING
        heard = of_event(self._kind, data)
        self._finished += heard.finished
        if heard.is_error:
            self.error = envelope.read_upstream(data)
        return heard

    @property
    def is_finished(self) -> bool:
        return self._chunked and self._finished >= self._n

    @property
    def complete(self) -> bool:
        if self._kind in _SAYS_ITS_END:
            return self.done or self._finished >= self._n
        return True  # other kinds have no end of their own: the transport's clean end is theirs

    @property
    def owes_done(self) -> bool:
        return self._chunked and not self.done
