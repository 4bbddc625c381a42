"""Search: by meaning and by words, kept vectors, filters, owners; and how fast and how true the shadows are."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.answers import json_answer
from tests.apps.desk import desk, scripted_desk
from tests.scripted import Request, ScriptedUpstream

from doorward.apps.pipeline_ask import vectors_of
from doorward.apps.search import fused
from doorward.apps.vectors import Vectors, packed
from doorward.core.errors import UpstreamFailed
from doorward.store import engine

PLANE = ["cats purr on warm sofas", "the stock market fell today", "dogs bark at the mail carrier", "interest rates rose again"]


async def test_what_was_found_is_given_also_where_its_vectors_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 100)
    async with desk(tmp_path) as here:
        with contextlib.closing(sqlite3.connect(next(tmp_path.rglob("doorward.db")), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            found = await here.ask("POST", "/apps/search", {"query": "cats", "documents": ["dogs bark", "cats purr"]})
            assert found["results"][0]["index"] == 1


async def test_one_shot_search_is_by_cosine_descending_and_embeds_once(tmp_path: Path) -> None:
    places = {"query": [1.0, 0.0], "near": [0.9, 0.1], "far": [0.0, 1.0], "back": [-1.0, 0.0]}

    def script(request: Request) -> Any:
        rows = [{"index": at, "embedding": places[text]} for at, text in enumerate(request.json["input"])]
        return json_answer({"data": rows, "usage": {"prompt_tokens": 3, "total_tokens": 3}})

    async with ScriptedUpstream(script) as up, scripted_desk(tmp_path, up) as here:
        wish = {"query": "query", "documents": ["far", "back", "near"], "top_k": 2}
        answer = await here.ask("POST", "/apps/search", wish)
        assert [(row["index"], row["document"]) for row in answer["results"]] == [(2, "near"), (0, "far")]
        assert answer["results"][0]["score"] == pytest.approx(0.9939, abs=1e-3)
        assert up.requests[0].json["model"] == "scripted-embed"
        await here.ask("POST", "/search", wish)
        assert up.calls == 1, "the same texts are embedded once"
        await here.ask("POST", "/search", wish, key=await here.other())
        assert up.calls == 2, "but no kept vector crosses owners"


async def test_collections_hold_find_filter_and_forget(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.ask("POST", "/apps/collections", {"name": "notes"}, status=201)
        await here.refused("POST", "/apps/collections", 409, {"name": "notes"})
        given = [{"id": f"d{at}", "text": text, "metadata": {"n": at, "odd": bool(at % 2)}} for at, text in enumerate(PLANE)]
        assert (await here.ask("POST", "/apps/collections/notes/documents", {"documents": given}, status=201))["ids"] == [
            "d0",
            "d1",
            "d2",
            "d3",
        ]

        async def find(**wish: Any) -> list[str]:
            answer = await here.ask("POST", "/apps/collections/notes/search", wish)
            scores = [row["score"] for row in answer["results"]]
            assert scores == sorted(scores, reverse=True)
            return [row["id"] for row in answer["results"]]

        assert (await find(query="cats on sofas"))[0] == "d0"
        assert await find(query="interest market", mode="text") in (["d1", "d3"], ["d3", "d1"])
        assert (await find(query="dogs bark", mode="both"))[0] == "d2"
        assert await find(query="cats", where={"n": {"gte": 1, "lt": 3}}) in (["d1", "d2"], ["d2", "d1"])
        assert set(await find(query="cats", where={"odd": True}, mode="both")) == {"d1", "d3"}
        assert await find(query="cats", where={"odd": "x"}) == []
        assert await find(query='"; DROP OR * NEAR(', mode="text") == []
        listed = (await here.ask("GET", "/apps/collections"))["data"]
        assert [(row["name"], row["documents"]) for row in listed] == [("notes", 4)]
        await here.ask("POST", "/apps/collections/notes/documents", {"documents": [{"id": "d0", "text": "replaced"}]}, status=201)
        await here.ask("DELETE", "/apps/collections/notes/documents/d1")
        assert len(await find(query="cats", top_k=10)) == 3
        other = await here.other()
        for method, path, body in (
            ("POST", "/apps/collections/notes/search", {"query": "cats"}),
            ("POST", "/apps/collections/notes/documents", {"documents": ["x"]}),
            ("DELETE", "/apps/collections/notes/documents/d0", None),
            ("DELETE", "/apps/collections/notes", None),
        ):
            await here.refused(method, path, 404, body, key=other)
        await here.ask("DELETE", "/apps/collections/notes")
        await here.refused("POST", "/apps/collections/notes/search", 404, {"query": "cats"})


async def test_a_long_add_tells_how_far_it_is(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.ask("POST", "/apps/collections", {"name": "many"}, status=201)
        wish = {"documents": [f"document number {at}" for at in range(300)]}
        headers = here.headers(accept="text/event-stream")
        answer = await here.http.post("/apps/collections/many/documents", json=wish, headers=headers)
        frames = [json.loads(frame.removeprefix("data: ")) for frame in answer.text.split("\n\n")[:-2]]
        assert [frame["progress"] for frame in frames[:-1]] == [{"batch": n, "of": 3} for n in (1, 2, 3)]
        assert len(frames[-1]["result"]["ids"]) == 300


async def test_bad_input(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        for body in (
            {"query": "", "documents": ["a"]},
            {"query": "a", "documents": []},
            {"query": "a", "documents": [""]},
            {"query": "a", "documents": ["b"], "top_k": 0},
            {"query": "a"},
        ):
            await here.refused("POST", "/apps/search", 422, body)
        await here.ask("POST", "/apps/collections", {"name": "c"}, status=201)
        for where in ({"a": [1]}, {"a": {"like": "x"}}, {"a": {"in": 3}}, {"a": {"gt": [1]}}):
            await here.refused("POST", "/apps/collections/c/search", 422, {"query": "a", "where": where})
        assert (await here.ask("POST", "/apps/collections/c/search", {"query": "nothing here"}))["results"] == []


def test_ranks_are_merged_by_their_reciprocals() -> None:
    assert [number for number, _ in fused([[1, 2, 3], [3, 1]])] == [1, 3, 2]


def test_shadows_find_what_a_full_comparison_finds() -> None:
    drawn = np.random.default_rng(3)
    centres = drawn.standard_normal((200, 384), dtype=np.float32)
    rows = centres[drawn.integers(0, 200, 12_000)] + 0.8 * drawn.standard_normal((12_000, 384), dtype=np.float32)
    vectors = Vectors([packed(row) for row in rows])  # type: ignore[arg-type]  # numpy rows are sequences of floats
    exact = np.stack([np.frombuffer(packed(row), dtype=np.float16).astype(np.float32) for row in rows])  # type: ignore[arg-type]
    found = 0
    for at in range(0, 12_000, 600):
        query = packed(rows[at] + 0.3 * drawn.standard_normal(384, dtype=np.float32))  # type: ignore[arg-type]
        best = set(np.argsort(-(exact @ np.frombuffer(query, dtype=np.float16).astype(np.float32)))[:10].tolist())
        found += len(best & {row for row, _ in vectors.nearest(query, 10)})
    assert found / 200 >= 0.97, found / 200


def test_a_large_collection_is_searched_fast() -> None:
    drawn = np.random.default_rng(4)
    block = drawn.standard_normal((20_000, 1536), dtype=np.float32)
    vectors = Vectors([row.tobytes() for row in (block / 39.2).astype(np.float16)])
    query = packed(block[7])  # type: ignore[arg-type]
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert vectors.nearest(query, 10)[0][0] == 7
        times.append(time.perf_counter() - began)
    assert min(times) < 0.05, times


def test_a_vector_that_is_no_base64_of_float32_is_the_models_mistake() -> None:
    whole = base64.b64encode(array("f", [1.0, 2.0]).tobytes()).decode()
    assert list(vectors_of({"data": [{"index": 0, "embedding": whole}]}, 1)[0]) == [1.0, 2.0]
    for broken in (whole[:-1], f"{whole[:4]}\n{whole[4:]}", base64.b64encode(b"12345").decode(), "ä"):
        with pytest.raises(UpstreamFailed) as refused:
            vectors_of({"data": [{"index": 0, "embedding": broken}]}, 1)
        assert refused.value.code == "unreadable_answer"
