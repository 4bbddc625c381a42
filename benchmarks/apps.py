"""What the app endpoints cost beside the model: overhead at the simulator's 0 ms, a long summary, a large collection.

    python -m benchmarks.apps

Last seen (Python 3.11, a noisy machine of 2 cores): see NUMBERS; trust ratios above 1.5.
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

ROUNDS = 150


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with desk(Path(directory)) as here:
            relay = await times(here, "/v1/chat/completions", RELAYED)
            print(f"{'/v1/chat/completions':<22} p50 {relay * 1000:6.2f} ms")
            for path, body in WISHES.items():
                p50 = await times(here, path, body)
                print(f"{path:<22} p50 {p50 * 1000:6.2f} ms, {(p50 - relay) * 1000:+.2f} ms beside the relay")
            await long_summary(here)
    search()


RELAYED = {"model": "sim-gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
WISHES: dict[str, dict[str, Any]] = {
    "/apps/chat": {"message": "hello"},
    "/apps/chat/stream": {"message": "hello"},
    "/api/v1/chat": {"prompt": "hello"},
    "/apps/summarize?fresh=1": {"text": "hello there"},
    "/apps/classify": {"text": "hello", "categories": ["a", "b"]},
    "/apps/search": {"query": "hello", "documents": ["hello", "there"]},
}


async def times(here: Desk, path: str, body: dict[str, Any]) -> float:
    took = []
    for number in range(ROUNDS + 10):
        began = time.perf_counter()
        answer = await here.http.post(path, json=body, headers=here.headers())
        assert answer.status_code == 200, answer.text
        if number >= 10:
            took.append(time.perf_counter() - began)
    return statistics.median(took)


async def long_summary(here: Desk) -> None:
    text = "The quick brown fox jumps over the lazy dog near the old river bank. " * 66_700
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    answer = await here.http.post("/apps/summarize", json={"text": text}, headers=here.headers(), timeout=120)
    shown = answer.json()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    took = time.perf_counter() - began
    print(
        f"{shown['input_tokens']:,} tokens in {shown['chunks']} slices: {took:.1f} s, {grown:.0f} MB above before, client and simulator included"
    )


def search() -> None:
    drawn = np.random.default_rng(1)
    centres = drawn.standard_normal((2000, 1536), dtype=np.float32)
    rows = []
    for _ in range(50):
        block = centres[drawn.integers(0, 2000, 2000)] + 0.8 * drawn.standard_normal((2000, 1536), dtype=np.float32)
        rows += [packed(row) for row in block]
    vectors = Vectors(rows)
    took, found = [], 0
    for at in range(0, 100_000, 5000):
        query = packed(
            np.frombuffer(rows[at], dtype=np.float16).astype(np.float32) + 0.01 * drawn.standard_normal(1536, dtype=np.float32)
        )
        began = time.perf_counter()
        near = vectors.nearest(query, 10)
        took.append(time.perf_counter() - began)
        wanted = np.frombuffer(query, dtype=np.float16).astype(np.float32)
        exact = np.concatenate([vectors._rows[s : s + 5000].astype(np.float32) @ wanted for s in range(0, 100_000, 5000)])
        found += len({row for row, _ in near} & set(np.argsort(-exact)[:10].tolist()))
    print(f"100,000 x 1,536: p50 {statistics.median(took) * 1000:.1f} ms, recall@10 {found / 200:.3f}")


if __name__ == "__main__":
    asyncio.run(main())
