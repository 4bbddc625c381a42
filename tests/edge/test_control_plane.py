"""`/api/v1/*` over a real socket: providers, accounts and keys live their lives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.edge.plane import ACCOUNT, OPENAI_LIKE, error_of, plane
from tests.house import CANARY

pytestmark = pytest.mark.timeout(20)


async def test_a_provider_lives_its_life(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:
        made = await api.ask("POST", "/providers", OPENAI_LIKE, status=201)
        assert made["base_url"] == "https://api.example.com"
        assert made["supported_models"] == ["big-*", "Exact-1"]
        assert (await api.refused("POST", "/providers", 409, OPENAI_LIKE))["code"] == "conflict"
        listed = await api.ask("GET", "/providers")
        assert [row["id"] for row in listed["data"]][-1] == "second"
        assert {"openai", "simulator"} <= {row["id"] for row in listed["data"]}
        changed = await api.ask("PATCH", "/providers/second", {"is_active": False, "supported_models": ["x*"]})
        assert (changed["is_active"], changed["supported_models"], changed["base_url"]) == (False, ["x*"], made["base_url"])
        assert await api.ask("GET", "/providers/second") == changed
        assert await api.ask("DELETE", "/providers/second") == {"id": "second", "deleted": True}
        await api.refused("GET", "/providers/second", 404)


async def test_an_account_goes_in_and_its_key_never_comes_out(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:
        made = await api.ask("POST", "/accounts", {**ACCOUNT, "weight": 3, "organization": "org-1"}, status=201)
        assert "auth_data" not in made
        assert made["configured"] is True
        assert made["key_set_at"] > 0
        assert (made["weight"], made["organization"], made["provider_id"]) == (3, "org-1", "openai")
        at = f"/accounts/{made['id']}"
        assert await api.ask("GET", at) == made
        assert (await api.ask("GET", "/accounts"))["data"] == [made]
        assert (await api.ask("GET", "/accounts?provider_id=simulator"))["data"] == []
        resting = await api.ask("PATCH", at, {"is_active": False, "organization": None})
        assert (resting["is_active"], resting["organization"], resting["weight"]) == (False, None, 3)
        replaced = await api.ask("PATCH", at, {"auth_data": {"api_key": CANARY + "2"}, "label": "other"})
        assert replaced["label"] == "other"
        assert replaced["key_set_at"] >= made["key_set_at"]
        assert await api.ask("DELETE", at) == {"id": made["id"], "deleted": True}
        await api.refused("GET", at, 404)
        assert CANARY.encode() not in b"".join(file.read_bytes() for file in api.door.data_dir.rglob("*") if file.is_file())


async def test_nothing_half_written_stays(tmp_path: Path) -> None:
    """The second account of a label fails after its row was tried: no row and no sealed key may stay."""
    async with plane(tmp_path) as api:
        await api.ask("POST", "/accounts", ACCOUNT, status=201)
        await api.refused("POST", "/accounts", 409, ACCOUNT)
        await api.refused("POST", "/accounts", 404, {**ACCOUNT, "provider_id": "nobody"})
        assert len((await api.ask("GET", "/accounts"))["data"]) == 1
        async with api.door.app.ground.store.reading() as connection:
            assert (await connection.exec_driver_sql("SELECT count(*) FROM sealed WHERE name LIKE 'account:%'")).scalar_one() == 1


async def test_a_vault_that_fails_leaves_no_account(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:
        async with api.door.app.ground.store.writing() as connection:
            await connection.exec_driver_sql(
                "CREATE TRIGGER refuse BEFORE INSERT ON sealed BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            )
        await api.refused("POST", "/accounts", 500, ACCOUNT)
        assert (await api.ask("GET", "/accounts"))["data"] == []


async def test_a_client_key_is_shown_once_and_lives_its_life(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:
        made = await api.ask("POST", "/keys", {"label": "web", "models": ["sim-*"], "share_as": "team"}, status=201)
        key, key_id = made.pop("key"), made["id"]
        assert key.startswith(f"dw-{key_id}-")
        assert made["scopes"] == ["call"]
        assert made["state"] == "active"
        assert await api.ask("GET", f"/keys/{key_id}") == made
        me = await api.ask("GET", "/me", key=key)
        assert (me["owner"], me["label"], me["scopes"], me["models"]) == ("share:team", "web", ["call"], ["sim-*"])
        assert (await api.ask("PATCH", f"/keys/{key_id}", {"label": "shop"}))["label"] == "shop"
        limited = await api.ask("PATCH", f"/keys/{key_id}", {"limits": {"rpm": 40, "concurrency": 3}})
        assert [limited["limits"][name] for name in ("rpm", "rpd", "tpm", "tpd", "concurrency")] == [40, None, None, None, 3]
        assert limited["label"] == "shop"
        await api.refused("PATCH", f"/keys/{key_id}", 422, {"limits": {"rpm": 40, "rpd": 10}})
        next_ = await api.ask("POST", f"/keys/{key_id}/rotate", {"overlap_s": 600}, status=201)
        assert next_["rotated_from"] == key_id
        assert (next_["models"], next_["share_as"], next_["label"]) == (["sim-*"], "team", "shop")
        await api.ask("GET", "/me", key=key)
        await api.ask("GET", "/me", key=next_["key"])
        assert (await api.ask("POST", f"/keys/{key_id}/revoke"))["state"] == "revoked"
        assert (await api.refused("GET", "/me", 401, key=key))["code"] == "invalid_api_key"
        await api.refused("POST", f"/keys/{key_id}/rotate", 409, {})
        await api.ask("DELETE", f"/keys/{key_id}")
        await api.refused("GET", f"/keys/{key_id}", 404)
        listed = await api.ask("GET", "/keys")
        assert key not in json.dumps(listed)
        assert next_["key"] not in json.dumps(listed)


async def test_an_old_key_ends_with_its_overlap(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:
        made = await api.ask("POST", "/keys", {"label": "web"}, status=201)
        await api.ask("POST", f"/keys/{made['id']}/rotate", {"overlap_s": 0}, status=201)
        await api.refused("GET", "/me", 401, key=made["key"])


async def test_a_key_has_no_more_power_than_its_maker(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:
        narrow = await api.door.key(scopes=("admin",))
        error = await api.refused("POST", "/keys", 403, {"label": "x", "scopes": ["call", "admin"]}, key=narrow)
        assert "call" in error["message"]
        wide = await api.ask("POST", "/keys", {"label": "x", "scopes": ["call", "admin"]}, status=201)
        await api.refused("POST", f"/keys/{wide['id']}/rotate", 403, {}, key=narrow)
        await api.ask("POST", "/keys", {"label": "y", "scopes": ["admin"]}, status=201, key=narrow)


async def test_a_chunked_body_over_the_cap_is_cut_off(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:

        async def much() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 4096
                await asyncio.sleep(0)

        answer = await api.http.post("/api/v1/keys", headers={"authorization": f"Bearer {api.admin}"}, content=much())
        assert answer.status_code == 413
        error_of(answer.json())


async def test_an_accident_inside_is_a_500_in_shape(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:
        async with api.door.app.ground.store.writing() as connection:
            await connection.exec_driver_sql("ALTER TABLE providers RENAME TO elsewhere")
        answer = await api.http.get("/api/v1/providers", headers={"authorization": f"Bearer {api.admin}"})
        assert answer.status_code in (500, 503)
        assert "elsewhere" not in answer.text
        assert "Traceback" not in answer.text
        error_of(answer.json())


async def test_testing_an_account_that_cannot_be_reached_says_so(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:
        await api.ask("POST", "/providers", {"id": "away", "base_url": "http://127.0.0.1:9", "allow_private": True}, status=201)
        made = await api.ask("POST", "/accounts", {**ACCOUNT, "provider_id": "away"}, status=201)
        tried = await api.ask("POST", f"/accounts/{made['id']}/test")
        assert tried["ok"] is False
        assert tried["status"] is None
        await api.refused("POST", "/accounts/acc_nobody/test", 404)


async def test_the_probes_answer_without_a_key(tmp_path: Path) -> None:
    async with plane(tmp_path) as api:
        assert (await api.http.get("/healthz")).json() == {"status": "ok"}
        ready = await api.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        api.door.app.is_draining = True
        assert (await api.http.get("/readyz")).status_code == 503
        api.door.app.draining = False
        error_of((await api.http.post("/readyz")).json())
