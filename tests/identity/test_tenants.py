"""I9 and I12 on the rooms of identity: what is ended is refused soon everywhere, and what is another's is not there."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.identity.front import GOOD, Front, error_of, front

KEEP_S = 0.2


async def made_key(browser: httpx2.AsyncClient, **wish: Any) -> dict[str, Any]:
    answer = await browser.post("/api/v1/me/keys", json={"label": "mine", **wish})
    assert answer.status_code == 201, answer.text
    return answer.json()


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def refused_soon(browser: httpx2.AsyncClient, path: str, within_s: float = 5.0, **options: Any) -> None:
    until = time.monotonic() + within_s
    while (await browser.get(path, **options)).status_code not in (401, 403):
        assert time.monotonic() < until, "still served"
        await asyncio.sleep(0.05)


async def test_a_user_makes_limits_rotates_and_revokes_keys(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as ann, httpx2.AsyncClient(base_url=door.url, trust_env=False) as program:
            limits = {"rpm": 20, "budget_usd": "1.50", "budget_period": "day"}
            made = await made_key(ann, models=["gpt-4o*"], limits=limits, scopes=["call", "me"])
            assert made["limits"]["rpm"] == 20
            assert made["limits"]["budget_usd"] == "1.5"
            me = (await program.get("/api/v1/me", headers=bearer(made["key"]))).json()
            assert (me["models"], me["scopes"]) == (["gpt-4o*"], ["call", "me"])
            shown = (await ann.get("/api/v1/me/keys")).json()["data"]
            assert "key" not in shown[0]
            renamed = await ann.patch(f"/api/v1/me/keys/{made['id']}", json={"label": "renamed"})
            assert renamed.json()["label"] == "renamed"
            new = (await ann.post(f"/api/v1/me/keys/{made['id']}/rotate", json={"overlap_s": 60})).json()
            assert new["limits"] == made["limits"]
            for key in (made["key"], new["key"]):
                assert (await program.get("/api/v1/me", headers=bearer(key))).status_code == 200
            await ann.post(f"/api/v1/me/keys/{new['id']}/revoke")
            answer = await program.get("/api/v1/me", headers=bearer(new["key"]))
            assert error_of(answer, 401)["code"] == "invalid_api_key"
            both = await ann.get("/api/v1/me", headers=bearer(made["key"]))
            assert error_of(both, 400)


async def test_a_key_gives_no_more_than_its_maker_has(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as ann, httpx2.AsyncClient(base_url=door.url, trust_env=False) as program:
            assert error_of(await ann.post("/api/v1/me/keys", json={"label": "x", "scopes": ["admin"]}), 403)
            bounded = await made_key(ann, scopes=["call", "me"], limits={"rpm": 5})
            free = await program.post("/api/v1/me/keys", json={"label": "free"}, headers=bearer(bounded["key"]))
            assert error_of(free, 403)
            caller_only = await made_key(ann)
            assert error_of(await program.get("/api/v1/me/keys", headers=bearer(caller_only["key"])), 403)


async def test_another_users_things_are_not_there(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("ann@example.com")
        await door.user("bob@example.com")
        async with door.signed_in("ann@example.com") as ann, door.signed_in("bob@example.com") as bob:
            key = (await made_key(ann))["id"]
            [session] = (await ann.get("/api/v1/me/sessions")).json()["data"]
            tries = [
                ("PATCH", f"/api/v1/me/keys/{key}", {"label": "stolen"}),
                ("POST", f"/api/v1/me/keys/{key}/rotate", {"overlap_s": 0}),
                ("POST", f"/api/v1/me/keys/{key}/revoke", None),
                ("DELETE", f"/api/v1/me/sessions/{session['id']}", None),
                ("DELETE", "/api/v1/me/passkeys/AAAA", None),
            ]
            for method, path, body in tries:
                answer = await bob.request(method, path, **({"json": body} if body is not None else {}))
                assert error_of(answer, 404), path
            assert (await bob.get("/api/v1/me/keys")).json()["data"] == []
            assert len((await bob.get("/api/v1/me/sessions")).json()["data"]) == 1
            assert (await ann.get("/api/v1/me/keys")).json()["data"][0]["state"] == "active"


ADMIN_ONLY = [
    ("GET", "/api/v1/users"),
    ("POST", "/api/v1/users"),
    ("GET", "/api/v1/users/{id}"),
    ("PATCH", "/api/v1/users/{id}"),
    ("DELETE", "/api/v1/users/{id}"),
    ("GET", "/api/v1/users/{id}/export"),
    ("POST", "/api/v1/users/{id}/erase"),
    ("GET", "/api/v1/invitations"),
    ("POST", "/api/v1/invitations"),
    ("DELETE", "/api/v1/invitations/{id}"),
    ("GET", "/api/v1/audit"),
    ("GET", "/api/v1/audit/verify"),
]


async def test_admin_routes_refuse_everybody_else(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        ann = await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as browser, door.browser() as nobody:
            for method, path in ADMIN_ONLY:
                at = path.format(id=ann.id)
                assert error_of(await browser.request(method, at), 403), at
                assert error_of(await nobody.request(method, at), 401), at


async def two_processes(tmp_path: Path, url: str) -> tuple[Any, Any]:
    return front(tmp_path, url, key_cache_s=KEEP_S), front(tmp_path, url, key_cache_s=KEEP_S)


async def test_endings_are_felt_in_the_other_process(tmp_path: Path, postgres_url: str) -> None:
    one, two = await two_processes(tmp_path, postgres_url)
    async with one as here, two as there:
        user = await here.user("ann@example.com", "admin")
        await here.user("root@example.com", "admin")
        async with (
            here.signed_in("ann@example.com") as ann,
            httpx2.AsyncClient(base_url=there.url, trust_env=False) as other,
        ):
            key = await made_key(ann, scopes=["call", "me", "admin"])
            cookie = {"cookie": f"doorward={ann.cookies['doorward']}"}
            for headers in (bearer(key["key"]), cookie):
                assert (await other.get("/api/v1/users", headers=headers)).status_code == 200
            caller = await there.parts.credentials.resolve([(b"authorization", f"Bearer {key['key']}".encode())])
            assert await there.parts.credentials.still_valid(caller)
            # the role goes: the key's admin scope and the session with it
            await here.desk.users.set_role(user.id, "user", actor="operator")
            await refused_soon(other, "/api/v1/users", headers=bearer(key["key"]))
            await refused_soon(other, "/api/v1/me", headers=cookie)
            assert not await there.parts.credentials.still_valid(caller)
            assert (await other.get("/api/v1/me", headers=bearer(key["key"]))).status_code == 200
            # the user goes: the key is nobody's
            await here.desk.users.remove(user.id, actor="operator")
            await refused_soon(other, "/api/v1/me", headers=bearer(key["key"]))


async def test_the_last_admin_stays(tmp_path: Path, postgres_url: str) -> None:
    for url in (None, postgres_url):
        async with front(tmp_path / ("pg" if url else "lite"), url) as door:
            one, two = await door.user("one@example.com", "admin"), await door.user("two@example.com", "admin")
            outcomes = await asyncio.gather(
                door.desk.users.set_role(one.id, "user", actor=f"user:{two.id}"),
                door.desk.users.remove(two.id, actor=f"user:{one.id}"),
                return_exceptions=True,
            )
            assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1
            async with door.signed_in(await last_admin(door)) as admin:
                me = (await admin.get("/api/v1/session")).json()["user"]["id"]
                for method, path, body in (
                    ("PATCH", f"/api/v1/users/{me}", {"role": "user"}),
                    ("DELETE", f"/api/v1/users/{me}", None),
                    ("POST", f"/api/v1/users/{me}/erase", None),
                ):
                    answer = await admin.request(method, path, **({"json": body} if body else {}))
                    assert error_of(answer, 409)["code"] == "last_admin"
                assert error_of(await admin.patch(f"/api/v1/users/{me}", json={"role": "owner"}), 422)


async def last_admin(door: Front) -> str:
    [email] = [user.email for user in await door.desk.users.list() if user.role == "admin"]
    return email


async def test_sessions_are_listed_and_ended_by_their_user(tmp_path: Path) -> None:
    async with front(tmp_path, key_cache_s=KEEP_S) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as phone, door.signed_in("ann@example.com") as desk:
            listed = (await desk.get("/api/v1/me/sessions")).json()["data"]
            assert [row["current"] for row in listed].count(True) == 1
            assert (await desk.delete("/api/v1/me/sessions")).json() == {"ended": 1}
            await refused_soon(phone, "/api/v1/me")
            wrong = await desk.put("/api/v1/me/password", json={"current": "not this one", "password": "another good one"})
            assert error_of(wrong, 403)
            changed = await desk.put("/api/v1/me/password", json={"current": GOOD, "password": "another good one"})
            assert changed.status_code == 204
            assert (await desk.get("/api/v1/me")).status_code == 200


@pytest.mark.parametrize("email", ["", "a", "a@", "@b", "a b@c.d", "a@b\n.c", "x" * 300 + "@example.com", "a..b@example.com"])
async def test_bad_addresses_are_refused(tmp_path: Path, email: str) -> None:
    async with front(tmp_path) as door:
        await door.user("root@example.com", "admin")
        async with door.signed_in("root@example.com") as root:
            assert error_of(await root.post("/api/v1/users", json={"email": email}), 422)
            assert len(await door.desk.users.list()) == 1


async def test_writes_of_other_nouns_get_their_audit_row_and_readings_none(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("root@example.com", "admin")
        async with door.signed_in("root@example.com") as root:
            before = len(await door.audit_actions())
            key = await made_key(root)
            await root.get("/api/v1/me/keys")
            await root.post(f"/api/v1/me/keys/{key['id']}/revoke")
            assert error_of(await root.post("/api/v1/me/keys/unknown/revoke"), 404)
            rows = (await door.desk.audit.page(limit=50))[::-1][before:]
            assert [(row.action, row.target, row.actor) for row in rows] == [
                ("POST /api/v1/me/keys", f"key:{key['id']}", "root@example.com"),
                ("POST /api/v1/me/keys/{key_id}/revoke", key["id"], "root@example.com"),
            ]
            verdict = (await root.get("/api/v1/audit/verify")).json()
            assert verdict["ok"]
            page = (await root.get("/api/v1/audit?limit=1")).json()
            assert page["data"][0]["from_addr"] == "127.0.0.1"
            assert page["next"] == page["data"][0]["number"]


async def test_a_session_ends_when_its_time_is_over(tmp_path: Path) -> None:
    from sqlalchemy import update

    from doorward.store.tables.identity import sessions

    async with front(tmp_path, key_cache_s=0.05) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as ann:
            async with door.store.writing() as connection:
                await connection.execute(update(sessions).values(expires_at=1.0))
            await refused_soon(ann, "/api/v1/me")
