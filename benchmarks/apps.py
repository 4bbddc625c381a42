"""What the app endpoints cost beside the model: overhead at the simulator's 0 ms, a long summary, a large collection.

    python -m benchmarks.apps

CPU of one call beside the relay's own 1.3 ms, client and simulator included: chat 2.9 ms, classify 2.1, one-shot 1.1.
Last seen on a machine of 2 cores with a load of 11 to 18 (Python 3.11), so upper bounds: one-shot chat 1.4 ms in all, stream
0.0 ms beside the relay's own 48, summary +3.5 ms; 1,000,501 tokens summarized in 4.6 s and 59 MB; 100,000 vectors of
1,536 numbers searched in 30 ms with recall@10 1.000.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from tests.apps.desk import Desk, desk

from doorward.apps.vectors import Vectors, packed

ROUNDS = 40


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with desk(Path(directory), log_level="warning") as here:
            for path, (body, max_tokens) in WISHES.items():
                # the same call straight through the relay: what is left is ours
                words = [{"role": "user", "content": "hello"}]
                relayed = {"model": "sim-gpt-4o-mini", "messages": words, "max_tokens": max_tokens, "stream": "stream" in path}
                relay, relay_cpu = await times(here, "/v1/chat/completions", relayed)
                p50, cpu = await times(here, path, body)
                print(f"{path:<24} p50 {p50 * 1000:6.2f} ms, {(p50 - relay) * 1000:+.2f} ms beside the relay", end="")
                print(f"; CPU {cpu * 1000:.2f} ms, {(cpu - relay_cpu) * 1000:+.2f} ms")
            await long_summary(here)
    search()


WISHES: dict[str, tuple[dict[str, Any], int]] = {
    "/apps/chat": ({"message": "hello"}, 2000),
    "/apps/chat/stream": ({"message": "hello"}, 2000),
    "/api/v1/chat": ({"prompt": "hello"}, 2000),
    "/apps/summarize?fresh=1": ({"text": "hello"}, 200),
    "/apps/classify": ({"text": "hello", "categories": ["a", "b"]}, 200),
    "/apps/search": ({"query": "hello", "documents": ["hello", "there"]}, 1),
}


async def times(here: Desk, path: str, body: dict[str, Any]) -> tuple[float, float]:
    """-> p50 of the clock, and the process's CPU time of one call, client, simulator and the book's rows included."""
    took, before = [], 0.0
    for number in range(ROUNDS + 10):
        if number == 10:
            before = time.process_time()
        began = time.perf_counter()
        answer = await here.http.post(path, json=body, headers=here.headers())
        assert answer.status_code == 200, answer.text
        if number >= 10:
            took.append(time.perf_counter() - began)
    return statistics.median(took), (time.process_time() - before) / ROUNDS


async def long_summary(here: Desk) -> None:
    text = "The quick brown fox jumps over the lazy dog near the old river bank. " * 66_700
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    answer = await here.http.post("/apps/summarize", json={"text": text}, headers=here.headers(), timeout=120)
    shown = answer.json()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    took = time.perf_counter() - began
    read = f"{shown['input_tokens']:,} tokens in {shown['chunks']} slices"
    print(f"{read}: {took:.1f} s, {grown:.0f} MB above before, client and simulator included")


def search() -> None:
    drawn = np.random.default_rng(1)
    centres = drawn.standard_normal((2000, 1536), dtype=np.float32)
    rows: list[bytes] = []
    exact = np.empty((100_000, 1536), dtype=np.float32)
    for start in range(0, 100_000, 2000):
        block = centres[drawn.integers(0, 2000, 2000)] + 0.8 * drawn.standard_normal((2000, 1536), dtype=np.float32)
        exact[start : start + 2000] = block / np.linalg.norm(block, axis=1, keepdims=True)
        rows += [row.tobytes() for row in exact[start : start + 2000].astype(np.float16)]
    vectors = Vectors(rows)
    took, found = [], 0
    for at in range(0, 100_000, 5000):
        wanted = exact[at] + 0.01 * drawn.standard_normal(1536, dtype=np.float32)
        query = packed(wanted)  # type: ignore[arg-type]  # a row of numbers
        began = time.perf_counter()
        near = vectors.nearest(query, 10)
        took.append(time.perf_counter() - began)
        found += len({row for row, _ in near} & set(np.argsort(-(exact @ wanted))[:10].tolist()))
    print(f"100,000 x 1,536: p50 {statistics.median(took) * 1000:.1f} ms, recall@10 {found / 200:.3f}")


if __name__ == "__main__":
    asyncio.run(main())
