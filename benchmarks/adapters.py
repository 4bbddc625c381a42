"""An adapter's call beside a `/v1` call: the gateway's CPU for each, in turn, in one run; and 10,000 adapters, read and found."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.relay import BODY, cpu_s, doorward, free_port, median, pinned, stopped, wait_for
from doorward.adapters import manifest
from doorward.adapters.watch import Adapters

CALLS = int(os.environ.get("BENCH_CALLS", "3000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
CONNECTIONS = 16
MANY = 10_000

ADAPTER = """\
---
apiVersion: doorward.dev/v1
kind: HTTP
metadata:
  name: {name}
spec:
  baseUrl: {url}
  allowPrivate: true
  headers:
    - name: Authorization
      value: "Bearer ${{{{ BENCH_TOKEN }}}}"
"""


async def load(port: int, head: bytes, calls: int) -> None:
    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(number):
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.split(b"\r\n")[0].decode())
            size = re.search(rb"content-length: (\d+)", answer)
            await reader.readexactly(int(size[1]) if size else 0)
        writer.close()

    await asyncio.gather(*(one(calls // CONNECTIONS) for _ in range(CONNECTIONS)))


def request(path: str, key: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(BODY)}\r\n\r\n{BODY}"
    ).encode()


def cpu_us(port: int, pids: list[int], head: bytes) -> float:
    before = cpu_s(pids)
    asyncio.run(load(port, head, CALLS))
    return (cpu_s(pids) - before) / CALLS * 1e6


def calls(folder: Path, stack: contextlib.ExitStack) -> None:
    upstream = free_port()
    stack.enter_context(stopped(pinned(1, sys.executable, "-m", "benchmarks._bench_upstream", str(upstream))))
    wait_for(upstream)
    other = free_port()  # the same upstream by a name that no provider has: a call that is not metered
    stack.enter_context(stopped(pinned(1, sys.executable, "-m", "benchmarks._bench_upstream", str(other))))
    wait_for(other)
    file = folder / "adapters.yaml"
    texts = [
        ADAPTER.format(name="metered", url=f"http://127.0.0.1:{upstream}"),
        ADAPTER.format(name="plain", url=f"http://127.0.0.1:{other}"),
    ]
    file.write_text("".join(texts))
    os.environ["DOORWARD_CONFIG"], os.environ["BENCH_TOKEN"] = str(file), "bench-token"
    port, pids, key, _ = stack.enter_context(doorward(folder, upstream))
    paths = {
        "/v1": "/v1/chat/completions",
        "adapter": "/v1/apis/http/plain/v1/chat/completions",
        "adapter, metered": "/v1/apis/http/metered/v1/chat/completions",
    }
    heads = {name: request(path, key) for name, path in paths.items()}
    for head in heads.values():
        asyncio.run(load(port, head, CALLS // 4))
    found: dict[str, list[float]] = {name: [] for name in heads}
    for _ in range(ROUNDS):
        for name, head in heads.items():
            found[name].append(cpu_us(port, pids, head))
    base = median(found["/v1"])
    for name, figures in found.items():
        print(f"{name}: {median(figures):.0f} µs of CPU a call, {median(figures) / base:.2f} x /v1", flush=True)


def many(folder: Path) -> None:
    raw = "".join(ADAPTER.format(name=f"api-{n}", url=f"https://api{n}.example.com/v2") for n in range(MANY)).encode()
    took = []
    for _ in range(3):
        began = time.process_time()
        found = manifest.read(raw, {"BENCH_TOKEN": "bench-token"})
        took.append(time.process_time() - began)
    print(f"{len(found.adapters):,} adapters, {len(raw) / 1e6:.1f} MB: read in {median(took):.2f} s of CPU")
    for number in (10, MANY):
        file = folder / f"{number}.yaml"
        file.write_bytes(b"---" + b"---".join(raw.split(b"---")[1 : number + 1]))
        adapters = Adapters([file], {"BENCH_TOKEN": "bench-token"})
        adapters.start()
        began = time.perf_counter()
        for n in range(100_000):
            adapters.find("api-9" if n % 2 else "nothing")
        print(f"found among {number:,}: {(time.perf_counter() - began) * 10:.2f} µs")


def main() -> None:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        many(Path(name))
        calls(Path(name), stack)


if __name__ == "__main__":
    main()
