"""When a stream of events is complete, and what its upstream says in it beside the answer."""

from __future__ import annotations

import re

import msgspec

from doorward.wire import envelope

_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')
_RESPONSE_ENDED = re.compile(rb'"type"\s*:\s*"response\.(?:completed|incomplete|failed)"')


class _WithError(msgspec.Struct):
    error: msgspec.Raw = msgspec.Raw(b"null")


_with_error = msgspec.json.Decoder(_WithError)
_well_formed = msgspec.json.Decoder(msgspec.Raw)
"""Checks that an event is JSON, and keeps nothing of it."""


class StreamEnd:
    """When a stream of this kind is complete."""

    __slots__ = ("_finished", "_kind", "_n", "done", "error")

    def __init__(self, kind: str, n: int) -> None:
        self._kind = kind
        self._n = n
        self._finished = 0
        self.done = False
        self.error: envelope.UpstreamError | None = None
        """The stream's last word was an error, in OpenAI's shape."""

    def saw(self, data: bytes | None) -> bool:
        """Take note of an event's data -> whether it is well-formed; one that is not is not passed on."""
        if data is None:
            return True  # a comment, or a field of the protocol
        if data.strip() == b"[DONE]":
            self.done = True
            return True
        try:
            _well_formed.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        if self._kind == "responses":
            if b'"response.' in data and _RESPONSE_ENDED.search(data):
                self._finished = self._n
        elif b'"finish_reason"' in data:
            self._finished += len(_FINISHED.findall(data))
        elif b'"error"' in data and self._kind in ("chat", "completion") and _is_error(data):
            self.error = envelope.read_upstream(data)
        return True

    @property
    def is_finished(self) -> bool:
        return self._kind in ("chat", "completion") and self._finished >= self._n

    @property
    def complete(self) -> bool:
        if self._kind in ("chat", "completion", "responses"):
            return self.done or self._finished >= self._n
        return True  # other kinds have no end of their own: the transport's clean end is theirs

    @property
    def owes_done(self) -> bool:
        return self._kind in ("chat", "completion") and not self.done


def _is_error(data: bytes) -> bool:
    try:
        return bytes(_with_error.decode(data).error) not in (b"null", b"{}", b'""', b"false")
    except msgspec.DecodeError:
        return False
