"""Passkey ceremonies with a software authenticator: what is accepted once, and what never."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.identity.authenticator import Authenticator
from tests.identity.front import error_of, front

ORIGIN = "http://localhost:8123"
PORT = 8123


async def register(browser: httpx2.AsyncClient, device: Authenticator, name: str = "laptop") -> httpx2.Response:
    options = (await browser.post("/api/v1/me/passkeys/begin")).json()
    return await browser.post("/api/v1/me/passkeys", json={"name": name, "credential": device.create(options)})


async def begin(browser: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await browser.post("/api/v1/session/passkey/begin")
    assert answer.status_code == 200
    return answer.json()


async def sign_in(browser: httpx2.AsyncClient, credential: dict[str, Any]) -> httpx2.Response:
    return await browser.post("/api/v1/session/passkey", json={"credential": credential})


async def test_register_several_and_sign_in_with_each(tmp_path: Path) -> None:
    async with front(tmp_path, port=PORT) as door:
        await door.user("ann@example.com")
        laptop, phone = Authenticator(ORIGIN), Authenticator(ORIGIN)
        async with door.signed_in("ann@example.com") as browser:
            options = (await browser.post("/api/v1/me/passkeys/begin")).json()
            assert options["rp"]["id"] == "localhost"
            assert options["authenticatorSelection"]["userVerification"] == "required"
            for device, name in ((laptop, "laptop"), (phone, "phone")):
                assert (await register(browser, device, name)).status_code == 201
            again = await register(browser, phone, "phone twice")
            assert error_of(again, 409)
            listed = (await browser.get("/api/v1/me/passkeys")).json()["data"]
            assert [row["name"] for row in listed] == ["laptop", "phone"]
        for device in (laptop, phone):
            async with door.browser() as browser:
                answer = await sign_in(browser, device.get(await begin(browser)))
                assert answer.json()["email"] == "ann@example.com"
                assert (await browser.get("/api/v1/me")).status_code == 200
        assert "passkey.add" in await door.audit_actions()


async def test_a_replayed_answer_is_refused(tmp_path: Path) -> None:
    async with front(tmp_path, port=PORT) as door:
        await door.user("ann@example.com")
        device = Authenticator(ORIGIN)
        async with door.signed_in("ann@example.com") as browser:
            options = (await browser.post("/api/v1/me/passkeys/begin")).json()
            body = {"name": "laptop", "credential": device.create(options)}
            tries = await asyncio.gather(*(browser.post("/api/v1/me/passkeys", json=body) for _ in range(5)))
            assert sorted(answer.status_code for answer in tries) == [201, 400, 400, 400, 400]
        async with door.browser() as browser:
            credential = device.get(await begin(browser))
            tries = await asyncio.gather(*(sign_in(browser, credential) for _ in range(5)))
            assert sorted(answer.status_code for answer in tries) == [200, 400, 400, 400, 400]


@pytest.mark.parametrize(
    "flaw",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:8123"},
        {"rp_id": "evil.example"},
        {"verifies": False},
    ],
)
async def test_a_foreign_or_unverified_ceremony_is_refused(tmp_path: Path, flaw: dict[str, Any]) -> None:
    async with front(tmp_path, port=PORT) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as browser:
            assert error_of(await register(browser, Authenticator(**{"origin": ORIGIN, **flaw})), 400)
            good = Authenticator(ORIGIN)
            assert (await register(browser, good)).status_code == 201
        for name, value in flaw.items():
            setattr(good, name, value)
        async with door.browser() as browser:
            assert error_of(await sign_in(browser, good.get(await begin(browser))), 401)
            assert "doorward" not in browser.cookies


async def test_challenges_are_bound_to_their_ceremony_and_their_user(tmp_path: Path) -> None:
    async with front(tmp_path, port=PORT) as door:
        for email in ("ann@example.com", "bob@example.com"):
            await door.user(email)
        device = Authenticator(ORIGIN)
        async with door.signed_in("ann@example.com") as ann, door.signed_in("bob@example.com") as bob:
            options = (await ann.post("/api/v1/me/passkeys/begin")).json()
            stolen = await bob.post("/api/v1/me/passkeys", json={"name": "x", "credential": device.create(options)})
            assert error_of(stolen, 400)
            swapped = await ann.post("/api/v1/me/passkeys", json={"name": "x", "credential": device.create(await begin(ann))})
            assert error_of(swapped, 400)
            made_up = {"challenge": "A" * 43}
            assert error_of(await ann.post("/api/v1/me/passkeys", json={"name": "x", "credential": device.create(made_up)}), 400)


async def test_a_cloned_authenticator_is_noticed(tmp_path: Path) -> None:
    async with front(tmp_path, port=PORT) as door:
        await door.user("ann@example.com")
        device = Authenticator(ORIGIN)
        async with door.signed_in("ann@example.com") as browser:
            await register(browser, device)
        async with door.browser() as browser:
            device.count = 10
            assert (await sign_in(browser, device.get(await begin(browser)))).status_code == 200
            device.count = 3
            assert error_of(await sign_in(browser, device.get(await begin(browser))), 401)


async def test_unknown_passkeys_and_junk_are_refused(tmp_path: Path) -> None:
    async with front(tmp_path, port=PORT) as door, door.browser() as browser:
        stranger = Authenticator(ORIGIN)
        assert error_of(await sign_in(browser, stranger.get(await begin(browser))), 401)
        for junk in ({}, {"response": {}}, {"response": {"clientDataJSON": "%%%"}}, {"response": {"clientDataJSON": "bnVsbA"}}):
            assert error_of(await sign_in(browser, junk), 400)


async def test_the_last_way_in_stays(tmp_path: Path) -> None:
    async with front(tmp_path, port=PORT) as door, door.browser() as browser:
        token = await door.desk.first_run.renew()
        made = await browser.post("/api/v1/setup", json={"token": token, "email": "root@example.com"})
        assert made.status_code == 201
        one = (await register(browser, Authenticator(ORIGIN))).json()["id"]
        assert error_of(await browser.delete(f"/api/v1/me/passkeys/{one}"), 409)
        await register(browser, Authenticator(ORIGIN), "second")
        assert (await browser.delete(f"/api/v1/me/passkeys/{one}")).status_code == 200


async def test_an_address_that_browsers_refuse_says_so(tmp_path: Path) -> None:
    async with front(tmp_path, public_url="http://192.0.2.7:8080") as door, door.browser(origin="http://192.0.2.7:8080") as browser:
        assert (await browser.get("/api/v1/session")).json()["passkeys"] is False
        assert "https" in error_of(await browser.post("/api/v1/session/passkey/begin"), 400)["message"]
