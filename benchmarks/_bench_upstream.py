"""The upstream of the relay benchmark: a fixed JSON answer, or a stream of events at a fixed pace. As little Python as can be."""

from __future__ import annotations

import asyncio
import sys

import uvloop

BODY = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1,"model":"m1","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"' + b"x" * 400 + b'"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":10,"completion_tokens":100,"total_tokens":110}}'
)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_OPENING = b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"m1","choices":'
EVENT = _OPENING + b'[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
LAST = _OPENING + b'[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
EVENTS, PACE_S = 100, 0.005


def framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Upstream(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.held = b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.held) < end + 4 + size:
                return
            body = self.held[end + 4 : end + 4 + size]
            self.held = self.held[end + 4 + size :]
            if b'"stream":true' in body:
                self.transport.write(HEAD)
                self.send(0)
            else:
                self.transport.write(WHOLE)

    def send(self, number: int) -> None:
        if self.transport.is_closing():
            return
        if number == EVENTS:
            self.transport.write(framed(LAST) + b"0\r\n\r\n")
            return
        self.transport.write(framed(EVENT))
        asyncio.get_running_loop().call_later(PACE_S, self.send, number + 1)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
