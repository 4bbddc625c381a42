"""What the app endpoints cost beside the model: overhead at the simulator's 0 ms, a long summary, a large collection.

    python -m benchmarks apps

What it last said stands in docs/benchmarks.md.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from tests.apps.desk import Desk, desk

from doorward.apps import classify, summarize
from doorward.apps.vectors import Vectors, packed
from doorward.store.conversations import Conversations, Message

ROUNDS = 100
WARM_UP = 10
CALLS = WARM_UP + ROUNDS


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with desk(Path(directory), log_level="warning") as here:
            for path, (ours, called) in WISHES.items():
                await beside_the_relay(here, path, (path, ours), called)
            await beside_the_relay(here, "/apps/chat, second turn", *await second_turns(here))
            await history(here)
            await long_summary(here)
    search()


Body = dict[str, Any]
Make = Callable[[int], Body]
"""The body of the n-th request: search must be asked for texts that it has no vectors of yet."""
Wish = tuple[str, Make]
"""A path, and what is sent there."""


def chat(text: str = "hello", task: str = "", **more: Any) -> Body:
    system = [{"role": "system", "content": task}] if task else []
    return {"model": "sim-gpt-4o-mini", "messages": [*system, {"role": "user", "content": text}], "max_tokens": 2000, **more}


def classifying() -> Body:
    tool, _ = classify._asked(("a", "b"), False)
    chosen = {"type": "function", "function": {"name": classify.TOOL}}
    return chat(task=classify._TASK, tools=[tool], tool_choice=chosen, max_tokens=200)


COMPLETIONS = "/v1/chat/completions"
WISHES: dict[str, tuple[Make, Wish]] = {
    "/apps/chat": (lambda n: {"message": "hello"}, (COMPLETIONS, lambda n: chat())),
    "/apps/chat/stream": (lambda n: {"message": "hello"}, (COMPLETIONS, lambda n: chat(stream=True))),
    "/api/v1/chat": (lambda n: {"prompt": "hello"}, (COMPLETIONS, lambda n: chat())),
    "/apps/summarize?fresh=1": (
        lambda n: {"text": "hello"},
        (COMPLETIONS, lambda n: chat(task=summarize._TASK, max_tokens=200)),
    ),
    "/apps/classify": (
        lambda n: {"text": "hello", "categories": ["a", "b"]},
        (COMPLETIONS, lambda n: classifying()),
    ),
    "/apps/search": (
        lambda n: {"query": f"hello {n}", "documents": [f"hello {n} {at}" for at in range(2)]},
        (
            "/v1/embeddings",
            lambda n: {
                "model": "sim-text-embedding-3-small",
                "input": [f"hello {n}", f"hello {n} 0", f"hello {n} 1"],
                "encoding_format": "base64",
            },
        ),
    ),
}
"""What an app is asked, and the call of a model that it makes for it."""


async def second_turns(here: Desk) -> tuple[Wish, Wish]:
    """To conversations that were begun beforehand: they are found, and what was said is read."""
    began = [(await here.http.post("/apps/chat", json={"message": "hello"}, headers=here.headers())).json() for _ in range(CALLS)]
    said = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": began[0]["message"]}]
    asked = {**chat(), "messages": [*said, {"role": "user", "content": "hello"}]}
    ours: Wish = "/apps/chat", lambda n: {"message": "hello", "conversation_id": began[n]["conversation_id"]}
    return ours, (COMPLETIONS, lambda n: asked)


@dataclass(frozen=True)
class Took:
    """Of one call, client, simulator and the book's rows included."""

    p50_ms: float
    least_ms: float
    cpu_ms: float
    """The least."""


async def beside_the_relay(here: Desk, name: str, ours: Wish, called: Wish) -> None:
    """The same call of a model straight through the relay, in turn: what is left is ours."""
    mine, relay = await in_turn(here, ours, called)
    more = Took(*(one - other for one, other in zip(astuple(mine), astuple(relay), strict=True)))
    print(f"{name:<24} p50 {mine.p50_ms:.2f} ms; beside the relay p50 {more.p50_ms:+.2f} ms, ", end="")
    print(f"least {more.least_ms:+.2f} ms, CPU {more.cpu_ms:+.2f} ms of {mine.cpu_ms:.2f}")


async def in_turn(here: Desk, *calls: Wish) -> list[Took]:
    clock: list[list[float]] = [[] for _ in calls]
    cpu: list[list[float]] = [[] for _ in calls]
    for number in range(CALLS):
        for at, (path, made) in enumerate(calls):
            body = made(number)
            began, before = time.perf_counter(), time.process_time()
            answer = await here.http.post(path, json=body, headers=here.headers())
            assert answer.status_code == 200, answer.text
            if number >= WARM_UP:
                clock[at].append((time.perf_counter() - began) * 1000)
                cpu[at].append((time.process_time() - before) * 1000)
    return [Took(statistics.median(one), min(one), min(used)) for one, used in zip(clock, cpu, strict=True)]


async def history(here: Desk) -> None:
    """A conversation of 10,000 messages, opened by its owner."""
    first = (await here.http.post("/apps/chat", json={"message": "hello"}, headers=here.headers())).json()
    rows = Conversations(here.door.app.ground.store)
    ids = [f"msg_{number:032}" for number in range(10_000)]
    found = await rows.find(first["conversation_id"], f"key:{here.key.split('-')[1]}")
    assert found is not None
    told = [
        Message(one, ids[at - 1] if at else first["message_id"], "assistant" if at % 2 else "user", f"text {at}", 5)
        for at, one in enumerate(ids)
    ]
    await rows.append(found, told)
    took, cpu = [], []
    for _ in range(20):
        began, before = time.perf_counter(), time.process_time()
        answer = await here.http.get(f"/apps/conversations/{found.id}", headers=here.headers())
        took.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - before) * 1000)
        assert answer.status_code == 200, answer.text
    shown = len(answer.json()["messages"])
    print(f"10,000 messages opened, {shown} shown: p50 {statistics.median(took):.1f} ms, CPU {statistics.median(cpu):.1f} ms")


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
    took, cpu, found = [], [], 0
    for at in range(0, 100_000, 5000):
        wanted = exact[at] + 0.01 * drawn.standard_normal(1536, dtype=np.float32)
        query = packed(wanted)
        began, before = time.perf_counter(), time.process_time()
        near = vectors.nearest(query, 10)
        took.append(time.perf_counter() - began)
        cpu.append(time.process_time() - before)
        found += len({row for row, _ in near} & set(np.argsort(-(exact @ wanted))[:10].tolist()))
    p50, least = statistics.median(took) * 1000, min(took) * 1000
    print(f"100,000 x 1,536: p50 {p50:.1f} ms, least {least:.1f} ms, CPU {min(cpu) * 1000:.1f} ms, recall@10 {found / 200:.3f}")


if __name__ == "__main__":
    uvloop.run(main())
