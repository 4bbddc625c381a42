"""Ways in over HTTP: password, fixation, foreign pages, the first admin's link, invitations."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.identity.front import GOOD, Front, error_of, front


async def test_password_sign_in_who_am_i_and_sign_out(tmp_path: Path) -> None:
    async with front(tmp_path) as door, door.browser() as browser:
        await door.user("Ann@Example.com ")
        assert (await browser.get("/api/v1/session")).json()["user"] is None
        answer = await browser.post("/api/v1/session", json={"email": " ann@example.COM", "password": GOOD})
        assert answer.status_code == 200
        said = answer.headers["set-cookie"]
        assert "HttpOnly" in said
        assert "SameSite=Lax" in said
        assert "Secure" not in said
        me = (await browser.get("/api/v1/session")).json()
        assert me["user"]["email"] == "ann@example.com"
        assert (await browser.get("/api/v1/me")).json()["scopes"] == ["call", "me"]
        token = browser.cookies["doorward"]
        assert (await browser.delete("/api/v1/session")).json() == {"logout_url": None}
        assert "doorward" not in browser.cookies
        late = await browser.get("/api/v1/me", headers={"cookie": f"doorward={token}"})
        assert error_of(late, 401)["message"] == "Sign in to use this feature"
        assert {"user.add", "session.open", "session.end"} <= set(await door.audit_actions())


async def test_the_cookie_is_a_hash_in_the_database_and_secure_on_https(tmp_path: Path) -> None:
    async with front(tmp_path, public_url="https://door.example.com") as door:
        await door.user("ann@example.com")
        async with door.browser(origin="https://door.example.com") as browser:
            answer = await browser.post("/api/v1/session", json={"email": "ann@example.com", "password": GOOD})
        said = answer.headers["set-cookie"]
        assert said.startswith("__Host-doorward=")
        assert "; Secure" in said
        assert "Path=/" in said
        assert "Domain" not in said
        token = said.split("=", 1)[1].split(";")[0]
        raw = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file())
        assert token.encode() not in raw


async def test_a_planted_cookie_is_never_taken_over(tmp_path: Path) -> None:
    """Session fixation: whatever the browser had before, sign-in makes a new id; the planted one stays nobody."""
    async with front(tmp_path) as door, door.browser() as browser:
        await door.user("ann@example.com")
        planted = "A" * 43
        headers = {"cookie": f"doorward={planted}"}
        answer = await browser.post("/api/v1/session", json={"email": "ann@example.com", "password": GOOD}, headers=headers)
        assert planted not in answer.headers["set-cookie"]
        browser.cookies.clear()
        assert error_of(await browser.get("/api/v1/me", headers=headers), 401)


async def test_a_second_sign_in_replaces_the_browsers_session(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        user = await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as browser:
            first = browser.cookies["doorward"]
            await browser.post("/api/v1/session", json={"email": "ann@example.com", "password": GOOD})
            assert browser.cookies["doorward"] != first
            assert len(await door.desk.sessions.of_user(user.id)) == 1
            browser.cookies.clear()
            assert error_of(await browser.get("/api/v1/me", headers={"cookie": f"doorward={first}"}), 401)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "origin": ""},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://localhost.evil.example", "host": "localhost.evil.example"},
    ],
)
async def test_foreign_pages_cannot_write(tmp_path: Path, headers: dict[str, str]) -> None:
    async with front(tmp_path) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as browser:
            refused = await browser.put("/api/v1/me/openai-key", json={"key": "sk-aaaaaaaaaaaa"}, headers=headers)
            assert error_of(refused, 403)["code"] == "forbidden"
            assert (await browser.get("/api/v1/me/openai-key")).json() == {"configured": False}
        async with door.browser() as browser:
            refused = await browser.post("/api/v1/session", json={"email": "ann@example.com", "password": GOOD}, headers=headers)
            assert error_of(refused, 403)
            assert "set-cookie" not in refused.headers


async def test_a_sessions_write_without_any_origin_is_refused(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as browser:
            del browser.headers["origin"], browser.headers["sec-fetch-site"]
            assert error_of(await browser.put("/api/v1/me/openai-key", json={"key": "sk-aaaaaaaaaaaa"}), 403)
            assert (await browser.get("/api/v1/me/openai-key")).status_code == 200


async def test_wrong_passwords_say_one_thing_and_then_wait(tmp_path: Path) -> None:
    async with front(tmp_path) as door, door.browser() as browser:
        await door.user("ann@example.com")
        said = set()
        for email in ("ann@example.com", "nobody@example.com"):
            for _ in range(5):
                answer = await browser.post("/api/v1/session", json={"email": email, "password": "wrong password"})
                said.add(error_of(answer, 401)["message"])
            answer = await browser.post("/api/v1/session", json={"email": email, "password": GOOD})
            assert error_of(answer, 429)["message"].startswith("Too many tries. Wait ")
            assert 50 < int(answer.headers["retry-after"]) <= 61
        assert said == {"E-mail or password is wrong."}
        odd = await browser.post("/api/v1/session", json={"email": "no address", "password": "x"})
        assert error_of(odd, 401)["message"] == "E-mail or password is wrong."


async def test_parallel_guesses_count_too(tmp_path: Path) -> None:
    async with front(tmp_path) as door, door.browser() as browser:
        await door.user("ann@example.com")
        body = {"email": "ann@example.com", "password": "wrong password"}
        answers = await asyncio.gather(*(browser.post("/api/v1/session", json=body) for _ in range(30)))
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(401) == 5
        assert statuses.count(429) == 25


async def set_up(door: Front, token: str, email: str = "ann@example.com", password: str | None = GOOD) -> int:
    async with door.browser() as browser:
        body = {"token": token, "email": email} | ({"password": password} if password else {})
        return (await browser.post("/api/v1/setup", json=body)).status_code


async def test_fifty_parallel_set_ups_make_one_admin(tmp_path: Path, postgres_url: str) -> None:
    for url in (None, postgres_url):
        async with front(tmp_path, url) as door:
            token = await door.desk.first_run.renew()
            assert token
            assert await door.desk.first_run.is_open()
            tries = [set_up(door, token, f"user{number}@example.com") for number in range(50)]
            statuses = await asyncio.gather(*tries)
            assert statuses.count(201) == 1
            assert set(statuses) <= {201, 403}
            users = await door.desk.users.list()
            assert [user.role for user in users] == ["admin"]
            assert await door.desk.first_run.renew() is None


async def test_a_set_up_link_dies_with_the_next_start_and_survives_a_slip(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        old = await door.desk.first_run.renew()
        token = await door.desk.first_run.renew()
        assert old
        assert token
        assert await set_up(door, old) == 403
        assert await set_up(door, "forged") == 403
        assert await set_up(door, token, password="short") == 422
        assert await set_up(door, token, email="no address") == 422
        assert await door.desk.users.list() == []
        assert await set_up(door, token) == 201
        assert await set_up(door, token, "bob@example.com") == 403


async def test_an_invitation_makes_one_user_once(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("root@example.com", "admin")
        async with door.signed_in("root@example.com") as admin:
            made = (await admin.post("/api/v1/invitations", json={"email": "Bob@example.com", "role": "user"})).json()
            assert len((await admin.get("/api/v1/invitations")).json()["data"]) == 1
            token = made["link"].split("#")[1]
        async with door.browser() as bob:
            assert (await bob.post("/api/v1/invitations/look", json={"token": token})).json()["email"] == "bob@example.com"
            answers = await asyncio.gather(
                *(bob.post("/api/v1/invitations/accept", json={"token": token, "password": GOOD}) for _ in range(10))
            )
            assert sorted(answer.status_code for answer in answers) == [201] + [403] * 9
            assert error_of(answers[0] if answers[0].status_code == 403 else answers[1], 403)["code"] == "invitation_used"
        async with door.signed_in("bob@example.com"):
            pass


async def test_an_expired_or_withdrawn_invitation_is_dead(tmp_path: Path) -> None:
    from sqlalchemy import update

    from doorward.store.tables.identity import tickets

    async with front(tmp_path) as door, door.browser() as browser:
        one = await door.desk.invitations.make("bob@example.com", "user", actor="operator")
        async with door.store.writing() as connection:
            await connection.execute(update(tickets).values(expires_at=1.0))
        two = await door.desk.invitations.make("eve@example.com", "user", actor="operator")
        [ticket] = await door.desk.invitations.open()
        await door.desk.invitations.withdraw(ticket.id, actor="operator")
        for token in (one, two, "x"):
            answer = await browser.post("/api/v1/invitations/accept", json={"token": token, "password": GOOD})
            assert error_of(answer, 403)["code"] == "invitation_used"
        assert await door.desk.users.list() == []


async def test_anonymous_has_no_sign_in_and_guards_writes_against_foreign_pages(tmp_path: Path) -> None:
    async with front(tmp_path, custody="anonymous") as door, door.browser() as browser:
        for method, path in (("POST", "/api/v1/session"), ("DELETE", "/api/v1/session"), ("POST", "/api/v1/setup")):
            body = {"email": "a@example.com", "password": GOOD, "token": "t"}
            answer = await browser.request(method, path, **({"json": body} if method == "POST" else {}))
            assert error_of(answer, 404)["code"] == "not_in_this_mode"
        body = {"key": "sk-aaaaaaaaaaaa"}
        assert error_of(await browser.put("/api/v1/openai-key", json=body, headers={"origin": "https://evil.example"}), 403)
        del browser.headers["origin"], browser.headers["sec-fetch-site"]
        assert (await browser.put("/api/v1/openai-key", json=body)).status_code == 204  # curl sends neither header
