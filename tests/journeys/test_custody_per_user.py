"""Custody `per_user`, from the first admin to a restart: R1 to R4, R7, R9 over HTTP and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.journeys.custody import (
    ANN,
    ANNS_SECOND,
    BOB,
    KEYS,
    OPERATORS,
    asked,
    at,
    makes_key,
    prompted,
    refused,
    soon,
    text,
    tries_to_change_custody,
    upstream,
)
from tests.process import served

# Real processes on a machine that others use: the bound is against hanging, not a promise of speed.
pytestmark = pytest.mark.timeout(240)

SIGN_IN = "Sign in to use this feature"
NO_KEY = (403, "Set your OpenAI API key first", "key_not_configured")


async def test_everybody_brings_a_key_and_nobody_falls_back(tmp_path: Path) -> None:
    async with upstream() as up, served(tmp_path, **at(up)) as door:
        await door.user("root@example.com", "--admin")
        ann_id, _ = await door.user("ann@example.com"), await door.user("bob@example.com")
        async with door.browser() as nobody:
            for method in ("GET", "PUT", "DELETE"):
                junk = b"\x00 no json" if method == "PUT" else None
                answer = await nobody.request(method, "/api/v1/me/openai-key", content=junk)
                refused(answer, 401, SIGN_IN, "not_authenticated")
            refused(await prompted(nobody), 401, SIGN_IN)
            for method in ("GET", "PUT"):
                answer = await nobody.request(method, "/api/v1/openai-key")
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_in_this_mode")
            await tries_to_change_custody(nobody, "per_user")

        # the operator's own key is there, and no user's call ever draws on it
        account = await door.cli("account", "add", "--provider", "openai", "--label", "default", "--key-stdin", stdin=OPERATORS)
        programs_key = (await door.cli("key", "create", "--label", "operator's"))["key"]
        async with door.signed_in("ann@example.com") as ann, door.signed_in("bob@example.com") as bob:
            async with (
                door.program(await makes_key(ann)) as anns_program,
                door.program(await makes_key(bob)) as bobs_program,
                door.program(programs_key) as operators_program,
            ):
                await soon(lambda: _served(operators_program, "the operator"))
                assert (await ann.get("/api/v1/me/openai-key")).json() == {"configured": False}
                before = up.calls
                for attempt in (
                    prompted(ann),
                    asked(anns_program),
                    asked(anns_program, model="openai/gpt-4o-mini"),
                    anns_program.post(
                        "/v1/chat/completions",
                        json={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]},
                        headers={"x-doorward-provider": "openai", "x-doorward-account": account["id"]},
                    ),
                ):
                    refused(await attempt, *NO_KEY)
                assert up.calls == before, "a refused call reached the upstream"
                assert (await asked(anns_program, model="sim-small")).status_code == 200

                # a key serves from the next call on, over every door, and its replacement too
                for key, name in ((f"  {ANN}\n", "Ann"), (ANNS_SECOND, "Ann, again"), (ANN, "Ann")):
                    put = await ann.put("/api/v1/me/openai-key", json={"key": key})
                    assert (put.status_code, put.content) == (204, b"")
                    assert text(await asked(anns_program)) == name
                    assert text(await prompted(ann)) == name
                assert (await ann.get("/api/v1/me/openai-key")).json() == {"configured": True}

                # whose slot it is comes from the session alone
                refused(await asked(bobs_program), *NO_KEY)
                tricks = {"x-user-id": ann_id, "x-doorward-user": ann_id}
                put = await bob.put(f"/api/v1/me/openai-key?user_id={ann_id}", json={"key": BOB}, headers=tricks)
                assert put.status_code == 204
                assert text(await asked(bobs_program)) == "Bob"
                assert text(await asked(anns_program)) == "Ann"
                assert (await bob.delete(f"/api/v1/me/openai-key?user_id={ann_id}", headers=tricks)).status_code == 204
                refused(await asked(bobs_program), *NO_KEY)
                assert text(await asked(anns_program)) == "Ann"
                assert text(await asked(operators_program)) == "the operator"

                # nothing that the operator can ask for shows a key or a part of it
                shown = [await door.cli("account", "list"), await door.cli("audit", "list"), await door.cli("user", "list")]
                assert not [key for key in KEYS if key in str(shown) or key[-8:] in str(shown)]

                assert (await ann.delete("/api/v1/me/openai-key")).status_code == 204
                refused(await asked(anns_program), *NO_KEY)
                assert text(await asked(operators_program)) == "the operator"
        actions = [row["action"] for row in (await door.cli("audit", "list", "--action", "key.set"))["data"]]
        assert len(actions) == 4
        assert (await door.cli("audit", "verify"))["ok"]


async def test_a_restart_in_another_mode_keeps_every_key_and_says_which_rest(tmp_path: Path) -> None:
    async with upstream() as up:
        async with served(tmp_path, **at(up)) as door:
            await door.user("root@example.com", "--admin")
            await door.user("ann@example.com")
            async with door.signed_in("ann@example.com") as ann:
                program = await makes_key(ann)
                assert (await ann.put("/api/v1/me/openai-key", json={"key": ANN})).status_code == 204
            assert "rests" not in door.log.read_text()
        async with served(tmp_path, **at(up), DOORWARD_CUSTODY="admin") as door, door.program(program) as client:
            said = "1 user's key rests, sealed: custody admin uses the operator's accounts alone."
            assert said in door.log.read_text()
            answer = await asked(client)
            refused(answer, 503, "OpenAI is not configured", "key_not_configured")
            assert up.calls == 0
        cap = {"DOORWARD_CUSTODY": "anonymous", "DOORWARD_SPEND_CAP_USD": "1"}
        async with served(tmp_path, **at(up), **cap) as door:
            assert "1 user's key rests" in door.log.read_text()
        async with served(tmp_path, **at(up)) as door, door.program(program) as client:
            assert text(await asked(client)) == "Ann"


@pytest.mark.parametrize("processes", [2])
async def test_another_process_goes_by_a_new_key_within_5_s(tmp_path: Path, postgres_url: str, processes: int) -> None:
    key_file = tmp_path / "data" / "master.key"
    async with upstream() as up, served(tmp_path, **at(up), DOORWARD_DATABASE_URL=postgres_url) as one:
        shared = {"DOORWARD_DATABASE_URL": postgres_url, "DOORWARD_MASTER_KEY_FILE": str(key_file)}
        async with served(tmp_path, name="second", **at(up), **shared) as two:
            await one.user("ann@example.com")
            async with one.signed_in("ann@example.com") as ann, two.program(await makes_key(ann)) as elsewhere:
                refused(await asked(elsewhere), *NO_KEY)
                for key, name in ((ANN, "Ann"), (ANNS_SECOND, "Ann, again")):
                    assert (await ann.put("/api/v1/me/openai-key", json={"key": key})).status_code == 204
                    await soon(lambda name=name: _served(elsewhere, name), within_s=5.5)  # type: ignore[misc]
                assert (await ann.delete("/api/v1/me/openai-key")).status_code == 204
                await soon(lambda: _is(elsewhere, 403), within_s=5.5)


async def _served(client, name: str) -> bool:  # type: ignore[no-untyped-def]
    answer = await asked(client)
    return answer.status_code == 200 and text(answer) == name


async def _is(client, status: int) -> bool:  # type: ignore[no-untyped-def]
    return (await asked(client)).status_code == status
