"""Jobs: progress, result, cancelling, restart, owners, and the signed word when one is done."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from tests.answers import Sleep, chat_answer, json_answer, silent
from tests.apps.desk import Desk, desk, scripted_desk
from tests.scripted import ScriptedUpstream

from doorward.core.secret import Secret
from doorward.upstream.webhooks import signature

TEXT = "A short text about a bridge over the river. " * 40


async def ended(here: Desk, job_id: str, within_s: float = 10.0) -> dict[str, Any]:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        job = await here.ask("GET", f"/apps/jobs/{job_id}")
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        await asyncio.sleep(0.05)
    raise AssertionError(job)


async def test_each_kind_ends_with_a_result(tmp_path: Path) -> None:
    async with desk(tmp_path) as here:
        await here.ask("POST", "/apps/collections", {"name": "notes"}, status=201)
        wishes: list[dict[str, Any]] = [
            {"kind": "summarize", "text": TEXT},
            {"kind": "classify", "texts": ["the invoice is wrong", "hello"], "categories": ["billing", "greeting"]},
            {"kind": "collection_add", "collection": "notes", "documents": [{"text": "cats purr"}, {"text": "dogs bark"}]},
        ]
        made = [await here.ask("POST", "/apps/jobs", wish, status=202) for wish in wishes]
        for job in made:
            assert (await ended(here, job["id"]))["state"] == "done"
        results = [(await here.ask("GET", f"/apps/jobs/{job['id']}/result"))["result"] for job in made]
        assert results[0]["summary"]
        assert [row["category"] in ("billing", "greeting") for row in results[1]["data"]] == [True, True]
        assert len(results[2]["ids"]) == 2
        assert len((await here.ask("GET", "/apps/jobs"))["data"]) == 3
        other = await here.other()
        for path in (f"/apps/jobs/{made[0]['id']}", f"/apps/jobs/{made[0]['id']}/result"):
            await here.refused("GET", path, 404, key=other)
        await here.refused("POST", f"/apps/jobs/{made[0]['id']}/cancel", 404, key=other)
        assert (await here.ask("GET", "/apps/jobs", key=other))["data"] == []


async def test_a_running_job_can_be_cancelled_and_its_calls_stop(tmp_path: Path) -> None:
    async with ScriptedUpstream(silent()) as up, scripted_desk(tmp_path, up) as here:
        job = await here.ask("POST", "/apps/jobs", {"kind": "summarize", "text": TEXT}, status=202)
        await up.wait_for_calls(1)
        assert (await here.refused("GET", f"/apps/jobs/{job['id']}/result", 409))["code"] == "no_result"
        await here.ask("POST", f"/apps/jobs/{job['id']}/cancel")
        assert (await ended(here, job["id"]))["state"] == "cancelled"
        await up.wait_for_leavers(1)


async def test_a_job_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with ScriptedUpstream(silent()) as up:
        async with scripted_desk(tmp_path, up) as here:
            job = await here.ask("POST", "/apps/jobs", {"kind": "summarize", "text": TEXT}, status=202)
            await up.wait_for_calls(1)
            key = here.key
        up.script = chat_answer("A bridge.")
        async with desk(tmp_path, default_model="scripted-1") as again:
            again.key = key
            assert (await ended(again, job["id"]))["state"] == "done"
            assert (await again.ask("GET", f"/apps/jobs/{job['id']}/result"))["result"]["summary"] == "A bridge."


async def test_a_job_of_a_revoked_key_is_not_worked_on(tmp_path: Path) -> None:
    async with ScriptedUpstream(silent()) as up:
        async with scripted_desk(tmp_path, up) as here:
            job = await here.ask("POST", "/apps/jobs", {"kind": "summarize", "text": TEXT}, status=202)
            await up.wait_for_calls(1)
            await here.door.app.ground.client_keys.revoke(here.key.split("-")[1])
        async with desk(tmp_path, default_model="scripted-1") as again:
            rows = again.door.app.apps.apps.jobs
            owner = f"key:{here.key.split('-')[1]}"
            for _ in range(100):
                found = await rows.find(owner, job["id"])
                if found.state == "failed":
                    break
                await asyncio.sleep(0.05)
            assert found.error is not None
            assert found.error["code"] == "not_allowed_any_more"
            assert up.calls == 1


async def test_the_operator_is_told_signed_when_a_job_has_ended(tmp_path: Path) -> None:
    async with ScriptedUpstream(json_answer({})) as receiver, ScriptedUpstream(chat_answer("A bridge.")) as up:
        told = {"job_webhook_url": f"{receiver.base_url}/jobs", "job_webhook_secret": "webhook-secret"}
        async with scripted_desk(tmp_path, up, **told) as here:
            job = await here.ask("POST", "/apps/jobs", {"kind": "summarize", "text": TEXT}, status=202)
            await receiver.wait_for_calls(1)
            request = receiver.requests[0]
            assert json.loads(request.body)["data"] == {"id": job["id"], "kind": "summarize", "state": "done"}
            wanted = signature(Secret("webhook-secret"), int(request.header("x-doorward-timestamp") or 0), request.body)
            assert request.header("x-doorward-signature") == wanted


async def test_a_failing_job_says_why_and_bad_wishes_are_refused(tmp_path: Path) -> None:
    async with ScriptedUpstream(json_answer({"choices": []}).after(Sleep(0.05))) as up, scripted_desk(tmp_path, up) as here:
        job = await here.ask("POST", "/apps/jobs", {"kind": "summarize", "text": TEXT}, status=202)
        failed = await ended(here, job["id"])
        assert (failed["state"], failed["error"]["message"]) == ("failed", "OpenAI returned no choices")
        for body in (
            {"kind": "shell"},
            {"kind": "summarize"},
            {"kind": "summarize", "text": ""},
            {"kind": "classify", "texts": []},
        ):
            await here.refused("POST", "/apps/jobs", 422, body)
        await here.refused("POST", "/apps/jobs", 404, {"kind": "collection_add", "collection": "no", "documents": [{"text": "a"}]})
