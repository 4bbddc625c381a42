"""A refused key (401, R17): written down, known to every process and after a restart, until the key is set anew or works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
from tests.answers import Answer, chat_answer, error_answer, json_answer
from tests.house import House, house
from tests.relay.conftest import HELLO
from tests.scripted import Request, ScriptedUpstream

from doorward.core.secret import Secret
from doorward.relay.quarantine import Quarantine
from doorward.store.routes import RouteRule, Routes

REFUSED = error_answer(401, "invalid_api_key", "Incorrect API key provided.")


async def ask(home: House, key: str, model: str = "m1") -> tuple[int, str | None]:
    async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {key}"}, timeout=20) as client:
        reply = await client.post("/v1/chat/completions", json={**HELLO, "model": model})
    return reply.status_code, reply.json().get("error", {}).get("code")


async def written(home: House, account_id: str, *, refused: bool = True) -> None:
    """Wait until the row says so, and this process's snapshot."""
    async with asyncio.timeout(5):
        while True:
            row = await home.app.ground.accounts.get(account_id)
            known = home.app.ground.catalogue.now().accounts[account_id]
            if row is not None and (row.quarantined_at is not None) == refused == (known.quarantined_at is not None):
                return
            await asyncio.sleep(0.05)


async def test_every_process_and_the_next_one_leaves_a_refused_key_alone(tmp_path: Path) -> None:
    async with ScriptedUpstream(REFUSED) as up:
        async with house(tmp_path) as one, house(tmp_path) as other:
            await one.provider("scripted", up.base_url, "m*", prices="free")
            account = await one.account("scripted")
            await other.app.ground.catalogue.refresh()
            key = await one.key()
            assert await ask(one, key) == (502, "upstream_credentials_refused")
            await written(one, account.id)
            await written(other, account.id)
            assert await ask(other, key) == (502, "upstream_credentials_refused")
            admin = {"authorization": f"Bearer {await one.key(scopes=('call', 'me', 'admin'))}"}
            async with httpx2.AsyncClient(base_url=other.url, headers=admin) as client:
                shown = (await client.get(f"/api/v1/accounts/{account.id}")).json()
                states = (await client.get("/api/v1/account-states")).json()["data"]
                seen = (await client.get("/api/v1/health")).json()["quarantined"]
        assert shown["quarantined_at"] is not None
        assert shown["quarantine_reason"] == "scripted refused the key (401)"
        assert [(state["state"], state["why"]) for state in states if state["id"] == account.id] == [
            ("refused", "scripted refused the key (401)")
        ]
        assert [row["account"] for row in seen] == [account.id]
        async with house(tmp_path) as again:
            assert await ask(again, key) == (502, "upstream_credentials_refused")
            assert up.calls == 1, "the refused key was sent again"
            up.script = chat_answer()
            await again.custodian.replace_key(account.id, Secret("sk-another-key-0123456789abcdef"))
            await again.app.ground.catalogue.refresh()
            assert await ask(again, key) == (200, None)


async def test_a_users_own_key_is_theirs_to_set_again(tmp_path: Path) -> None:
    """R21: 401 `upstream_key_refused`, also after the quarantine was written: not `Set your OpenAI API key first`."""
    async with ScriptedUpstream(REFUSED) as up, house(tmp_path) as home:
        await home.provider("scripted", up.base_url, "m*", prices="free")
        user = await home.app.people.desk.users.add("ann@example.com", "user", None, actor="test")
        account = await home.account("scripted", owner=f"user:{user.id}")
        key = await home.key(owner_user_id=user.id)
        assert await ask(home, key) == (401, "upstream_key_refused")
        await written(home, account.id)
        assert await ask(home, key) == (401, "upstream_key_refused")
        assert up.calls == 1


async def test_a_quarantined_model_still_falls_back(tmp_path: Path) -> None:
    def script(request: Request) -> Answer:
        return REFUSED if request.json["model"] == "m1" else chat_answer()

    async with ScriptedUpstream(script) as up, house(tmp_path) as home:
        await home.provider("refusing", up.base_url, "m*", prices="free")
        await home.provider("well", up.base_url, "w*", prices="free")
        account = await home.account("refusing")
        await home.account("well")
        await Routes(home.app.ground.store).set(RouteRule("m1", ("w1",)))
        await home.app.ground.catalogue.refresh()
        key = await home.key()
        assert await ask(home, key) == (200, None)
        await written(home, account.id)
        assert await ask(home, key) == (200, None)
        assert [request.json["model"] for request in up.requests] == ["m1", "w1", "w1"]


async def test_one_odd_401_does_not_end_an_only_account(tmp_path: Path) -> None:
    """What the key can do is asked by a list of models, which costs nothing."""
    async with ScriptedUpstream(REFUSED) as up, house(tmp_path) as home:
        await home.provider("scripted", up.base_url, "m*", prices="free")
        account = await home.account("scripted")
        key = await home.key()
        assert await ask(home, key) == (502, "upstream_credentials_refused")
        await written(home, account.id)
        ground, traffic = home.app.ground, home.app.traffic
        watch = Quarantine(
            ground.accounts, ground.catalogue, traffic.health, traffic.fetch, home.app.clock, check_s=0.3, look_s=0.1
        )
        watching = asyncio.create_task(watch.run())
        await up.wait_for_calls(3)
        assert {request.target for request in up.requests[1:]} == {"/v1/models"}
        assert await ask(home, key) == (502, "upstream_credentials_refused"), "still refused there"
        up.script = json_answer({"object": "list", "data": []})
        await written(home, account.id, refused=False)
        up.script = chat_answer()
        assert await ask(home, key) == (200, None)
        watching.cancel()
