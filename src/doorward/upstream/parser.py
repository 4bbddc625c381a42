"""Bytes from an upstream to one `Response` at a time, with everything refused that could be read in two ways."""

from __future__ import annotations

import httptools

from doorward.upstream.response import Response

MAX_HEAD_BYTES = 64 * 1024
"""Largest response head; also the most chunk framing or trailers without a body byte between."""
MAX_HEAD_FIELDS = 256


class Malformed(Exception):
    """The rest of the connection means nothing. The text says why, without content."""


class _Refused(Exception):
    """Well-formed, but not taken; raised inside httptools' callbacks."""


class Parser:
    """Reused for all responses of a connection; `expect` before each, then `feed` until it is whole."""

    __slots__ = ("_framing_bytes", "_head_only", "_http", "_response", "reusable", "surplus", "until_end")

    def __init__(self) -> None:
        self._http: httptools.HttpResponseParser | None = None
        self._response: Response | None = None
        self._head_only = False
        self._framing_bytes = 0
        self.reusable = True
        """The upstream keeps the connection."""
        self.surplus = False
        """More came than was asked for."""
        self.until_end = False
        """The body ends with the connection."""

    def expect(self, response: Response, head_only: bool) -> None:
        self._response = response
        self._head_only = head_only
        self._framing_bytes = 0
        self.reusable = True
        self.surplus = self.until_end = False
        if self._http is None:
            self._http = httptools.HttpResponseParser(self)

    def feed(self, response: Response, data: bytes) -> None:
        """Raises `Malformed`, never for what follows a whole response: that is `surplus`."""
        received = response.received
        try:
            if self._http is not None:
                self._http.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not response.whole:
                raise Malformed("the answer was not proper HTTP") from None
            self.surplus = True
        if response.whole or response.received != received:
            return
        self._framing_bytes += len(data)
        if self._framing_bytes > MAX_HEAD_BYTES:
            raise Malformed("the answer's head or framing was too large")

    def close(self) -> None:
        """Lets go of httptools, which holds our methods."""
        self._http = self._response = None

    # httptools' callbacks

    def on_message_begin(self) -> None:
        if self._response is None or self._response.whole:
            self.surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        response = self._response
        if response is None or response.arrived:
            return  # a trailer, or after the end
        if len(response.headers) >= MAX_HEAD_FIELDS:
            raise _Refused
        response.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        response, http = self._response, self._http
        if response is None or http is None or response.whole:
            return
        status = http.get_status_code()
        if status < 200:
            if status == 101:
                raise _Refused  # we never ask for another protocol
            response.headers.clear()
            return
        framed = False
        for name, value in response.headers:
            if name == b"transfer-encoding":
                if value.strip().lower() != b"chunked":
                    raise _Refused  # its end could not be told
                framed = True
            elif name == b"content-length":
                framed = True
        self.until_end = not framed and not self._head_only and status not in (204, 304)
        self.reusable = http.should_keep_alive()
        response.status = status
        response.arrived = True
        if self._head_only:
            response.whole = True
            self._http = None  # it waits for a body that a HEAD does not bring

    def on_body(self, piece: bytes) -> None:
        response = self._response
        if response is None or response.whole:
            self.surplus = True
        else:
            response.feed(piece)

    def on_message_complete(self) -> None:
        if self._response is not None and self._response.arrived:
            self._response.whole = True
