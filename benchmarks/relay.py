"""The relay beside bare nginx as the proxy: requests/s, latency, CPU a request and an event, memory, start. Ratios in one run.

The gateway has one core to itself, upstream and load the other; both proxies face the same upstream, in turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks._bench_upstream import EVENTS

SECONDS = int(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
TICKS = os.sysconf("SC_CLK_TCK")
STREAMS = 32
BODY = json.dumps({"model": "m1", "messages": [{"role": "user", "content": "Hello there, how are you?"}]})


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def pinned(core: int, *command: str, **options: object) -> subprocess.Popen[bytes]:
    core = min(core, (os.cpu_count() or 1) - 1)
    return subprocess.Popen(["taskset", "-c", str(core), *command], start_new_session=True, **options)  # type: ignore[call-overload]


def cpu_s(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def wait_for(port: int, path: str = "/", within_s: float = 20) -> float:
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1):
                return time.monotonic() - began
        except urllib.error.HTTPError:
            return time.monotonic() - began
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"nothing answers on port {port}")


@contextlib.contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[tuple[int, list[int]]]:
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(f"""
daemon off; worker_processes 1; error_log {folder}/error.log; pid {folder}/nginx.pid;
events {{ worker_connections 2048; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port} backlog=1024; location / {{
    proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }}
}}""")
    with stopped(pinned(0, "nginx", "-c", str(conf), "-p", str(folder), stderr=subprocess.DEVNULL)) as process:
        wait_for(port)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout.split()
        yield port, [process.pid, *map(int, children)]


@contextlib.contextmanager
def doorward(folder: Path, upstream: int) -> Iterator[tuple[int, list[int], str, float]]:
    port = free_port()
    env = {
        **os.environ,
        "DOORWARD_DATA_DIR": str(folder / "data"),
        "DOORWARD_LOG_LEVEL": "warning",
        "DOORWARD_ALLOW_PRIVATE_UPSTREAMS": "1",
    }
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL"):
        env.pop(name, None)
    run = [sys.executable, "-m", "doorward"]
    began = time.monotonic()
    with stopped(pinned(0, *run, "serve", "--port", str(port), env=env, stderr=subprocess.DEVNULL)) as process:
        wait_for(port, "/readyz")
        started = time.monotonic() - began

        def command(*words: str, stdin: str = "") -> dict[str, object]:
            done = subprocess.run([*run, *words, "--json"], env=env, input=stdin, capture_output=True, text=True, check=True)
            return json.loads(done.stdout)

        command("provider", "add", "bench", "--base-url", f"http://127.0.0.1:{upstream}", "--models", "m", "--allow-private")
        command("account", "add", "--provider", "bench", "--label", "a", "--key-stdin", stdin="sk-bench-0123456789abcdef0123")
        key = str(command("key", "create", "--label", "bench")["key"])
        time.sleep(2.5)  # the running server reads its catalogue again
        yield port, [process.pid], key, started


def wrk(folder: Path, port: int, key: str, connections: int, seconds: int, pids: list[int]) -> dict[str, float]:
    script = folder / "post.lua"
    script.write_text(f"""wrk.method = "POST"; wrk.path = "/v1/chat/completions"; wrk.body = [==[{BODY}]==]
wrk.headers["Content-Type"] = "application/json"; wrk.headers["Authorization"] = "Bearer {key}" """)
    core = str(min(1, (os.cpu_count() or 1) - 1))
    command = [
        "taskset",
        "-c",
        core,
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--latency",
        "-s",
        str(script),
        f"http://127.0.0.1:{port}",
    ]
    before = cpu_s(pids)
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = cpu_s(pids) - before
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad:
        raise RuntimeError(f"{bad[1]} answers were errors")

    def ms(text: str) -> float:
        value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
        return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]

    spread = dict(re.findall(r"\s+(50|99)%\s+([\d.]+\w+)", out))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]
    made = int(re.search(r"(\d+) requests in", out)[1])  # type: ignore[index]
    return {"rps": rate, "p50": ms(spread["50"]), "p99": ms(spread["99"]), "cpu": spent / made * 1e6}


async def streams(port: int, key: str) -> int:
    body = json.dumps({**json.loads(BODY), "stream": True}, separators=(",", ":")).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    ).encode()

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + body)
        data = await reader.read(-1)
        writer.close()
        return data.count(b"data: {")

    return sum(await asyncio.gather(*(one() for _ in range(STREAMS))))


def per_event_us(port: int, key: str, pids: list[int]) -> float:
    asyncio.run(streams(port, key))
    before = cpu_s(pids)
    events = sum(asyncio.run(streams(port, key)) for _ in range(4))
    if events < 4 * STREAMS * EVENTS:
        raise RuntimeError(f"only {events} events arrived")
    return (cpu_s(pids) - before) / events * 1e6


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    if not shutil.which("nginx") or not shutil.which("wrk") or not shutil.which("taskset"):
        print("not measured: nginx, wrk and taskset are needed (Debian: nginx-light, wrk, util-linux)")
        return
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        upstream = free_port()
        stack.enter_context(stopped(pinned(1, sys.executable, "-m", "benchmarks._bench_upstream", str(upstream))))
        wait_for(upstream)
        bare_port, bare_pids = stack.enter_context(nginx(folder, upstream))
        port, pids, key, started = stack.enter_context(doorward(folder, upstream))
        idle = rss_mb(pids[0])
        for connections, figure in ((64, "rps"), (1, "p50"), (1, "p99"), (16, "p50"), (16, "p99")):
            if figure == "p99":
                continue
            ours, theirs = [], []
            wrk(folder, port, key, connections, 1, pids)
            for _ in range(ROUNDS):
                ours.append(wrk(folder, port, key, connections, SECONDS, pids))
                theirs.append(wrk(folder, bare_port, key, connections, SECONDS, bare_pids))
            for what in ("rps", "cpu") if figure == "rps" else ("p50", "p99"):
                a, b = median([row[what] for row in ours]), median([row[what] for row in theirs])
                unit = {"rps": "requests/s", "cpu": "µs of CPU"}.get(what, "ms")
                print(
                    f"{what:>4} at {connections:>2} in flight: doorward {a:,.2f} {unit}, nginx {b:,.2f}, ratio {a / b:.3f}",
                    flush=True,
                )
        a, b = per_event_us(port, key, pids), per_event_us(bare_port, key, bare_pids)
        print(f"CPU a stream event: doorward {a:.1f} µs, nginx {b:.1f} µs, ratio {a / b:.2f}")
        print(f"memory: idle {idle:.0f} MB, after the load {rss_mb(pids[0]):.0f} MB")
        print(f"start to readiness: {started:.2f} s")


if __name__ == "__main__":
    main()
