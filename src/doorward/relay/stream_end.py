"""When a stream of events is complete."""

from __future__ import annotations

_CHUNKED = frozenset({"chat", "completion"})
_SAYS_ITS_END = frozenset({"chat", "completion", "responses"})


class StreamEnd:
    """When a stream of this kind is complete."""

    __slots__ = ("_chunked", "_finished", "_kind", "_n", "done", "is_finished")

    def __init__(self, kind: str, n: int) -> None:
        self._kind = kind
        self._chunked = kind in _CHUNKED
        self._n = n if self._chunked else 1
        self._finished = 0
        self.done = False
        """`[DONE]` was said."""
        self.is_finished = False
        """Every choice has ended: only usage and `[DONE]` can follow."""

    def ended(self, choices: int) -> None:
        """So many more choices have; of `responses`, 1 is the answer as a whole."""
        self._finished += choices
        self.is_finished = self._chunked and self._finished >= self._n

    @property
    def complete(self) -> bool:
        if self._kind in _SAYS_ITS_END:
            return self.done or self._finished >= self._n
        return True  # other kinds have no end of their own: the transport's clean end is theirs

    @property
    def owes_done(self) -> bool:
        return self._chunked and not self.done
